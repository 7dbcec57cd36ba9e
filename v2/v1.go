package awsiot

import (
	"crypto/rand"
	"math"
	"reflect"
	"slices"
	"strconv"
	"time"
)

// OptionsV1 returns the defaults of the AWS IoT Device SDK v1 as options of this client, so
// that rewritten code behaves as it did: keep-alive 600 s, acknowledgement timeout 5 s, CONNACK
// timeout 30 s, reconnect delays 1 s to 32 s without jitter and reset after 20 s, 20 publishes in
// flight, an unbounded offline queue for everything that drains at 2 operations per second,
// subscriptions made again at every connection, callbacks one after another, and none of AWS IoT Core's rates, while its static
// limits hold where the endpoint is AWS's (FlowControlNone). An empty client id
// is made up here, as v1 did: 23 characters that begin with "paho/". Auth is for the caller to set: v1
// without credentials was PlainTCP.
func OptionsV1(clientID string) ClientOptions {
	if clientID == "" {
		clientID = madeUpClientID()
	}
	return ClientOptions{
		ClientID:                              clientID,
		KeepAlive:                             600 * time.Second,
		AckTimeout:                            5 * time.Second,
		ConnackTimeout:                        30 * time.Second,
		RetryJitterMode:                       JitterNone,
		InitialReconnectDelay:                 time.Second,
		MinReconnectDelay:                     time.Second,
		MaxReconnectDelay:                     32 * time.Second,
		MinConnectedTimeToResetReconnectDelay: 20 * time.Second,
		MaxInflight:                           20,
		Resubscribe:                           Resubscribe{When: ResubscribeAlways, BatchSize: 1},
		OfflineQueue:                          OfflineQueue{Behavior: KeepAll, WhenFull: RejectNew, DrainRate: 2, ReturnQueued: true},
		FlowControl:                           FlowControlNone,
		SerialCallbacks:                       true,
	}
}

// madeUpClientID is what v1 used for an empty client id, out of the alphabet it used.
func madeUpClientID() string {
	const alphabet = "0123456789ADCDEF"
	var b [18]byte
	rand.Read(b[:]) // never fails
	for i := range b {
		b[i] = alphabet[b[i]%16]
	}
	return "paho/" + string(b[:])
}

// QueueSizeV1 returns OfflineQueue.MaxOperations for v1's queueSize: above 0 the limit, 0 no
// queueing (-1 here), below 0 no limit (0 here).
func QueueSizeV1(n int) int {
	switch {
	case n == 0:
		return -1
	case n < 0:
		return 0
	}
	return n
}

// KeepAliveV1 returns KeepAlive for v1's keepAliveIntervalSecond: 0, which is no keep-alive in v1, is -1 here.
func KeepAliveV1(s int) time.Duration {
	if s == 0 {
		return -1
	}
	return time.Duration(s) * time.Second
}

// PayloadV1 returns the bytes that v1 sent for a payload: text as it is, []byte as it is (not
// copied), numbers in decimal as Python prints them, True and False for bool, nothing for nil.
// Types of these kinds, as json.RawMessage, count as the kind. x is not kept: a []byte in it costs no allocation. Others are a *ValidationError,
// as v1 raised a TypeError.
func PayloadV1(x any) ([]byte, error) {
	switch v := x.(type) {
	case nil:
		return nil, nil
	case []byte:
		return v, nil
	case string:
		return []byte(v), nil
	}
	switch v := reflect.ValueOf(x); v.Kind() {
	case reflect.String:
		return []byte(v.String()), nil
	case reflect.Bool: // Python's bool is an int that prints as a word
		if v.Bool() {
			return []byte("True"), nil
		}
		return []byte("False"), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return strconv.AppendInt(nil, v.Int(), 10), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return strconv.AppendUint(nil, v.Uint(), 10), nil
	case reflect.Float32:
		return pythonFloat(v.Float(), 32), nil
	case reflect.Float64:
		return pythonFloat(v.Float(), 64), nil
	case reflect.Slice:
		if reflect.TypeOf(x).Elem().Kind() == reflect.Uint8 {
			return append([]byte(nil), v.Bytes()...), nil // a copy: x would escape
		}
	}
	return nil, invalid("Payload", "%s is neither string, []byte, integer, float, bool nor nil", reflect.TypeOf(x).String()) // %T: x would escape
}

// pythonFloat returns the text of Python's repr: the shortest digits that give the value back, with an
// exponent below 1e-4 and from 1e16 on, and ".0" after a whole number.
func pythonFloat(f float64, bits int) []byte {
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
	b := strconv.AppendFloat(nil, f, 'f', -1, bits)
	if !slices.Contains(b, '.') {
		b = append(b, ".0"...)
	}
	return b
}
