package v1compat

import (
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
)

// maxPayload is MQTT's limit of the remaining length, which v1 applied to the
// payload alone.
const maxPayload = 268_435_455

// encodePayload turns a payload into bytes as v1 did: strings and byte slices
// as they are, numbers in the text Python prints, nil and "" empty. Types of
// these kinds, as json.RawMessage, count as the kind. Anything else is a
// *TypeError. A byte slice is returned itself, not copied.
func encodePayload(payload any) ([]byte, error) {
	var b []byte
	switch p := payload.(type) {
	case nil:
	case []byte:
		b = p
	case string:
		b = []byte(p)
	case int:
		b = strconv.AppendInt(nil, int64(p), 10)
	case float64:
		b = pyFloat(p, 64)
	default:
		var ok bool
		if b, ok = encodeKind(reflect.ValueOf(payload)); !ok {
			return nil, &TypeError{
				Message: "payload must be a string, bytearray, int, float or None.",
				Err:     fmt.Errorf("it is a %T", payload),
			}
		}
	}
	if len(b) > maxPayload {
		return nil, &ValueError{Message: "Payload too large.", Err: fmt.Errorf("%d bytes, at most %d", len(b), maxPayload)}
	}
	return b, nil
}

func encodeKind(v reflect.Value) ([]byte, bool) {
	switch k := v.Kind(); k {
	case reflect.String:
		return []byte(v.String()), true
	case reflect.Bool: // Python's bool is an int that prints as a word
		if v.Bool() {
			return []byte("True"), true
		}
		return []byte("False"), true
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return strconv.AppendInt(nil, v.Int(), 10), true
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return strconv.AppendUint(nil, v.Uint(), 10), true
	case reflect.Float32:
		return pyFloat(v.Float(), 32), true
	case reflect.Float64:
		return pyFloat(v.Float(), 64), true
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return v.Bytes(), true
		}
	}
	return nil, false
}

// pyFloat returns the text of Python's repr: the shortest digits that give the
// value back, with an exponent below 1e-4 and from 1e16 on, and ".0" after a
// whole number.
func pyFloat(f float64, bits int) []byte {
	switch {
	case math.IsNaN(f):
		return []byte("nan")
	case math.IsInf(f, 1):
		return []byte("inf")
	case math.IsInf(f, -1):
		return []byte("-inf")
	}
	if a := math.Abs(f); a != 0 && (a < 1e-4 || a >= 1e16) {
		return strconv.AppendFloat(nil, f, 'e', -1, bits)
	}
	s := strconv.FormatFloat(f, 'f', -1, bits)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return []byte(s)
}
