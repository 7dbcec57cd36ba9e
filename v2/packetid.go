package awsiot

// Packet identifiers that the program holds. The client numbers its packets itself, and a Store keeps publishes without
// numbers: what an earlier run had not settled goes out as new messages. A program that keeps publishes under the numbers they had, so that
// a session goes on with another client or in another run, takes the numbers here.

// heldID stands in the table for an identifier that the program holds and no publish has.
var heldID = &operation{kind: opPublish1, phase: phaseNew}

// ReservePacketID takes a packet identifier for PublishPacket.PacketID: want, or, with 0, the next free one. The client
// gives it to nothing else until ReleasePacketID, whatever becomes of connections and sessions. ok is false when want is taken, and
// with 0 when all 65535 are. One identifier serves any number of publishes, one after another.
func (c *Client) ReservePacketID(want uint16) (id uint16, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if id = want; want == 0 {
		id, ok = c.table.Reserve(heldID)
	} else {
		ok = c.table.ReserveAt(want, heldID)
	}
	if !ok {
		return 0, false
	}
	c.reserved++
	return id, true
}

// ReleasePacketID gives an identifier of ReservePacketID back. It does nothing while a publish has it: call it when the publish
// has ended, for example in its callback. A publish that ends with ErrAckTimeout gives it back itself, when the broker cannot
// acknowledge it any more.
func (c *Client) ReleasePacketID(id uint16) {
	c.mu.Lock()
	defer c.unlock()
	if o, ok := c.table.Get(id); ok && o == heldID {
		c.table.Release(id)
		c.reserved--
		if c.link != nil && c.queue.n > 0 { // it may have waited for an identifier
			c.pump(c.link)
		}
	}
}

// useID gives o the identifier that the program holds for it. mu is held.
func (c *Client) useID(o *operation, p *PublishPacket) error {
	if held, ok := c.table.Get(p.PacketID); !ok || held != heldID {
		return invalid("PacketID", "%d is not reserved, or another publish has it", p.PacketID)
	}
	o.id, o.own, o.resend = p.PacketID, true, p.Duplicate
	c.table.Set(o.id, o)
	return nil
}

// releaseID takes the identifier, if it has one, from o. mu is held.
func (c *Client) releaseID(o *operation) {
	switch {
	case o.id == 0:
		return
	case o.own:
		c.table.Unlink(o.id)
		c.table.Set(o.id, heldID)
	default:
		c.table.Release(o.id)
	}
	o.id = 0
}

// resetIDs frees the identifiers of a session that is over, but for those that the program holds. mu is held.
func (c *Client) resetIDs() {
	if c.reserved == 0 {
		c.table.Reset()
		return
	}
	c.table.ReleaseIf(func(o *operation) bool { return o != heldID && !o.own })
}
