package awsiot

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/portage-iot/awsiot/internal/topic"
)

// The limits of MQTT 5 that validation knows.
const (
	maxString         = 65535
	maxUserProperties = 1024
	maxFilters        = 1024
	maxRemaining      = 268435455
	maxKeepAlive      = 65535 * time.Second
	maxInterval       = math.MaxUint32 * time.Second
)

// problems gathers what is wrong. The zero value is ready, and costs nothing while nothing is.
type problems []*ValidationError

func (ps *problems) add(field, format string, args ...any) {
	*ps = append(*ps, invalid(field, format, args...))
}

// because adds a problem that err describes, and keeps err for errors.Is and errors.As.
func (ps *problems) because(field string, err error) {
	*ps = append(*ps, &ValidationError{Field: field, Problem: err.Error(), err: err})
}

// properties adds the problems of UserProperties.
func (ps *problems) properties(list []UserProperty) {
	if len(list) > maxUserProperties {
		ps.add("UserProperties", "%d of them; at most %d", len(list), maxUserProperties)
		list = list[:maxUserProperties]
	}
	for i, p := range list {
		if s := checkString(p.Name); s != "" {
			ps.add(fmt.Sprintf("UserProperties[%d].Name", i), "%s", s)
		}
		if s := checkString(p.Value); s != "" {
			ps.add(fmt.Sprintf("UserProperties[%d].Value", i), "%s", s)
		}
	}
}

// first returns the first problem; nil: none.
func (ps problems) first() *ValidationError {
	if len(ps) == 0 {
		return nil
	}
	return ps[0]
}

// join returns all of them as one error; nil: none.
func (ps problems) join() error {
	var errs []error
	for _, p := range ps {
		errs = append(errs, p)
	}
	return errors.Join(errs...)
}

// errNoContext is the error of a call that was given none. context.TODO() is what a caller without one has.
var errNoContext = invalid("ctx", "is nil")

// missing returns the error of a call whose packet is nil.
func missing(packet string) *ValidationError { return invalid(packet, "is nil") }

func invalid(field, format string, args ...any) *ValidationError {
	return &ValidationError{Field: field, Problem: fmt.Sprintf(format, args...)}
}

// plain reports that the packet has no properties: the hot path.
func (p *PublishPacket) plain() bool {
	return p.TopicAlias == nil && p.PayloadFormat == nil && p.MessageExpiry == nil && p.ResponseTopic == "" && p.CorrelationData == nil &&
		p.ContentType == "" && len(p.UserProperties) == 0
}

// validate returns the first problem that can be found without a connection. No allocation when all is well.
func (p *PublishPacket) validate() *ValidationError {
	var ps problems
	p.check(&ps)
	return ps.first()
}

// check adds the problems of the packet to ps.
func (p *PublishPacket) check(ps *problems) {
	if err := topic.ValidateTopic(p.Topic); err != nil {
		ps.because("Topic", err)
	}
	if p.QoS > AtLeastOnce {
		ps.add("QoS", "%v is not supported: AWS IoT Core has QoS 0 and 1", p.QoS)
	}
	if len(p.Payload) > maxRemaining-maxString {
		ps.add("Payload", "%d bytes are more than an MQTT packet can hold", len(p.Payload))
	}
	switch {
	case p.PacketID != 0 && p.QoS != AtLeastOnce:
		ps.add("PacketID", "only QoS 1 publishes have one")
	case p.Duplicate && p.PacketID == 0:
		ps.add("Duplicate", "needs the PacketID that it was sent under")
	}
	if !p.plain() {
		p.checkProperties(ps)
	}
}

func (p *PublishPacket) checkProperties(ps *problems) {
	if p.TopicAlias != nil && *p.TopicAlias == 0 {
		ps.add("TopicAlias", "0 is not an alias [MQTT5-3.3.2-8]")
	}
	if f := p.PayloadFormat; f != nil && *f > PayloadUTF8 {
		ps.add("PayloadFormat", "%v is unknown", *f)
	} else if f != nil && *f == PayloadUTF8 {
		if err := topic.ValidUTF8Bytes(p.Payload); err != nil {
			*ps = append(*ps, &ValidationError{Field: "Payload", err: err,
				Problem: err.Error() + ", which PayloadUTF8 excludes; PayloadBytes, or no PayloadFormat, takes anything"})
		}
	}
	if d := p.MessageExpiry; d != nil && (*d < 0 || *d > maxInterval) {
		ps.add("MessageExpiry", "%v is outside 0..2^32-1 s", *d)
	}
	if p.ResponseTopic != "" {
		if err := topic.ValidateTopic(p.ResponseTopic); err != nil {
			ps.because("ResponseTopic", err)
		}
	}
	if len(p.CorrelationData) > maxString {
		ps.add("CorrelationData", "is longer than %d bytes", maxString)
	}
	if s := checkString(p.ContentType); s != "" {
		ps.add("ContentType", "%s", s)
	}
	ps.properties(p.UserProperties)
}

