package policy

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// condition is one key below one operator: all conditions of a statement must
// hold, and one of the values of a condition.
type condition struct {
	op       operator
	of       quantifier
	ifExists bool
	key      *variable
	values   []operand
}

// quantifier says how the values that a request has for a key are taken.
type quantifier int

const (
	single quantifier = iota
	forAnyValue
	forAllValues
)

// operand is a value of the document, read as its operator wants it.
type operand struct {
	text   pattern
	number float64
	flag   bool
	time   time.Time
	prefix netip.Prefix
}

// operator is an operator of conditions.
type operator struct {
	kind operandKind
	// holds compares what the request has with a value of the document.
	holds func(r *Request, have string, want operand) bool
	// not: none of the values may hold.
	not bool
}

// operandKind is how an operator reads its values.
type operandKind int

const (
	textOperand operandKind = iota // with variables
	likeOperand                    // and wildcards
	numberOperand
	flagOperand
	timeOperand
	addressOperand
	nullOperand
)

func textHolds(r *Request, have string, want operand) bool { return want.text.matches(r, have) }

func foldHolds(r *Request, have string, want operand) bool {
	runes, ok := want.text.fill(r)
	return ok && strings.EqualFold(string(runes), have)
}

func numberHolds(f func(have, want float64) bool) func(*Request, string, operand) bool {
	return func(_ *Request, have string, want operand) bool {
		n, err := strconv.ParseFloat(have, 64)
		return err == nil && f(n, want.number)
	}
}

func timeHolds(f func(compared int) bool) func(*Request, string, operand) bool {
	return func(_ *Request, have string, want operand) bool {
		t, ok := readTime(have)
		return ok && f(t.Compare(want.time))
	}
}

// operators has every operator but its prefixes and suffix.
var operators = func() map[string]operator {
	address := func(_ *Request, have string, want operand) bool {
		a, err := netip.ParseAddr(have)
		return err == nil && want.prefix.Contains(a)
	}
	all := map[string]operator{
		"StringEquals": {textOperand, textHolds, false}, "StringNotEquals": {textOperand, textHolds, true},
		"StringEqualsIgnoreCase": {textOperand, foldHolds, false}, "StringNotEqualsIgnoreCase": {textOperand, foldHolds, true},
		"StringLike": {likeOperand, textHolds, false}, "StringNotLike": {likeOperand, textHolds, true},
		"Bool": {flagOperand, func(_ *Request, have string, want operand) bool {
			b, ok := readBool(have)
			return ok && b == want.flag
		}, false},
		"IpAddress": {addressOperand, address, false}, "NotIpAddress": {addressOperand, address, true},
		"Null": {kind: nullOperand},
	}
	for name, f := range map[string]func(compared int) bool{
		"LessThan": func(c int) bool { return c < 0 }, "LessThanEquals": func(c int) bool { return c <= 0 },
		"GreaterThan": func(c int) bool { return c > 0 }, "GreaterThanEquals": func(c int) bool { return c >= 0 },
		"Equals": func(c int) bool { return c == 0 }, "NotEquals": func(c int) bool { return c == 0 },
	} {
		not := name == "NotEquals"
		all["Date"+name] = operator{timeOperand, timeHolds(f), not}
		all["Numeric"+name] = operator{numberOperand, numberHolds(func(have, want float64) bool {
			switch {
			case have < want:
				return f(-1)
			case have > want:
				return f(1)
			}
			return f(0)
		}), not}
	}
	return all
}()

// readConditions reads the element Condition: operators, below them keys.
func readConditions(path string, v any, variables bool) (all []condition, err error) {
	byOperator, ok := v.(map[string]any)
	if !ok {
		return nil, wrong(path, "want an object")
	}
	for _, name := range slices.Sorted(maps.Keys(byOperator)) {
		at := join(path, name)
		c, err := readOperator(at, name)
		if err != nil {
			return nil, err
		}
		keys, ok := byOperator[name].(map[string]any)
		if !ok || len(keys) == 0 {
			return nil, wrong(at, "want an object of keys and values")
		}
		for _, key := range slices.Sorted(maps.Keys(keys)) {
			c, at := c, join(at, key)
			if c.key, ok = findKey(key); !ok {
				return nil, wrong(at, "unknown key")
			}
			if c.key.multi && c.of == single && c.op.kind != nullOperand {
				return nil, wrong(at, "the key may have several values: want ForAnyValue:%s or ForAllValues:%s", name, name)
			}
			if c.values, err = readOperands(at, keys[key], c.op.kind, variables); err != nil {
				return nil, err
			}
			all = append(all, c)
		}
	}
	return all, nil
}

