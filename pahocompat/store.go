package mqtt

import (
	"errors"
	"fmt"
	"strconv"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/eclipse/paho.mqtt.golang/packets"

	awsiot "github.com/portage-iot/awsiot/v2"
)

// store is the program's Store, with what both engines agree on: a packet of MQTT 3.1.1 under "o." and its identifier, from
// before it is sent until it is acknowledged. What came in is not kept: paho throws that away when it reads it. A nil *store
// keeps nothing.
type store struct {
	s      paho.Store
	clean  bool // CleanSession
	resume bool // ResumeSubs
}

// The prefixes of keys.
const (
	outbound = "o."
	incoming = "i."
)

// newStore returns the store of o. Without one, and with CleanSession, core's memory is enough.
func newStore(o *paho.ClientOptions) *store {
	s := &store{s: o.Store, clean: o.CleanSession, resume: o.ResumeSubs}
	if s.s == nil {
		if o.CleanSession {
			return nil
		}
		s.s = paho.NewOrderedMemoryStore()
	}
	return s
}

// guarded runs fn: FileStore panics when the disk refuses.
func guarded(fn func()) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = optionError("Store", "%v", p)
			ERROR.Println(STR, err)
		}
	}()
	fn()
	return nil
}

func (s *store) put(prefix string, id uint16, p packets.ControlPacket) error {
	return guarded(func() { s.s.Put(prefix+strconv.Itoa(int(id)), p) })
}

func (s *store) del(prefix string, id uint16) {
	if s != nil && id != 0 {
		_ = guarded(func() { s.s.Del(prefix + strconv.Itoa(int(id))) }) // it was logged
	}
}

func (s *store) close() {
	if s != nil {
		_ = guarded(s.s.Close) // it was logged
	}
}

// keep puts a SUBSCRIBE or UNSUBSCRIBE into the store, under an identifier of its own, which is returned; 0: there is no store.
func (c *client) keep(p packets.ControlPacket) (uint16, error) {
	if c.store == nil {
		return 0, nil
	}
	id, ok := c.core.ReservePacketID(0)
	if !ok {
		return 0, errNoIDs
	}
	switch p := p.(type) {
	case *packets.SubscribePacket:
		p.MessageID = id
	case *packets.UnsubscribePacket:
		p.MessageID = id
	}
	if err := c.store.put(outbound, id, p); err != nil {
		c.core.ReleasePacketID(id)
		return 0, err
	}
	return id, nil
}

// forget removes what keep has put.
func (c *client) forget(id uint16) {
	if id != 0 {
		c.store.del(outbound, id)
		c.core.ReleasePacketID(id)
	}
}

// open opens the store for a Connect, and gives core what it holds, in its order: publishes under their identifiers. A store with
// state of QoS 2 is left as it is, and an error.
func (s *store) open(c *client) error {
	if s == nil {
		return nil
	}
	if err := guarded(s.s.Open); err != nil {
		return err
	}
	if s.clean {
		return guarded(s.s.Reset)
	}
	held, err := s.load()
	if err != nil {
		s.close()
		return err
	}
	for _, h := range held {
		h.restore(c, s.resume)
	}
	return nil
}

// stored is a packet in the store.
type stored struct {
	key    string
	packet packets.ControlPacket
}

// errStoreQoS2 is state of QoS 2 in the store.
type errStoreQoS2 struct{ errQoS2 }

// isStoreOfQoS2 reports whether err says that the store has state that only the paho engine can go on with.
func isStoreOfQoS2(err error) bool {
	_, ok := errors.AsType[*errStoreQoS2](err)
	return ok
}

// load reads everything, and changes nothing.
func (s *store) load() (held []stored, err error) {
	var qos2 error
	err = guarded(func() {
		for _, key := range s.s.All() {
			p := s.s.Get(key)
			if p == nil {
				continue
			}
			switch p := p.(type) {
			case *packets.PubrelPacket:
				qos2 = &errStoreQoS2{errQoS2{"Store: " + key}}
			case *packets.PublishPacket:
				if p.Qos == 2 && key[:len(outbound)] == outbound {
					qos2 = &errStoreQoS2{errQoS2{"Store: " + key}}
				}
			case *packets.SubscribePacket:
				for _, q := range p.Qoss {
					if q == 2 && s.resume {
						qos2 = &errStoreQoS2{errQoS2{"Store: " + key}}
					}
				}
			}
			held = append(held, stored{key, p})
		}
	})
	if err == nil {
		err = qos2
	}
	return held, err
}

// restore gives one packet to core, or removes it.
func (h stored) restore(c *client, resume bool) {
	id := h.packet.Details().MessageID
	out := h.key == fmt.Sprint(outbound, id)
	if out {
		switch p := h.packet.(type) {
		case *packets.PublishPacket:
			if _, ok := c.core.ReservePacketID(id); p.Qos == 1 && ok {
				c.open.Add(1)
				c.core.PublishFunc(&awsiot.PublishPacket{Topic: p.TopicName, Payload: p.Payload, QoS: awsiot.AtLeastOnce, Retain: p.Retain,
					PacketID: id, Duplicate: true}, (&PublishToken{c: c, messageID: id}).settled)
				return
			}
		case *packets.SubscribePacket:
			if _, ok := c.core.ReservePacketID(id); resume && ok {
				t := &SubscribeToken{c: c, subs: p.Topics, key: id}
				var subs []awsiot.Subscription
				for i, topic := range p.Topics {
					subs = append(subs, awsiot.Subscription{TopicFilter: topic, QoS: awsiot.QoS(p.Qoss[i])})
				}
				c.core.SubscribeAsync(&awsiot.SubscribePacket{Subscriptions: subs}).OnDone(t.settled)
				return
			}
		case *packets.UnsubscribePacket:
			if _, ok := c.core.ReservePacketID(id); resume && ok {
				t := &UnsubscribeToken{c: c, key: id}
				c.core.UnsubscribeAsync(&awsiot.UnsubscribePacket{TopicFilters: p.Topics}).OnDone(t.settled)
				return
			}
		}
		c.core.ReleasePacketID(id)
	}
	DEBUG.Println(STR, "removed from the store:", h.key)
	_ = guarded(func() { c.store.s.Del(h.key) }) // it was logged
}

func publishPacket(p *awsiot.PublishPacket) *packets.PublishPacket {
	out := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
	out.Qos, out.Retain, out.TopicName, out.MessageID = byte(p.QoS), p.Retain, p.Topic, p.PacketID
	out.Payload = append([]byte(nil), p.Payload...) // the caller's, and perhaps a string's
	return out
}

func subscribePacket(subs []awsiot.Subscription) *packets.SubscribePacket {
	out := packets.NewControlPacket(packets.Subscribe).(*packets.SubscribePacket)
	for _, s := range subs {
		out.Topics = append(out.Topics, s.TopicFilter)
		out.Qoss = append(out.Qoss, byte(s.QoS))
	}
	return out
}

func unsubscribePacket(topics []string) *packets.UnsubscribePacket {
	out := packets.NewControlPacket(packets.Unsubscribe).(*packets.UnsubscribePacket)
	out.Topics = topics
	return out
}
