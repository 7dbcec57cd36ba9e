// Package shadow is the Device Shadow service without MQTT: documents with
// versions, metadata and deltas, and the requests and answers of the service as
// JSON. The server glues it to topics.
//
// It follows the AWS IoT developer guide (device-shadow-document.html,
// device-shadow-mqtt.html, device-shadow-error-messages.html). Where the guide is
// silent the choice is stated at the code.
package shadow

import (
	"fmt"
	"time"
)

// Limits are the quotas of the service. A zero field is the one of AWS, a
// negative one no limit.
type Limits struct {
	// Bytes of desired and reported together after an update, as compact JSON;
	// metadata does not count. 8,192.
	Bytes int
	// Nesting is how deep keys may nest in desired or reported. 6.
	Nesting int
	// ClientToken is how long a client token may be, in bytes. 64.
	ClientToken int
}

func (l Limits) withDefaults() Limits {
	for _, f := range []struct {
		field *int
		value int
	}{{&l.Bytes, 8 << 10}, {&l.Nesting, 6}, {&l.ClientToken, 64}} {
		if *f.field == 0 {
			*f.field = f.value
		}
	}
	return l
}

func over(n, limit int) bool { return limit >= 0 && n > limit }

// Error is a refusal of the service: an HTTP-like code and AWS's text.
type Error struct {
	Code    int
	Message string
}

// Error returns the code and the text.
func (e *Error) Error() string { return fmt.Sprintf("iotlocal: shadow: %d %s", e.Code, e.Message) }

func refuse(code int, format string, a ...any) *Error {
	return &Error{code, fmt.Sprintf(format, a...)}
}

// The refusals that need no parameters.
var (
	errJSON         = refuse(400, "Invalid JSON")
	errNoState      = refuse(400, "Missing required node: state")
	errState        = refuse(400, "State node must be an object")
	errDesired      = refuse(400, "Desired node must be an object")
	errReported     = refuse(400, "Reported node must be an object")
	errVersion      = refuse(400, "Invalid version")
	errToken        = refuse(400, "Invalid clientToken")
	errNullElement  = refuse(400, "State contains an invalid node")
	errConflict     = refuse(409, "Version conflict")
	errTooLarge     = refuse(413, "The payload exceeds the maximum size allowed")
	errEncoding     = refuse(415, "Unsupported documented encoding; supported encoding is UTF-8")
	nodeTemplate    = "State contains an invalid node: '%s'"
	nestingTemplate = "JSON contains too many levels of nesting; maximum is %d"
)

// object is a JSON object; numbers in it are json.Number, so that they come
// back as they were written.
type object = map[string]any

// stamp is the metadata of one value.
func stamp(now time.Time) object { return object{"timestamp": now.Unix()} }
