package iotlocal

import "encoding/json"

// jsonText is JSON from who calls the server: a string, []byte or json.RawMessage
// holds JSON, anything else is marshalled.
func jsonText(v any) ([]byte, error) {
	switch v := v.(type) {
	case string:
		return []byte(v), nil
	case []byte:
		return v, nil
	case json.RawMessage:
		return v, nil
	}
	return json.Marshal(v)
}
