package v1compat

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	awsiot "github.com/portage-iot/awsiot/v2"
)

// The texts are what CPython's str() prints.
func TestEncodePayload(t *testing.T) {
	type named string
	for _, tt := range []struct {
		name    string
		payload any
		want    string
	}{
		{"text", "héllo", "héllo"},
		{"empty text", "", ""},
		{"nil", nil, ""},
		{"bytes", []byte{0, 255}, "\x00\xff"},
		{"nil bytes", []byte(nil), ""},
		{"named text", named("x"), "x"},
		{"raw JSON", json.RawMessage(`{}`), "{}"},
		{"int", 42, "42"},
		{"negative", -1, "-1"},
		{"int64", int64(math.MinInt64), "-9223372036854775808"},
		{"uint64", uint64(math.MaxUint64), "18446744073709551615"},
		{"uint8", uint8(7), "7"},
		{"duration", 3 * time.Nanosecond, "3"},
		{"true", true, "True"},
		{"false", false, "False"},
		{"whole float", 1.0, "1.0"},
		{"negative zero", math.Copysign(0, -1), "-0.0"},
		{"tenth", 0.1, "0.1"},
		{"sum", sum(0.1, 0.2), "0.30000000000000004"},
		{"pi", 3.141592653589793, "3.141592653589793"},
		{"below the exponent", 9999999999999998.0, "9999999999999998.0"},
		{"1e16", 1e16, "1e+16"},
		{"1e22", 1e22, "1e+22"},
		{"1e-4", 1e-4, "0.0001"},
		{"1e-5", 1e-5, "1e-05"},
		{"tiny", 5e-324, "5e-324"},
		{"big", 1.7976931348623157e308, "1.7976931348623157e+308"},
		{"float32", float32(0.1), "0.1"},
		{"inf", math.Inf(1), "inf"},
		{"-inf", math.Inf(-1), "-inf"},
		{"nan", math.NaN(), "nan"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := encodePayload(tt.payload)
			if assert.NoError(t, err) {
				assert.Equal(t, tt.want, string(got))
			}
			// The rewritten program converts with awsiot.PayloadV1: what both take
			// must be the same.
			core, err := awsiot.PayloadV1(tt.payload)
			assert.False(t, err == nil && string(core) != tt.want, "awsiot.PayloadV1")
		})
	}
}

// sum adds at run time: constants are exact.
func sum(a, b float64) float64 { return a + b }

func TestEncodePayloadRefuses(t *testing.T) {
	s := "x"
	for _, payload := range []any{
		map[string]int{"a": 1}, []string{"a"}, []int{1}, struct{}{}, &s, func() {}, make(chan int), complex(1, 2),
		errors.New("x"), [2]byte{1, 2},
	} {
		t.Run(fmt.Sprintf("%T", payload), func(t *testing.T) {
			_, err := encodePayload(payload)
			var te *TypeError
			require.ErrorAs(t, err, &te)
			want := fmt.Sprintf("payload must be a string, bytearray, int, float or None. (it is a %T)", payload)
			assert.Equal(t, want, err.Error())
		})
	}
	_, err := encodePayload(make([]byte, maxPayload+1))
	var ve *ValueError
	if assert.ErrorAs(t, err, &ve, "too large") {
		assert.Equal(t, "Payload too large.", ve.Message, "too large")
	}
}

func TestMid(t *testing.T) {
	for m, want := range map[Mid]string{MidQueued: "QUEUED", MidConnected: "CONNECTED", MidDisconnected: "DISCONNECTED", 7: "7"} {
		assert.Equal(t, want, m.String())
	}
	var c AWSIoTMQTTClient
	for i := 1; i <= 65535; i++ {
		require.Equal(t, Mid(i), c.mid(), "call")
	}
	assert.Equal(t, Mid(1), c.mid(), "after 65535")
}

