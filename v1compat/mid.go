package v1compat

import "strconv"

// Mid is what v1's asynchronous calls return and hand to their ack callbacks: a
// message id from 1 to 65535, or one of the constants below, which v1 had as
// words. The ids are this package's own count, in the order of the calls, QoS 0
// included as in v1; the packet identifiers on the wire are the core's.
//
// Deprecated: the futures of package awsiot need no ids.
type Mid int

// v1's words in the place of an id; all are negative.
//
// Deprecated: use Future.Queued, and the events of package awsiot.
const (
	// MidQueued is v1's "QUEUED": the request waits in the offline queue.
	MidQueued Mid = -1 - iota
	// MidConnected is v1's "CONNECTED", the result of ConnectAsync.
	MidConnected
	// MidDisconnected is v1's "DISCONNECTED", the result of DisconnectAsync.
	MidDisconnected
)

// String returns the number, or v1's word.
func (m Mid) String() string {
	switch m {
	case MidQueued:
		return "QUEUED"
	case MidConnected:
		return "CONNECTED"
	case MidDisconnected:
		return "DISCONNECTED"
	}
	return strconv.Itoa(int(m))
}

// next returns the id after m: 1 to 65535, then 1 again.
func (m Mid) next() Mid {
	if m >= 65535 {
		return 1
	}
	return m + 1
}
