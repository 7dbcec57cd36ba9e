package rules

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// Input is a message that a rule looks at.
type Input struct {
	Topic    string // without `$aws/rules/RULE/`
	ClientID string // of who published it; "": the service
	QoS      byte
	Payload  []byte
	Time     time.Time
}

// undefined is the value of what is not there.
type undefined struct{}

// Values are those of JSON: nil, bool, string, []any, map[string]any, and for numbers int64 and float64; and undefined.

// env is what expressions look at.
type env struct {
	in   *Input
	doc  any  // the payload as JSON
	json bool // it is JSON
}

// expr is an expression.
type expr interface{ eval(*env) any }

type (
	constant  struct{ v any }
	attribute []string
	payload   struct{} // the whole, as it came
	not       struct{ e expr }
	negative  struct{ e expr }
	binary    struct {
		op          string
		left, right expr
	}
	cases struct {
		of, otherwise expr
		when, then    []expr
	}
	call struct {
		name string
		args []expr
	}
)

func (c constant) eval(*env) any { return c.v }

func (payload) eval(v *env) any { return string(v.in.Payload) }

func (a attribute) eval(v *env) any {
	doc := v.doc
	for _, name := range a {
		m, ok := doc.(map[string]any)
		if !ok {
			return undefined{}
		}
		if doc, ok = m[name]; !ok {
			return undefined{}
		}
	}
	return doc
}

func (n not) eval(v *env) any {
	if b, ok := truth(n.e.eval(v)); ok {
		return !b
	}
	return undefined{}
}

func (n negative) eval(v *env) any {
	return arithmetic("-", int64(0), n.e.eval(v))
}

func (c cases) eval(v *env) any {
	of := c.of.eval(v)
	for i, w := range c.when {
		if same, ok := compare("=", of, w.eval(v)).(bool); ok && same {
			return c.then[i].eval(v)
		}
	}
	if c.otherwise == nil {
		return undefined{}
	}
	return c.otherwise.eval(v)
}

func (c call) eval(v *env) any {
	args := make([]any, len(c.args))
	for i, a := range c.args {
		args[i] = a.eval(v)
	}
	return functions[c.name].do(v, args)
}

// eval decides AND and OR by their left side where that is enough: an undefined side leaves the other's word, as three-valued
// logic has it.
func (b binary) eval(v *env) any {
	left := b.left.eval(v)
	switch b.op {
	case "AND", "OR":
		decisive := b.op == "OR"
		l, lok := truth(left)
		if lok && l == decisive {
			return decisive
		}
		r, rok := truth(b.right.eval(v))
		switch {
		case rok && r == decisive:
			return decisive
		case lok && rok:
			return !decisive
		}
		return undefined{}
	case "+", "-", "*", "/", "%":
		return arithmetic(b.op, left, b.right.eval(v))
	}
	return compare(b.op, left, b.right.eval(v))
}

// truth is the boolean of a value, that of the strings true and false included.
func truth(v any) (b, ok bool) {
	switch v := v.(type) {
	case bool:
		return v, true
	case string:
		switch {
		case strings.EqualFold(v, "true"):
			return true, true
		case strings.EqualFold(v, "false"):
			return false, true
		}
	}
	return false, false
}

// numeric is the number of a value, that of a string with a number included.
func numeric(v any) (any, bool) {
	switch v := v.(type) {
	case int64, float64:
		return v, true
	case string:
		n, err := parseNumber(json.Number(v))
		return n, err == nil
	}
	return nil, false
}

func float(v any) float64 {
	if i, ok := v.(int64); ok {
		return float64(i)
	}
	return v.(float64)
}

// parseNumber makes an int64 of what is a whole number and fits, else a float64.
func parseNumber(n json.Number) (any, error) {
	if i, err := n.Int64(); err == nil {
		return i, nil
	}
	f, err := n.Float64()
	if err == nil && (math.IsInf(f, 0) || math.IsNaN(f)) {
		err = strconv.ErrRange
	}
	return f, err
}

// arithmetic calculates. A sum with a string is a concatenation. Whole numbers stay whole, but for a quotient that is not and
// for what does not fit into 64 bits.
func arithmetic(op string, a, b any) any {
	_, sa := a.(string)
	_, sb := b.(string)
	if op == "+" && (sa || sb) {
		l, lok := toText(a)
		r, rok := toText(b)
		if lok && rok {
			return l + r
		}
		return undefined{}
	}
	x, ok := numeric(a)
	y, also := numeric(b)
	if !ok || !also {
		return undefined{}
	}
	i, whole := x.(int64)
	j, also := y.(int64)
	if whole && also {
		if v, ok := wholes(op, i, j); ok {
			return v
		}
	}
	return finite(floats(op, float(x), float(y)))
}

