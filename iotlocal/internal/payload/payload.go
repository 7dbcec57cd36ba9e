// Package payload reads and writes the bodies of the services that speak both
// JSON and CBOR: one object in, one object out, told apart by the last level of
// the topic. What comes from devices is bounded before anything is made of it.
package payload

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"unicode/utf8"

	"github.com/fxamacker/cbor/v2"
)

// Format is the format of a body.
type Format uint8

// The formats.
const (
	JSON Format = iota + 1
	CBOR
)

// String returns the level of topics that stands for the format, "json" or
// "cbor".
func (f Format) String() string {
	switch f {
	case JSON:
		return "json"
	case CBOR:
		return "cbor"
	}
	return fmt.Sprintf("Format(%d)", uint8(f))
}

// Parse reads the level of a topic.
func Parse(level string) (f Format, ok bool) {
	for _, f := range []Format{JSON, CBOR} {
		if level == f.String() {
			return f, true
		}
	}
	return 0, false
}

// Object is a body taken apart: strings, booleans, numbers, nil, []any, Object,
// and []byte for byte strings of CBOR. A member that is null counts as absent.
type Object map[string]any

// What CBOR from a device may hold. The codec checks the whole body before it
// allocates for it; length fields without bytes behind them are refused.
const (
	maxNesting  = 16
	maxElements = 1024
)

var (
	decoder = mode(cbor.DecOptions{DupMapKey: cbor.DupMapKeyEnforcedAPF, TagsMd: cbor.TagsForbidden,
		MaxNestedLevels: maxNesting, MaxArrayElements: maxElements, MaxMapPairs: maxElements,
		DefaultMapType: reflect.TypeFor[map[string]any]()}.DecMode())
	// Members in one order for all: the same answer is the same bytes.
	encoder = mode(cbor.CoreDetEncOptions().EncMode())
)

// mode returns a mode of the codec, whose options are constants: the zero mode
// of a wrong one fails every test.
func mode[M any](m M, _ error) M { return m }

// Decode reads one object and nothing after it.
func (f Format) Decode(data []byte) (Object, error) {
	var v any
	if f == CBOR {
		if err := decoder.Unmarshal(data, &v); err != nil {
			return nil, fmt.Errorf("the payload is not CBOR: %w", err)
		}
	} else {
		if !utf8.Valid(data) {
			return nil, errors.New("the payload is not UTF-8")
		}
		dec := json.NewDecoder(bytes.NewReader(data))
		dec.UseNumber()
		if err := dec.Decode(&v); err != nil {
			return nil, fmt.Errorf("the payload is not JSON: %w", err)
		}
		if _, err := dec.Token(); err != io.EOF {
			return nil, errors.New("the payload holds something after the JSON value")
		}
	}
	o, ok := v.(map[string]any)
	if !ok {
		return nil, errors.New("the payload is not an object")
	}
	return objects(o), nil
}

// objects makes every map an Object and drops members that are null.
func objects(m map[string]any) Object {
	o := make(Object, len(m))
	for k, v := range m {
		switch v := v.(type) {
		case nil:
		case map[string]any:
			o[k] = objects(v)
		default:
			o[k] = v
		}
	}
	return o
}

// Text returns a string member, "" and false when it is absent. The error says
// that it is something else.
func (o Object) Text(name string) (s string, present bool, err error) {
	v, present := o[name]
	if !present {
		return "", false, nil
	}
	if s, ok := v.(string); ok {
		return s, true, nil
	}
	return "", true, fmt.Errorf("%s must be a string", name)
}

// Object returns an object member, nil when it is absent. The error says that it
// is something else.
func (o Object) Object(name string) (Object, error) {
	v, present := o[name]
	if !present {
		return nil, nil
	}
	if m, ok := v.(Object); ok {
		return m, nil
	}
	return nil, fmt.Errorf("%s must be an object", name)
}

// Encode writes a value whose json tags name the members, in either format.
func (f Format) Encode(v any) ([]byte, error) {
	if f == CBOR {
		return encoder.Marshal(v)
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
