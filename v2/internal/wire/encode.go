package wire

import (
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/eclipse/paho.golang/packets"
)

func tooLarge(packet byte, size int) *Error {
	return &Error{Code: CodePacketTooLarge, Packet: TypeName(packet),
		Problem: fmt.Sprintf("%d bytes, the largest MQTT packet has %d", size, MaxPacket)}
}

// appendPacket puts the fixed header before a body that paho encoded. It writes the header itself because paho's
// encoder of the length panics above four bytes.
func appendPacket(dst []byte, packet, flags byte, body net.Buffers) ([]byte, error) {
	n := 0
	for _, b := range body {
		n += len(b)
	}
	if n > MaxRemaining {
		return dst, tooLarge(packet, 1+5+n)
	}
	dst = slices.Grow(dst, 5+n)
	dst = appendVarint(append(dst, packet<<4|flags), n)
	for _, b := range body {
		dst = append(dst, b...)
	}
	return dst, nil
}

func toPahoUser(user []UserProperty) []packets.User {
	if len(user) == 0 {
		return nil
	}
	out := make([]packets.User, len(user))
	for i, u := range user {
		out[i] = packets.User{Key: u.Name, Value: u.Value}
	}
	return out
}

func flagByte(b *bool) *byte {
	switch {
	case b == nil:
		return nil
	case *b:
		return new(byte(1))
	}
	return new(byte(0))
}

// AppendConnect encodes a CONNECT at the end of dst. The error, an *Error, names what MQTT 5 forbids in it; dst is then
// returned as it was.
func AppendConnect(dst []byte, c *Connect) ([]byte, error) {
	if err := c.check(); err != nil {
		return dst, err
	}
	p := packets.Connect{
		ProtocolName: "MQTT", ProtocolVersion: 5, ClientID: c.ClientID, CleanStart: c.CleanStart, KeepAlive: c.KeepAlive,
		UsernameFlag: c.Username != nil, PasswordFlag: c.Password != nil, Password: c.Password,
		Properties: &packets.Properties{
			SessionExpiryInterval: c.SessionExpiry, ReceiveMaximum: c.ReceiveMaximum,
			MaximumPacketSize: c.MaximumPacketSize, TopicAliasMaximum: c.TopicAliasMaximum,
			RequestResponseInfo: flagByte(c.RequestResponseInformation), RequestProblemInfo: flagByte(c.RequestProblemInformation),
			User: toPahoUser(c.User),
		},
	}
	if c.Username != nil {
		p.Username = *c.Username
	}
	if c.Will == nil {
		return appendPacket(dst, TypeConnect, 0, p.Buffers())
	}
	// Paho encodes no property of a will but the delay and the user properties (it takes the rest for those of PUBLISH
	// only). So it gets none, writes an empty block, one byte 0, and the real block takes the place of that byte.
	p.WillFlag, p.WillTopic, p.WillMessage, p.WillQOS, p.WillRetain =
		true, c.Will.Topic, c.Will.Payload, c.Will.QoS, c.Will.Retain
	props := len(p.Properties.Pack(packets.CONNECT))
	at := len("\x00\x04MQTT") + 4 + varintLen(props) + props + 2 + len(c.ClientID)
	body := p.Buffers()[0]
	return appendPacket(dst, TypeConnect, 0, net.Buffers{body[:at], c.Will.block(), body[at+1:]})
}

// block encodes the will's properties with their length.
func (w *Will) block() []byte {
	n := w.Props.size()
	if w.Delay != nil {
		n += 5
	}
	b := appendVarint(make([]byte, 0, 4+n), n)
	if d := w.Delay; d != nil {
		b = append(b, propWillDelay, byte(*d>>24), byte(*d>>16), byte(*d>>8), byte(*d))
	}
	return w.Props.append(b)
}

func (c *Connect) check() error {
	if err := checkString(TypeConnect, "client identifier", c.ClientID); err != nil {
		return err
	}
	if c.Username != nil {
		if err := checkString(TypeConnect, "user name", *c.Username); err != nil {
			return err
		}
	}
	if len(c.Password) > MaxString {
		return malformed(TypeConnect, "password of %d bytes, at most %d are possible", len(c.Password), MaxString)
	}
	if c.ReceiveMaximum != nil && *c.ReceiveMaximum == 0 { // 3.1.2.11.3
		return protocolError(TypeConnect, "receive maximum must not be 0")
	}
	if c.MaximumPacketSize != nil && *c.MaximumPacketSize == 0 { // 3.1.2.11.4
		return protocolError(TypeConnect, "maximum packet size must not be 0")
	}
	if w := c.Will; w != nil {
		if err := checkTopicName(TypeConnect, "will topic", w.Topic); err != nil {
			return err
		}
		if w.QoS > 2 { // [MQTT5-3.1.2-12]
			return malformed(TypeConnect, "will QoS %d", w.QoS)
		}
		if len(w.Payload) > MaxString {
			return malformed(TypeConnect, "will payload of %d bytes, at most %d are possible", len(w.Payload), MaxString)
		}
		if err := w.Props.check(TypeConnect); err != nil {
			return err
		}
	}
	return checkUser(TypeConnect, c.User)
}

