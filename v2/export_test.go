package awsiot

import "github.com/portage-iot/awsiot/v2/internal/wire"

// Transition reports whether the table has the transition that a "state" log record names.
func Transition(from, to, trig string) bool {
	for f := range transitions {
		for t := range trigger(numTriggers) {
			if ConnectionState(f).String() == from && t.String() == trig {
				return transitions[f][t] != illegal && transitions[f][t].String() == to
			}
		}
	}
	return false
}

// GrantIDs moves the packet identifier counter of c on by n.
func GrantIDs(c *Client, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for range n {
		id, _ := c.table.Reserve(nil)
		c.table.Release(id)
	}
}

// ConnectOf returns the CONNECT that a client with these options sends first.
func ConnectOf(o ClientOptions) ([]byte, error) {
	c := NewClient(o)
	return wire.AppendConnect(nil, c.connectPacket(&link{c: c}))
}
