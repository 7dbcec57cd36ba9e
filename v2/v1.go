package awsiot

import (
	"fmt"
	"strconv"
	"time"
)

// OptionsV1 returns the defaults of the AWS IoT Device SDK v1 as options of this client, so
// that rewritten code behaves as it did: keep-alive 600 s, acknowledgement timeout 5 s, CONNACK
// timeout 30 s, reconnect delays 1 s to 32 s without jitter and reset after 20 s, 20 publishes in
// flight, an unbounded offline queue for everything that drains at 2 operations per second,
// subscriptions made again at every connection, and callbacks one after another.
func OptionsV1(clientID string) ClientOptions {
	return ClientOptions{
		ClientID:                              clientID,
		KeepAlive:                             600 * time.Second,
		AckTimeout:                            5 * time.Second,
		ConnackTimeout:                        30 * time.Second,
		RetryJitterMode:                       JitterNone,
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
// copied), numbers in decimal as Python prints them, nothing for nil. Other types are a
// *ValidationError, as v1 raised a TypeError.
func PayloadV1(x any) ([]byte, error) {
	switch v := x.(type) {
	case nil:
		return nil, nil
	case []byte:
		return v, nil
	case string:
		return []byte(v), nil
	case float64:
		return pythonFloat(v, 64), nil
	case float32:
		return pythonFloat(float64(v), 32), nil
	case int, int8, int16, int32, int64, uint, uint8, uint16, uint32, uint64:
		return fmt.Append(nil, v), nil
	}
	return nil, invalid("Payload", "%T is neither string, []byte, integer, float nor nil", x)
}

// pythonFloat formats f as Python's str does: 1.0, 0.1, 1e+16, 1e-05, inf, nan.
func pythonFloat(f float64, bits int) []byte {
	b := strconv.AppendFloat(nil, f, 'g', -1, bits)
	s := string(b)
	switch s {
	case "+Inf":
		return []byte("inf")
	case "-Inf":
		return []byte("-inf")
	case "NaN":
		return []byte("nan")
	}
	// Python switches to exponents at 1e16 and below 1e-4, Go at 1e21 and below 1e-4.
	if a := max(f, -f); a != 0 && (a >= 1e16 || a < 1e-4) {
		return strconv.AppendFloat(nil, f, 'e', -1, bits)
	}
	b = strconv.AppendFloat(nil, f, 'f', -1, bits)
	for _, c := range b {
		if c == '.' {
			return b
		}
	}
	return append(b, ".0"...)
}
