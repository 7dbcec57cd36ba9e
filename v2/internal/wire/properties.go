package wire

import (
	"encoding/binary"
	"strings"
	"unicode/utf8"
)

// UserProperty is a name and a value; names may repeat and the order is kept [MQTT5-3.3.2-18].
type UserProperty struct{ Name, Value string }

// Properties are those of a PUBLISH and of a will. The zero value has none. Properties that ParsePublish returns own
// their memory.
type Properties struct {
	PayloadFormat   *byte          // 0 bytes, 1 UTF-8; nil = absent
	MessageExpiry   *uint32        // seconds; nil = never
	TopicAlias      uint16         // 0 = none; not in a will
	ResponseTopic   string         // "" = none
	CorrelationData []byte         // nil = none (empty is a value)
	ContentType     string         // "" = none
	User            []UserProperty //
	SubscriptionIDs []uint32       // 1 to 268,435,455; only from a server, and not in a will
}

// size is that of the encoded block without its length.
func (p *Properties) size() int {
	n := 0
	if p.PayloadFormat != nil {
		n += 2
	}
	if p.MessageExpiry != nil {
		n += 5
	}
	if p.TopicAlias != 0 {
		n += 3
	}
	if p.ResponseTopic != "" {
		n += 3 + len(p.ResponseTopic)
	}
	if p.CorrelationData != nil {
		n += 3 + len(p.CorrelationData)
	}
	if p.ContentType != "" {
		n += 3 + len(p.ContentType)
	}
	for _, id := range p.SubscriptionIDs {
		n += 1 + varintLen(int(id))
	}
	return n + userSize(p.User)
}

func userSize(user []UserProperty) int {
	n := 0
	for i := range user {
		n += 5 + len(user[i].Name) + len(user[i].Value)
	}
	return n
}

// append encodes the properties without the length of the block.
func (p *Properties) append(dst []byte) []byte {
	if p.PayloadFormat != nil {
		dst = append(dst, propPayloadFormat, *p.PayloadFormat)
	}
	if p.MessageExpiry != nil {
		dst = binary.BigEndian.AppendUint32(append(dst, propMessageExpiry), *p.MessageExpiry)
	}
	if p.TopicAlias != 0 {
		dst = append(dst, propTopicAlias, byte(p.TopicAlias>>8), byte(p.TopicAlias))
	}
	if p.ResponseTopic != "" {
		dst = appendField(append(dst, propResponseTopic), p.ResponseTopic)
	}
	if p.CorrelationData != nil {
		dst = appendField(append(dst, propCorrelationData), p.CorrelationData)
	}
	if p.ContentType != "" {
		dst = appendField(append(dst, propContentType), p.ContentType)
	}
	for _, id := range p.SubscriptionIDs {
		dst = appendVarint(append(dst, propSubscriptionID), int(id))
	}
	for i := range p.User {
		dst = appendField(append(dst, propUser), p.User[i].Name)
		dst = appendField(dst, p.User[i].Value)
	}
	return dst
}

func appendField[T ~string | ~[]byte](dst []byte, s T) []byte {
	return append(append(dst, byte(len(s)>>8), byte(len(s))), s...)
}

// parsePublishProps decodes a block that is not empty. It walks it twice, first to check and count and then to fill
// slices of the exact size: a hostile block of five-byte user properties costs no more than it must.
func parsePublishProps(block []byte) (*Properties, error) {
	users, ids := 0, 0
	check := propIter{block: block, packet: TypePublish}
	for check.next() {
		switch check.id {
		case propUser:
			users++
		case propSubscriptionID:
			ids++
		case propResponseTopic:
			if t := check.bytes(check.a); len(t) == 0 || hasWildcard(t) { // [MQTT5-3.3.2-14], [MQTT5-4.7.3-1]
				return nil, malformed(TypePublish, "the response topic is empty or has a wildcard")
			}
		}
	}
	if check.err != nil {
		return nil, check.err
	}
	text := string(block) // one copy for all strings
	p := &Properties{}
	if users > 0 {
		p.User = make([]UserProperty, 0, users)
	}
	if ids > 0 {
		p.SubscriptionIDs = make([]uint32, 0, ids)
	}
	for it := (propIter{block: block, packet: TypePublish}); it.next(); {
		switch it.id {
		case propPayloadFormat:
			p.PayloadFormat = new(byte(it.num))
		case propMessageExpiry:
			p.MessageExpiry = new(it.num)
		case propTopicAlias:
			p.TopicAlias = uint16(it.num)
		case propResponseTopic:
			p.ResponseTopic = text[it.a.from:it.a.to]
		case propCorrelationData:
			p.CorrelationData = append(make([]byte, 0, it.a.to-it.a.from), it.bytes(it.a)...)
		case propContentType:
			p.ContentType = text[it.a.from:it.a.to]
		case propSubscriptionID:
			p.SubscriptionIDs = append(p.SubscriptionIDs, it.num)
		case propUser:
			p.User = append(p.User, UserProperty{text[it.a.from:it.a.to], text[it.b.from:it.b.to]})
		}
	}
	return p, nil
}

// checkUser refuses user properties that cannot be encoded.
func checkUser(packet byte, user []UserProperty) error {
	for i := range user {
		if err := checkString(packet, "user property name", user[i].Name); err != nil {
			return err
		}
		if err := checkString(packet, "user property value", user[i].Value); err != nil {
			return err
		}
	}
	return nil
}

// checkString refuses a string that cannot be encoded: an encoder would cut it or send what the server must refuse.
func checkString(packet byte, what, s string) error {
	if len(s) > MaxString {
		return malformed(packet, "%s of %d bytes, at most %d are possible", what, len(s), MaxString)
	}
	if !utf8.ValidString(s) || strings.IndexByte(s, 0) >= 0 {
		return malformed(packet, "%s is not valid UTF-8 without U+0000", what)
	}
	return nil
}

// checkTopicName refuses an empty topic name, one with wildcards and one that is no MQTT string.
func checkTopicName(packet byte, what, s string) error {
	if s == "" || strings.ContainsAny(s, "+#") {
		return malformed(packet, "%s is empty or has a wildcard", what)
	}
	return checkString(packet, what, s)
}

// check refuses what a client must not send in the properties of a PUBLISH or a will (packet: TypePublish or
// TypeConnect).
func (p *Properties) check(packet byte) error {
	if p.PayloadFormat != nil && *p.PayloadFormat > 1 {
		return protocolError(packet, "payload format indicator %d, must be 0 or 1", *p.PayloadFormat)
	}
	if p.ResponseTopic != "" {
		if err := checkTopicName(packet, "response topic", p.ResponseTopic); err != nil {
			return err
		}
	}
	if len(p.CorrelationData) > MaxString {
		return malformed(packet, "correlation data of %d bytes, at most %d are possible", len(p.CorrelationData), MaxString)
	}
	if err := checkString(packet, "content type", p.ContentType); err != nil {
		return err
	}
	if len(p.SubscriptionIDs) > 0 { // [MQTT5-3.3.4-6]
		return protocolError(packet, "a client must not send subscription identifiers")
	}
	if packet != TypePublish && p.TopicAlias != 0 {
		return protocolError(packet, "a will has no topic alias")
	}
	return checkUser(packet, p.User)
}
