package jsonobj

import (
	"encoding/json"
	"slices"
	"strconv"
)

// maxDepth is how deep AppendAny goes by itself; encoding/json, which sees circles, gets what is deeper.
const maxDepth = 100

// AppendAny appends what encoding/json makes of v, but for escaping for HTML. What maps of anything usually hold takes a way
// of its own, without reflection.
func AppendAny(b []byte, v any) ([]byte, error) { return appendAny(b, v, 0) }

func appendAny(b []byte, v any, depth int) ([]byte, error) {
	if depth < maxDepth {
		switch v := v.(type) {
		case nil:
			return append(b, "null"...), nil
		case string:
			return AppendString(b, v), nil
		case bool:
			return strconv.AppendBool(b, v), nil
		case int:
			return strconv.AppendInt(b, int64(v), 10), nil
		case int64:
			return strconv.AppendInt(b, v, 10), nil
		case map[string]any:
			return appendMap(b, v, depth)
		case []any:
			return appendList(b, v, depth)
		}
	}
	text, err := json.Marshal(v)
	return append(b, text...), err
}

func appendMap(b []byte, m map[string]any, depth int) ([]byte, error) {
	if m == nil {
		return append(b, "null"...), nil
	}
	var few [8]string // most objects are small
	names := few[:0]
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	b = append(b, '{')
	for i, name := range names {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(AppendString(b, name), ':')
		var err error
		if b, err = appendAny(b, m[name], depth+1); err != nil {
			return b, err
		}
	}
	return append(b, '}'), nil
}

func appendList(b []byte, list []any, depth int) ([]byte, error) {
	if list == nil {
		return append(b, "null"...), nil
	}
	b = append(b, '[')
	for i, v := range list {
		if i > 0 {
			b = append(b, ',')
		}
		var err error
		if b, err = appendAny(b, v, depth+1); err != nil {
			return b, err
		}
	}
	return append(b, ']'), nil
}