// AppendSubscribe encodes a SUBSCRIBE at the end of dst. The error, an *Error, names what MQTT 5 forbids in it; dst is
// then returned as it was. Where wildcards may stand in a filter is not looked at.
func AppendSubscribe(dst []byte, s *Subscribe) ([]byte, error) {
	if err := s.check(); err != nil {
		return dst, err
	}
	p := packets.Subscribe{
		PacketID: s.ID, Subscriptions: make([]packets.SubOptions, len(s.Subs)),
		Properties: &packets.Properties{User: toPahoUser(s.User)},
	}
	if s.SubscriptionID != nil {
		p.Properties.SubscriptionIdentifier = new(int(*s.SubscriptionID))
	}
	for i, o := range s.Subs {
		p.Subscriptions[i] = packets.SubOptions{Topic: o.Filter, QoS: o.QoS, NoLocal: o.NoLocal,
			RetainAsPublished: o.RetainAsPublished, RetainHandling: o.RetainHandling}
	}
	return appendPacket(dst, TypeSubscribe, 2, p.Buffers())
}

func (s *Subscribe) check() error {
	if s.ID == 0 { // [MQTT5-2.2.1-3]
		return protocolError(TypeSubscribe, "packet identifier 0")
	}
	if len(s.Subs) == 0 { // [MQTT5-3.8.3-2]
		return protocolError(TypeSubscribe, "no topic filter")
	}
	if id := s.SubscriptionID; id != nil && (*id == 0 || *id > MaxRemaining) { // 3.8.2.1.2
		return protocolError(TypeSubscribe, "subscription identifier %d, must be 1 to %d", *id, MaxRemaining)
	}
	for i, o := range s.Subs {
		switch {
		case o.Filter == "": // [MQTT5-4.7.3-1]
			return malformed(TypeSubscribe, "topic filter %d is empty", i)
		case o.QoS > 2: // 3.8.3.1
			return protocolError(TypeSubscribe, "topic filter %d has QoS %d", i, o.QoS)
		case o.RetainHandling > 2:
			return protocolError(TypeSubscribe, "topic filter %d has retain handling %d", i, o.RetainHandling)
		case o.NoLocal && strings.HasPrefix(o.Filter, "$share/"): // [MQTT5-3.8.3-4]
			return protocolError(TypeSubscribe, "topic filter %d: no local on a shared subscription", i)
		}
		if err := checkString(TypeSubscribe, "topic filter", o.Filter); err != nil {
			return err
		}
	}
	return checkUser(TypeSubscribe, s.User)
}

// SubscribeSize returns the size in bytes of the packet that AppendSubscribe encodes.
func SubscribeSize(s *Subscribe) int {
	props := userSize(s.User)
	if s.SubscriptionID != nil {
		props += 1 + varintLen(int(*s.SubscriptionID))
	}
	n := 2 + varintLen(props) + props
	for i := range s.Subs {
		n += 3 + len(s.Subs[i].Filter)
	}
	return 1 + varintLen(n) + n
}

// AppendUnsubscribe encodes an UNSUBSCRIBE at the end of dst. The error, an *Error, names what MQTT 5 forbids in it;
// dst is then returned as it was.
func AppendUnsubscribe(dst []byte, u *Unsubscribe) ([]byte, error) {
	if u.ID == 0 { // [MQTT5-2.2.1-3]
		return dst, protocolError(TypeUnsubscribe, "packet identifier 0")
	}
	if len(u.Filters) == 0 { // [MQTT5-3.10.3-2]
		return dst, protocolError(TypeUnsubscribe, "no topic filter")
	}
	for i, f := range u.Filters {
		if f == "" { // [MQTT5-4.7.3-1]
			return dst, malformed(TypeUnsubscribe, "topic filter %d is empty", i)
		}
		if err := checkString(TypeUnsubscribe, "topic filter", f); err != nil {
			return dst, err
		}
	}
	if err := checkUser(TypeUnsubscribe, u.User); err != nil {
		return dst, err
	}
	p := packets.Unsubscribe{PacketID: u.ID, Topics: u.Filters, Properties: &packets.Properties{User: toPahoUser(u.User)}}
	return appendPacket(dst, TypeUnsubscribe, 2, p.Buffers())
}

// UnsubscribeSize returns the size in bytes of the packet that AppendUnsubscribe encodes.
func UnsubscribeSize(u *Unsubscribe) int {
	props := userSize(u.User)
	n := 2 + varintLen(props) + props
	for _, f := range u.Filters {
		n += 2 + len(f)
	}
	return 1 + varintLen(n) + n
}

// AppendDisconnect encodes a DISCONNECT at the end of dst. The error, an *Error, names what MQTT 5 forbids in one from
// a client; dst is then returned as it was.
func AppendDisconnect(dst []byte, d *Disconnect) ([]byte, error) {
	if d.ServerReference != "" { // 3.14.2.2.5
		return dst, protocolError(TypeDisconnect, "only a server sends a server reference")
	}
	if err := checkString(TypeDisconnect, "reason string", d.Reason); err != nil {
		return dst, err
	}
	if err := checkUser(TypeDisconnect, d.User); err != nil {
		return dst, err
	}
	p := packets.Disconnect{ReasonCode: d.Code, Properties: &packets.Properties{
		SessionExpiryInterval: d.SessionExpiry, ReasonString: d.Reason, User: toPahoUser(d.User)}}
	return appendPacket(dst, TypeDisconnect, 0, p.Buffers())
}
