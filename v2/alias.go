package awsiot

import (
	"time"

	"github.com/portage-iot/awsiot/v2/internal/alias"
	"github.com/portage-iot/awsiot/v2/internal/wire"
)

// startAliases makes the alias tables of a new connection [MQTT5-3.3.2-7].
func (l *link) startAliases() {
	limit := l.aliasLimit()
	switch o := &l.opts.TopicAliasing; {
	case limit == 0:
	case o.Outbound == AliasLRU:
		l.aliases = alias.NewLRU(limit)
	case o.Outbound == AliasManual:
		l.aliases = alias.NewManual(limit)
	}
}

// aliasLimit returns the highest alias for what is sent: what the broker allows, below the program's
// own bound if there is one. Without, AliasLRU has the default; aliases that the program chooses need none.
func (l *link) aliasLimit() uint16 {
	o := &l.opts.TopicAliasing
	limit := l.settings.TopicAliasMaximumToServer
	switch {
	case o.OutboundMaximum > 0:
		return min(limit, o.OutboundMaximum)
	case o.Outbound == AliasLRU:
		return min(limit, defaultAliases)
	}
	return limit
}

// checkAlias refuses an alias above what the broker and OutboundMaximum allow. Where the broker allows none, or the
// option is off, the alias is left out; so it is for a publish from before this connection, which could not know.
func (l *link) checkAlias(o *operation) error {
	if o.alias == 0 || o.seq <= l.seq || l.aliases == nil || l.opts.TopicAliasing.Outbound != AliasManual {
		return nil
	}
	if limit := l.aliasLimit(); o.alias > limit {
		return invalid("TopicAlias", "%d is above the maximum of %d", o.alias, limit)
	}
	return nil
}

// aliasRoom is by how much an alias can make a packet longer: its own three bytes, and one for each length before it.
const aliasRoom = 5

// append puts the packet of a publish into the out buffer, with a topic alias where there are
// aliases, and with what is left of its expiry. The operation keeps the packet as it was, for
// another connection. mu is held.
func (l *link) append(o *operation) {
	if l.aliases == nil && !o.expires {
		l.out = append(l.out, o.buf...)
		return
	}
	f, _, err := wire.Next(o.buf, 0)
	var p wire.InPublish
	if err == nil {
		err = wire.ParsePublish(f, &p)
	}
	if err != nil { // cannot be: the packet is our own
		l.out = append(l.out, o.buf...)
		return
	}
	topic := string(p.Topic)
	var props wire.Properties
	if p.Props != nil {
		props = *p.Props
	}
	if o.expires && props.MessageExpiry != nil {
		left := uint32(0)
		if waited := uint32(l.waited(o) / time.Second); waited < *props.MessageExpiry {
			left = *props.MessageExpiry - waited
		}
		props.MessageExpiry = &left
	}
	if l.aliases != nil && o.size+aliasRoom <= int(l.settings.MaximumPacketSizeToServer) {
		if number, full, ok := l.aliases.Resolve(topic, o.alias); ok && number > 0 {
			props.TopicAlias = number
			if !full {
				topic = ""
			}
		}
	}
	l.out = wire.AppendPublish(l.out, topic, p.QoS, p.Retain, p.Dup, p.ID, &props, p.Payload)
}

// waited is how long an operation with an expiry has waited since the call.
func (l *link) waited(o *operation) time.Duration { return l.c.clock() - o.accepted }

// resolve returns the topic of a received PUBLISH that uses an alias.
func (l *link) resolve(p *wire.InPublish) (string, error) {
	if l.inAliases == nil {
		return "", &ReasonError{Op: "connection", Code: ReasonTopicAliasInvalid, Reason: "the broker used a topic alias; none was allowed"}
	}
	topic, err := l.inAliases.Resolve(p.Topic, p.Props.TopicAlias)
	if err != nil {
		return "", &ReasonError{Op: "connection", Code: ReasonTopicAliasInvalid, Reason: err.Error()}
	}
	return topic, nil
}
