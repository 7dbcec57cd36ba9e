package nullbroker

import (
	"bytes"
	"strconv"

	"github.com/portage-iot/awsiot/bench/internal/frame"
)

// shadowUpdate ends the topic of a shadow update.
var shadowUpdate = []byte("/shadow/update")

// updateShadow answers a shadow update as the service does, but for the merge: the state that came is the state. The body is
// `{"state":STATE,"clientToken":TOKEN}`, whatever wrote it, and is not parsed: the broker must not be what is measured.
func (k *conn) updateShadow(topic string, payload []byte) bool {
	state, ok := bytes.CutPrefix(payload, []byte(`{"state":`))
	if !ok {
		return false
	}
	at := bytes.LastIndex(state, []byte(`,"clientToken":`))
	if at < 0 {
		return false
	}
	k.shadow++
	a := append(k.answer[:0], `{"state":`...)
	a = append(a, state[:at]...)
	a = append(a, `,"metadata":{"reported":{"n":{"timestamp":1700000000},"unit":{"timestamp":1700000000}}},"version":`...)
	a = strconv.AppendInt(a, int64(k.shadow), 10)
	a = append(a, `,"timestamp":1700000000`...)
	a = append(a, state[at:]...)
	k.answer = a
	k.out = frame.AppendPublish(k.out, k.v5, 0, topic+"/accepted", 0, a)
	return true
}