func readOperator(path, name string) (c condition, err error) {
	base := name
	for prefix, of := range map[string]quantifier{"ForAnyValue:": forAnyValue, "ForAllValues:": forAllValues} {
		if rest, ok := strings.CutPrefix(base, prefix); ok {
			base, c.of = rest, of
		}
	}
	base, c.ifExists = strings.CutSuffix(base, "IfExists")
	op, ok := operators[base]
	if !ok || op.kind == nullOperand && (c.ifExists || c.of != single) {
		return c, wrong(path, "unknown operator")
	}
	c.op = op
	return c, nil
}

// readOperands reads a value, or a list of values that is not empty. Values are
// strings; numbers and booleans may be written as such.
func readOperands(path string, v any, kind operandKind, variables bool) (all []operand, err error) {
	list, isList := v.([]any)
	if !isList {
		list = []any{v}
	}
	if len(list) == 0 {
		return nil, wrong(path, "is empty")
	}
	for i, e := range list {
		at := path
		if isList {
			at = fmt.Sprintf("%s[%d]", path, i)
		}
		var text string
		switch e := e.(type) {
		case string:
			text = e
		case json.Number:
			text = e.String()
		case bool:
			text = strconv.FormatBool(e)
		default:
			return nil, wrong(at, "want a string, a number or a boolean")
		}
		o, err := readOperand(at, text, kind, variables)
		if err != nil {
			return nil, err
		}
		all = append(all, o)
	}
	return all, nil
}

func readOperand(path, text string, kind operandKind, variables bool) (o operand, err error) {
	ok := true
	switch kind {
	case textOperand, likeOperand:
		o.text, err = parsePattern(path, text, kind == likeOperand, variables)
		return o, err
	case numberOperand:
		o.number, err = strconv.ParseFloat(text, 64)
		ok = err == nil && !math.IsNaN(o.number) && !math.IsInf(o.number, 0)
	case flagOperand, nullOperand:
		o.flag, ok = readBool(text)
	case timeOperand:
		o.time, ok = readTime(text)
	case addressOperand:
		o.prefix, ok = readPrefix(text)
	}
	if !ok {
		return o, wrong(path, "%q is no %s", text, map[operandKind]string{numberOperand: "number", flagOperand: "true or false",
			nullOperand: "true or false", timeOperand: "time of ISO 8601, as 2026-01-31T12:00:00Z, nor seconds since 1970", addressOperand: "IP address or CIDR range"}[kind])
	}
	return o, nil
}

func readBool(s string) (value, ok bool) {
	switch strings.ToLower(s) {
	case "true":
		return true, true
	case "false":
		return false, true
	}
	return false, false
}

func readTime(s string) (time.Time, bool) {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return time.Unix(n, 0), true
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04Z07:00", time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

func readPrefix(s string) (netip.Prefix, bool) {
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		return netip.PrefixFrom(a, a.BitLen()), true
	}
	p, err := netip.ParsePrefix(s)
	return p, err == nil
}

// holds reports whether the condition holds for a request.
func (c condition) holds(r *Request) bool {
	have := c.key.values(r)
	if c.op.kind == nullOperand {
		return slices.ContainsFunc(c.values, func(o operand) bool { return o.flag == (len(have) == 0) })
	}
	if len(have) == 0 {
		// A key that is not there: IfExists does not mind, nothing is equal to
		// nothing, and all of no values are what is wanted.
		return c.ifExists || c.of == forAllValues || c.of == single && c.op.not
	}
	one := func(s string) bool {
		return slices.ContainsFunc(c.values, func(o operand) bool { return c.op.holds(r, s, o) }) != c.op.not
	}
	switch c.of {
	case forAllValues:
		return !slices.ContainsFunc(have, func(s string) bool { return !one(s) })
	case forAnyValue:
		return slices.ContainsFunc(have, one)
	}
	return one(have[0])
}