// Every error has v1's text, belongs to one root or none, and wraps the error of
// the core, by which iotmigrate's rule 27 replaces it.
func TestErrors(t *testing.T) {
	denied := &awsiot.ReasonError{Op: "publish", Topic: "a", Code: awsiot.ReasonNotAuthorized}
	wrapped := func(err error) error { return fmt.Errorf("awsiot: publish: %w", err) }
	for _, tt := range []struct {
		err       error
		text      string
		timeout   bool
		operation bool
		is        error
	}{
		{&ConnectTimeoutError{}, "Connect Timeout", true, false, nil},
		{&DisconnectTimeoutError{Err: context.DeadlineExceeded}, "Disconnect Timeout: context deadline exceeded", true, false, context.DeadlineExceeded},
		{&PublishTimeoutError{Err: awsiot.ErrAckTimeout}, "Publish Timeout", true, false, awsiot.ErrAckTimeout},
		{&SubscribeTimeoutError{Err: awsiot.ErrAckTimeout}, "Subscribe Timeout", true, false, awsiot.ErrAckTimeout},
		{&UnsubscribeTimeoutError{Err: awsiot.ErrAckTimeout}, "Unsubscribe Timeout", true, false, awsiot.ErrAckTimeout},
		{&ConnectError{Code: 5}, "Connect Error: 5", false, true, nil},
		{&DisconnectError{Code: 4}, "Disconnect Error: 4", false, true, nil},
		{publishError(denied), `Publish Error: 12: awsiot: publish "a": not authorized (0x87)`, false, true, denied},
		{publishError(awsiot.ErrQueueFull), "Internal Publish Queue Full", false, true, awsiot.ErrQueueFull},
		{publishError(awsiot.ErrOffline), "Offline publish request dropped because queueing is disabled", false, true, awsiot.ErrOffline},
		{publishError(wrapped(awsiot.ErrStopped)), "Publish Error: 4: awsiot: publish: client stopped", false, true, awsiot.ErrStopped},
		{subscribeError(denied), `Received Error suback. Subscription failed.: awsiot: publish "a": not authorized (0x87)`, false, true, denied},
		{subscribeError(awsiot.ErrQueueFull), "Internal Subscribe Queue Full", false, true, awsiot.ErrQueueFull},
		{subscribeError(awsiot.ErrOffline), "Offline subscribe request dropped because queueing is disabled", false, true, awsiot.ErrOffline},
		{subscribeError(awsiot.ErrStopped), "Subscribe Error: 4: client stopped", false, true, awsiot.ErrStopped},
		{unsubscribeError(denied), `Unsubscribe Error: 12: awsiot: publish "a": not authorized (0x87)`, false, true, denied},
		{unsubscribeError(awsiot.ErrQueueFull), "Internal Unsubscribe Queue Full", false, true, awsiot.ErrQueueFull},
		{unsubscribeError(awsiot.ErrOffline), "Offline unsubscribe request dropped because queueing is disabled", false, true, awsiot.ErrOffline},
		{&ValueError{Message: "Invalid topic."}, "Invalid topic.", false, false, nil},
		{&TypeError{Message: "None type inputs detected."}, "None type inputs detected.", false, false, nil},
		{&KeyError{Key: "delta"}, "no such key: 'delta'", false, false, nil},
		{&ConfigureError{Call: "ConfigureEndpoint", Err: &ValueError{Message: "Invalid host."}}, "v1compat: ConfigureEndpoint: Invalid host.", false, false, nil},
		{awsiot.ErrAckTimeout, awsiot.ErrAckTimeout.Error(), false, false, nil},
	} {
		t.Run(fmt.Sprintf("%T %v", tt.err, tt.err), func(t *testing.T) {
			assert.Equal(t, tt.text, tt.err.Error(), "text")
			var to OperationTimeoutError
			var op OperationError
			outer := fmt.Errorf("outer: %w", tt.err)
			assert.Equal(t, tt.timeout, errors.As(outer, &to), "OperationTimeoutError")
			assert.Equal(t, tt.operation, errors.As(outer, &op), "OperationError")
			assert.False(t, tt.is != nil && !errors.Is(outer, tt.is), "does not wrap")
		})
	}
}

