package awsiot

// OperationStatistics is a snapshot of a client's counters. Operations are publishes,
// subscribes and unsubscribes that the client has accepted and not ended; sizes are bytes of
// the encoded packets.
type OperationStatistics struct {
	IncompleteOperationCount uint64 // accepted, not ended
	IncompleteOperationSize  uint64
	UnackedOperationCount    uint64 // of these: sent, not acknowledged; those of a lost connection count until the next one
	UnackedOperationSize     uint64
	InboundDropped           uint64 // QoS 0 messages dropped by Inbound since the client was made
	Reconnects               uint64 // connections after the first one of each Start
	CallbackPanics           uint64 // panics in callbacks, recovered and logged, since the client was made
	Attempts                 uint64 // to connect, since the client was made: the number of the last one, see AttemptingConnect
}

// Stats returns the counters as they are now.
func (c *Client) Stats() OperationStatistics {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stats
}