func (p *SubscribePacket) validate() error {
	if p == nil {
		return missing("SubscribePacket")
	}
	if len(p.Subscriptions) == 0 || len(p.Subscriptions) > maxFilters {
		return invalid("Subscriptions", "%d filters; a SUBSCRIBE has 1 to %d", len(p.Subscriptions), maxFilters)
	}
	seen := make(map[string]bool, len(p.Subscriptions))
	for i, s := range p.Subscriptions {
		field := fmt.Sprintf("Subscriptions[%d].", i)
		if err := topic.ValidateFilter(s.TopicFilter); err != nil {
			return &ValidationError{Field: field + "TopicFilter", Problem: err.Error(), err: err}
		}
		if seen[s.TopicFilter] {
			return invalid(field+"TopicFilter", "%q appears twice", s.TopicFilter)
		}
		seen[s.TopicFilter] = true
		if s.QoS > AtLeastOnce {
			return invalid(field+"QoS", "%v is not supported: AWS IoT Core has QoS 0 and 1", s.QoS)
		}
		if s.RetainHandling > RetainDontSend {
			return invalid(field+"RetainHandling", "%v is unknown", s.RetainHandling)
		}
		if _, _, shared := topic.SplitShare(s.TopicFilter); shared && s.NoLocal {
			return invalid(field+"NoLocal", "is not allowed with a shared subscription [MQTT5-3.8.3-4]")
		}
	}
	if id := p.SubscriptionIdentifier; id != nil && (*id == 0 || *id > maxRemaining) {
		return invalid("SubscriptionIdentifier", "%d is outside 1..%d", *id, maxRemaining)
	}
	if err := checkProperties(p.UserProperties); err != nil {
		return err
	}
	return nil
}

func (p *UnsubscribePacket) validate() error {
	if p == nil {
		return missing("UnsubscribePacket")
	}
	if len(p.TopicFilters) == 0 || len(p.TopicFilters) > maxFilters {
		return invalid("TopicFilters", "%d filters; an UNSUBSCRIBE has 1 to %d", len(p.TopicFilters), maxFilters)
	}
	for i, f := range p.TopicFilters {
		if err := topic.ValidateFilter(f); err != nil {
			return &ValidationError{Field: fmt.Sprintf("TopicFilters[%d]", i), Problem: err.Error(), err: err}
		}
	}
	if err := checkProperties(p.UserProperties); err != nil {
		return err
	}
	return nil
}

func (p *DisconnectPacket) validate(announced time.Duration) error {
	if !p.Code.fromClient() {
		return invalid("Code", "a client cannot disconnect with 0x%02X (%v), but with 0x00, 0x04, 0x80 to 0x83, 0x90 and 0x93 to 0x99 [MQTT5-3.14.2.1]", byte(p.Code), p.Code)
	}
	if p.ServerReference != "" {
		return invalid("ServerReference", "is for brokers to send")
	}
	if d := p.SessionExpiry; d != nil {
		if *d < 0 || *d > maxInterval {
			return invalid("SessionExpiry", "%v is outside 0..2^32-1 s", *d)
		}
		if *d > 0 && announced == 0 {
			return invalid("SessionExpiry", "%v cannot be set by DISCONNECT: CONNECT announced 0 [MQTT5-3.14.2.2.2]", *d)
		}
	}
	if s := checkString(p.Reason); s != "" {
		return invalid("Reason", "%s", s)
	}
	if err := checkProperties(p.UserProperties); err != nil {
		return err
	}
	return nil
}

// fromClient reports whether a client may send the code in DISCONNECT [MQTT5-3.14.2.1], table 3-10. The others
// are for brokers, or for other packets.
func (r ReasonCode) fromClient() bool {
	switch {
	case r == ReasonNormalDisconnection, r == ReasonDisconnectWithWillMessage, r == ReasonTopicNameInvalid,
		r >= ReasonUnspecifiedError && r <= ReasonImplementationSpecificError,
		r >= ReasonReceiveMaximumExceeded && r <= ReasonPayloadFormatInvalid:
		return true
	}
	return false
}

// checkString returns what is wrong with an MQTT string, or "".
func checkString(s string) string {
	if len(s) > maxString {
		return fmt.Sprintf("is %d bytes long; MQTT strings have at most %d", len(s), maxString)
	}
	if err := topic.ValidUTF8(s); err != nil {
		return err.Error()
	}
	return ""
}

func checkProperties(list []UserProperty) *ValidationError {
	var ps problems
	ps.properties(list)
	return ps.first()
}