// wholes calculates with whole numbers; ok is false when the result is none.
func wholes(op string, i, j int64) (v int64, ok bool) {
	x, y, z := big.NewInt(i), big.NewInt(j), new(big.Int)
	switch op {
	case "+":
		z.Add(x, y)
	case "-":
		z.Sub(x, y)
	case "*":
		z.Mul(x, y)
	default:
		if j == 0 {
			return 0, false
		}
		rest := new(big.Int)
		z.QuoRem(x, y, rest)
		if op == "%" {
			z = rest
		} else if rest.Sign() != 0 {
			return 0, false
		}
	}
	return z.Int64(), z.IsInt64()
}

func floats(op string, x, y float64) float64 {
	switch op {
	case "+":
		return x + y
	case "-":
		return x - y
	case "*":
		return x * y
	case "/":
		return x / y
	}
	return math.Mod(x, y)
}

// finite is f, or undefined when JSON has no such number, as after a division by 0.
func finite(f float64) any {
	if math.IsInf(f, 0) || math.IsNaN(f) {
		return undefined{}
	}
	return f
}

// compare compares. An undefined side makes it undefined; values of other kinds are not the same, and have no order unless a
// string is a number.
func compare(op string, a, b any) any {
	if isUndefined(a) || isUndefined(b) {
		return undefined{}
	}
	if op == "=" || op == "<>" || op == "!=" {
		x, xn := a.(int64)
		y, yn := b.(int64)
		_, xf := a.(float64)
		_, yf := b.(float64)
		var same bool
		switch {
		case xn && yn:
			same = x == y
		case (xn || xf) && (yn || yf):
			same = float(a) == float(b)
		default:
			same = reflect.DeepEqual(a, b)
		}
		return same == (op == "=")
	}
	if l, ok := a.(string); ok {
		if r, ok := b.(string); ok {
			return ordered(op, strings.Compare(l, r))
		}
	}
	x, ok := numeric(a)
	y, also := numeric(b)
	if !ok || !also {
		return undefined{}
	}
	switch l, r := float(x), float(y); {
	case l < r:
		return ordered(op, -1)
	case l > r:
		return ordered(op, 1)
	}
	return ordered(op, 0)
}

func ordered(op string, c int) bool {
	switch op {
	case "<":
		return c < 0
	case "<=":
		return c <= 0
	case ">":
		return c > 0
	}
	return c >= 0
}

func isUndefined(v any) bool {
	_, is := v.(undefined)
	return is
}

// toText is a value as text: strings as they are, the rest as JSON.
func toText(v any) (string, bool) {
	switch v := v.(type) {
	case undefined:
		return "", false
	case string:
		return v, true
	}
	b, err := marshal(v)
	return string(b), err == nil
}

// marshal writes JSON as AWS does, without escapes for HTML.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// newEnv reads the payload.
func newEnv(in *Input) *env {
	v := &env{in: in, doc: undefined{}}
	d := json.NewDecoder(bytes.NewReader(in.Payload))
	d.UseNumber()
	var doc any
	if d.Decode(&doc) == nil && !d.More() && json.Valid(in.Payload) {
		v.doc, v.json = numbers(doc), true
	}
	return v
}

// numbers gives every number its type.
func numbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := parseNumber(v); err == nil {
			return n
		}
		return string(v) // beyond a float64: better its digits than another number
	case []any:
		for i := range v {
			v[i] = numbers(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = numbers(v[k])
		}
	}
	return v
}

// Apply returns what a message becomes. ok is false when WHERE does not take it. A payload that is no JSON goes through SELECT *
// as it is, and is an error for a SELECT that names attributes only.
func (s *Statement) Apply(in Input) (result []byte, ok bool, err error) {
	v := newEnv(&in)
	if s.where != nil {
		if take, _ := truth(s.where.eval(v)); !take {
			return nil, false, nil
		}
	}
	if s.value != nil {
		value := s.value.eval(v)
		if isUndefined(value) {
			return nil, false, fmt.Errorf("iotlocal: rule: SELECT VALUE is undefined")
		}
		result, err = marshal(value)
		return result, err == nil, err
	}
	if s.all && len(s.fields) == 0 {
		return in.Payload, true, nil
	}
	out := map[string]any{}
	if doc, object := v.doc.(map[string]any); s.all && object {
		for k, value := range doc {
			out[k] = value
		}
	} else if s.all {
		return nil, false, fmt.Errorf("iotlocal: rule: SELECT * with more beside it needs a payload that is a JSON object")
	}
	for _, f := range s.fields {
		if value := f.expr.eval(v); !isUndefined(value) {
			out[f.name] = value
		}
	}
	result, err = marshal(out)
	return result, err == nil, err
}

// Expand returns the text of the template for a message. An undefined expression is an error.
func (t *Template) Expand(in Input) (string, error) {
	v := newEnv(&in)
	var b strings.Builder
	for _, p := range t.parts {
		s, ok := toText(p.eval(v))
		if !ok {
			return "", fmt.Errorf("iotlocal: rule: an expression of %q is undefined", t.text)
		}
		b.WriteString(s)
	}
	return b.String(), nil
}
