package control

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"

	"github.com/portage-iot/awsiot/iotlocal/internal/rest"
)

// maxNesting is how deep objects and arrays in a body may be nested.
const maxNesting = 64

// read returns the values of an operation's fields, by name.
func (o *operation) read(c *rest.Call) (map[string]any, error) {
	members, err := members(c.Body)
	if err != nil {
		return nil, err
	}
	values := map[string]any{}
	for i := range o.fields {
		f := &o.fields[i]
		var v any
		there := true
		switch f.place {
		case inBody:
			raw, ok := members[f.wire]
			if there = ok && string(raw) != "null"; there {
				v, err = f.member(f.name, raw)
			}
		case wholeBody:
			if there = len(members) > 0; there {
				v = json.RawMessage(c.Body)
			}
		case inPath:
			v, err = f.plain(f.name, c.Path(f.wire))
		case inQuery:
			if there = c.HasQuery(f.wire) && (c.Query(f.wire) != "" || f.kind == text); there {
				v, err = f.plain(f.name, c.Query(f.wire))
			}
		case inHeader:
			if there = c.Request.Header.Get(f.wire) != ""; there {
				v, err = f.plain(f.name, c.Request.Header.Get(f.wire))
			}
		}
		switch {
		case err != nil:
			return nil, err
		case there:
			values[f.name] = v
		case f.required:
			return nil, rest.Invalid("1 validation error detected: Value at '%s' failed to satisfy constraint: Member must not be null", f.name)
		}
	}
	return values, nil
}

// members takes the body apart, an object or nothing.
func members(body []byte) (map[string]json.RawMessage, error) {
	body = bytes.TrimSpace(body)
	if len(body) == 0 {
		return nil, nil
	}
	if !utf8.Valid(body) {
		return nil, serialization("the body is not UTF-8")
	}
	if deep(body) {
		return nil, serialization("the body is nested deeper than %d levels", maxNesting)
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(body, &all); err != nil {
		return nil, serialization("the body is not a JSON object: %v", err)
	}
	return all, nil
}

// deep reports whether JSON is nested deeper than maxNesting, before anything is made of it.
func deep(body []byte) bool {
	depth, quoted := 0, false
	for i := 0; i < len(body); i++ {
		switch b := body[i]; {
		case quoted && b == '\\':
			i++
		case b == '"':
			quoted = !quoted
		case quoted:
		case b == '{' || b == '[':
			if depth++; depth > maxNesting {
				return true
			}
		case b == '}' || b == ']':
			depth--
		}
	}
	return false
}
