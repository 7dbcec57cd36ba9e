package v1compat

import (
	"errors"
	"fmt"
	"reflect"

	awsiot "github.com/portage-iot/awsiot/v2"
)

// maxPayload is MQTT's limit of the remaining length, which v1 applied to the
// payload alone.
const maxPayload = 268_435_455

// encodePayload turns a payload into bytes as v1 did (awsiot.PayloadV1, so that
// rewritten code sends the same), with v1's exceptions for what it refuses. A
// byte slice is returned itself, not copied.
func encodePayload(payload any) ([]byte, error) {
	b, err := awsiot.PayloadV1(payload)
	if err != nil {
		return nil, &TypeError{
			Message: "payload must be a string, bytearray, int, float or None.",
			Err:     errors.New("it is a " + reflect.TypeOf(payload).String()), // not %T: payload would escape
		}
	}
	if len(b) > maxPayload {
		return nil, &ValueError{Message: "Payload too large.", Err: fmt.Errorf("%d bytes, at most %d", len(b), maxPayload)}
	}
	return b, nil
}
