package provisioning

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// A template may say little and mean much, such as a Fn::Sub that doubles a
// string which doubles a string. These bounds hold for the template whatever the
// parameters are.
const (
	maxDepth    = 24       // levels of a template
	maxProduced = 64 << 10 // bytes that functions make for one registration
)

// scope is what a function of a template can see.
type scope struct {
	values   map[string]string // parameters and pseudo parameters
	mappings map[string]map[string]any
	produced int
}

var errTooMuch = fmt.Errorf("the template makes more than %d bytes of its parameters", maxProduced)

// spend counts what functions have produced.
func (s *scope) spend(n int) error {
	if s.produced += n; s.produced > maxProduced {
		return errTooMuch
	}
	return nil
}

// function is an intrinsic function: what it makes of its evaluated argument.
type function func(s *scope, arg any) (any, error)

// functions are the intrinsic functions (provision-template.html). It is filled
// in by init because evaluating reads it.
var functions map[string]function

func init() {
	functions = map[string]function{"Ref": ref, "Fn::Join": join, "Fn::Select": selectOne, "Fn::Split": split,
		"Fn::FindInMap": findInMap, "Fn::Sub": substitute}
}

// call takes an object that calls a function apart: its one member is the
// function's name. The error says that it looks like a call and is none.
func call(m map[string]any) (name string, arg any, is bool, err error) {
	for name, arg := range m {
		if name != "Ref" && !strings.HasPrefix(name, "Fn::") {
			continue
		}
		if functions[name] == nil {
			return "", nil, false, fmt.Errorf("unknown function %s; there are %s", name, strings.Join(slices.Sorted(maps.Keys(functions)), ", "))
		}
		if len(m) != 1 {
			return "", nil, false, fmt.Errorf("%s stands beside other members", name)
		}
		return name, arg, true, nil
	}
	return "", nil, false, nil
}

// eval replaces the calls in a value by what they make: arguments first.
func (s *scope) eval(v any) (any, error) {
	switch v := v.(type) {
	case map[string]any:
		name, arg, is, err := call(v)
		if err != nil {
			return nil, err
		}
		if !is {
			return s.evalMembers(v)
		}
		if arg, err = s.eval(arg); err != nil {
			return nil, err
		}
		out, err := functions[name](s, arg)
		if err != nil && !errors.Is(err, errTooMuch) {
			err = fmt.Errorf("%s: %w", name, err)
		}
		return out, err
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			var err error
			if out[i], err = s.eval(e); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	return v, nil
}

func (s *scope) evalMembers(m map[string]any) (any, error) {
	out := make(map[string]any, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) { // in order, so that errors are the same every time
		v, err := s.eval(m[k])
		if err != nil {
			return nil, err
		}
		out[k] = v
	}
	return out, nil
}

// scalar returns the text of a string, number or boolean.
func scalar(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case bool:
		return strconv.FormatBool(v), true
	}
	return "", false
}

// list takes an argument that is a list of n values.
func list(arg any, n int, form string) ([]any, error) {
	l, ok := arg.([]any)
	if !ok || len(l) != n {
		return nil, fmt.Errorf("want %s", form)
	}
	return l, nil
}

func (s *scope) value(name string) (string, error) {
	v, ok := s.values[name]
	if !ok {
		return "", fmt.Errorf("there is no parameter %s", name)
	}
	return v, s.spend(len(v))
}

func ref(s *scope, arg any) (any, error) {
	name, ok := arg.(string)
	if !ok {
		return nil, errors.New("want the name of a parameter")
	}
	return s.value(name)
}

func join(s *scope, arg any) (any, error) {
	l, err := list(arg, 2, "[delimiter, [values]]")
	if err != nil {
		return nil, err
	}
	delimiter, ok := l[0].(string)
	values, isList := l[1].([]any)
	if !ok || !isList {
		return nil, errors.New("want [delimiter, [values]]")
	}
	parts := make([]string, len(values))
	n := 0
	for i, v := range values {
		if parts[i], ok = scalar(v); !ok {
			return nil, fmt.Errorf("value %d is no text", i)
		}
		n += len(parts[i]) + len(delimiter)
	}
	if err := s.spend(n); err != nil {
		return nil, err
	}
	return strings.Join(parts, delimiter), nil
}

func selectOne(_ *scope, arg any) (any, error) {
	l, err := list(arg, 2, "[index, [values]]")
	if err != nil {
		return nil, err
	}
	text, _ := scalar(l[0])
	i, err := strconv.Atoi(text)
	values, ok := l[1].([]any)
	if err != nil || !ok {
		return nil, errors.New("want [index, [values]]")
	}
	if i < 0 || i >= len(values) || values[i] == nil {
		return nil, fmt.Errorf("index %d is outside of the list, which has %d values", i, len(values))
	}
	return values[i], nil
}

func split(s *scope, arg any) (any, error) {
	l, err := list(arg, 2, "[delimiter, text]")
	if err != nil {
		return nil, err
	}
	delimiter, ok := l[0].(string)
	text, isText := l[1].(string)
	if !ok || !isText || delimiter == "" {
		return nil, errors.New("want [delimiter, text], the delimiter not empty")
	}
	// A value in a list weighs more than its bytes.
	if err := s.spend(len(text) + 16*strings.Count(text, delimiter)); err != nil {
		return nil, err
	}
	var out []any
	for part := range strings.SplitSeq(text, delimiter) {
		out = append(out, part)
	}
	return out, nil
}

func findInMap(s *scope, arg any) (any, error) {
	l, err := list(arg, 3, "[map, key, name]")
	if err != nil {
		return nil, err
	}
	var at [3]string
	for i, v := range l {
		if at[i], err = want(v); err != nil {
			return nil, err
		}
	}
	v, ok := s.mappings[at[0]][at[1]]
	if m, isMap := v.(map[string]any); ok && isMap {
		v, ok = m[at[2]]
	} else {
		ok = false
	}
	if !ok {
		return nil, fmt.Errorf("section Mappings has no %s, %s, %s", at[0], at[1], at[2])
	}
	if text, isText := v.(string); isText {
		return text, s.spend(len(text))
	}
	return v, nil
}

func want(v any) (string, error) {
	if s, ok := v.(string); ok {
		return s, nil
	}
	return "", errors.New("want text")
}

// substitute is Fn::Sub: a text with ${Name}, alone or with an object of
// variables that come before parameters. ${!Name} stands for ${Name} itself.
func substitute(s *scope, arg any) (any, error) {
	var variables map[string]any
	text, ok := arg.(string)
	if l, isList := arg.([]any); isList && len(l) == 2 {
		text, ok = l[0].(string)
		if variables, isList = l[1].(map[string]any); !isList {
			ok = false
		}
	}
	if !ok {
		return nil, errors.New("want text, or [text, {variables}]")
	}
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(text, "${")
		name, after, closed := strings.Cut(rest, "}")
		if !found || !closed {
			b.WriteString(text)
			break
		}
		b.WriteString(before)
		value := "${" + strings.TrimPrefix(name, "!") + "}"
		if !strings.HasPrefix(name, "!") {
			var err error
			if value, err = s.variable(variables, name); err != nil {
				return nil, err
			}
		}
		b.WriteString(value)
		if err := s.spend(len(before) + len(value)); err != nil {
			return nil, err
		}
		text = after
	}
	return b.String(), s.spend(len(text))
}

func (s *scope) variable(variables map[string]any, name string) (string, error) {
	v, ok := variables[name]
	if !ok {
		return s.value(name)
	}
	text, ok := scalar(v)
	if !ok {
		return "", fmt.Errorf("variable %s is no text", name)
	}
	return text, nil
}