func TestSubackCode(t *testing.T) {
	var se *SubackError
	if assert.ErrorAs(t, subscribeError(&awsiot.ReasonError{Code: 0x80}), &se) {
		assert.Equal(t, byte(0x80), se.Suback)
	}
}

// The codes that MQTT 3.1.1 has too must come out as they were.
func TestConnackV1(t *testing.T) {
	for code, want := range map[awsiot.ReasonCode]int{
		0: 0, 0x80: 3, 0x81: 5, 0x82: 5, 0x83: 3, 0x84: 1, 0x85: 2, 0x86: 4, 0x87: 5, 0x88: 3, 0x89: 3, 0x8A: 5,
		0x8C: 4, 0x90: 5, 0x95: 5, 0x97: 3, 0x99: 5, 0x9A: 5, 0x9B: 5, 0x9C: 3, 0x9D: 3, 0x9F: 3,
	} {
		assert.Equal(t, want, connackV1(code))
	}
}

func TestReasonV1(t *testing.T) {
	for code, want := range map[awsiot.ReasonCode]int{
		0x80: 13, 0x83: 13, 0x87: 12, 0x90: 3, 0x91: 2, 0x95: 9, 0x97: 13, 0x99: 3, 0x9E: 10, 0xA2: 10,
	} {
		assert.Equal(t, want, reasonV1(code))
	}
}

func TestParseCiphers(t *testing.T) {
	ids, err := parseCiphers("ECDHE-RSA-AES128-GCM-SHA256:AES256-SHA")
	if assert.NoError(t, err) {
		if assert.Len(t, ids, 2) {
			assert.Equal(t, uint16(0xC02F), ids[0])
			assert.Equal(t, uint16(0x0035), ids[1])
		}
	}
	for _, list := range []string{"", "HIGH", "AES128-SHA:!aNULL", "AES128-SHA:", "ecdhe-rsa-aes128-gcm-sha256"} {
		var ve *ValueError
		_, err := parseCiphers(list)
		assert.ErrorAs(t, err, &ve, list)
	}
}

func TestRandomClientID(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		id := NewAWSIoTMQTTClient("").settings.clientID
		require.Len(t, id, 23)
		require.Equal(t, "paho/", id[:5])
		require.False(t, seen[id])
		for _, r := range id[5:] {
			require.False(t, !('0' <= r && r <= '9' || 'A' <= r && r <= 'F' && r != 'B'))
		}
		seen[id] = true
	}
}

// The enums print their names.
func TestNames(t *testing.T) {
	for _, tt := range []struct {
		got  fmt.Stringer
		want string
	}{
		{DropOldest, "DropOldest"}, {DropNewest, "DropNewest"}, {DropBehavior(9), "DropBehavior(9)"},
		{MQTTv31, "MQTTv31"}, {MQTTv311, "MQTTv311"}, {ProtocolType(0), "ProtocolType(0)"},
		{kindPublish, "publish"}, {kindSubscribe, "subscribe"}, {kindUnsubscribe, "unsubscribe"},
	} {
		assert.Equal(t, tt.want, tt.got.String(), "%q, want %q", tt.got, tt.want)
	}
}

func FuzzEncodeFloat(f *testing.F) {
	for _, v := range []float64{0, 1, -1, 0.1, 1e16, 1e-5, math.MaxFloat64, math.SmallestNonzeroFloat64} {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, v float64) {
		b, err := encodePayload(v)
		require.NoError(t, err)
		var back float64
		_, err = fmt.Sscan(string(b), &back)
		require.NoError(t, err)
		assert.False(t, back != v && !(math.IsNaN(back) && math.IsNaN(v)), "%v became %q", v, b)
		core, err := awsiot.PayloadV1(v)
		if assert.NoError(t, err, "awsiot.PayloadV1: %q, %v; here %q", core, err, b) {
			assert.Equal(t, string(b), string(core), "awsiot.PayloadV1: %q, %v; here %q", core, err, b)
		}
	})
}
