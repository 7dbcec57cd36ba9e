package awsiot

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/portage-iot/awsiot/internal/topic"
	"github.com/portage-iot/awsiot/v2/internal/wire"
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

func invalid(field, format string, args ...any) *ValidationError {
	return &ValidationError{Field: field, Problem: fmt.Sprintf(format, args...)}
}

// Validate reports every problem of the options, joined; each is a *ValidationError. Start calls it, and then loads the files.
func (o ClientOptions) Validate() error {
	var errs []error
	bad := func(field, format string, args ...any) { errs = append(errs, invalid(field, format, args...)) }
	if o.Endpoint == "" {
		bad("Endpoint", "is required")
	} else if strings.ContainsAny(o.Endpoint, "/ ") || strings.Count(o.Endpoint, ":") == 1 {
		bad("Endpoint", "%q is not a host name or address; the port goes into Port, without a scheme", o.Endpoint)
	}
	if o.Port < 0 || o.Port > 65535 {
		bad("Port", "%d is outside 0..65535", o.Port)
	}
	if o.Auth == nil {
		bad("Auth", "is required (PlainTCP, TLS, MTLSFromPath, ...)")
	} else if p := o.Auth.problem(); p != "" {
		bad("Auth", "%s", p)
	}
	for _, s := range []struct{ field, value string }{{"ClientID", o.ClientID}, {"Username", o.Username}} {
		if err := checkString(s.value); err != "" {
			bad(s.field, "%s", err)
		}
	}
	if a, ok := o.Auth.(CustomAuthorizer); (ok || checkString(o.Username) == "") && (!ok || a.problem() == "") {
		if err := checkString(o.username()); err != "" { // with what the authorizer and the metrics add
			bad("Username", "with what is added to it %s", err)
		}
	}
	if len(o.Password) > maxString {
		bad("Password", "is longer than %d bytes", maxString)
	}
	if o.KeepAlive > maxKeepAlive || o.KeepAlive > 0 && o.KeepAlive < time.Second {
		bad("KeepAlive", "%v is outside 1s..65535s (negative: none)", o.KeepAlive)
	}
	if o.SessionExpiry < 0 || o.SessionExpiry > maxInterval {
		bad("SessionExpiry", "%v is outside 0..2^32-1 s", o.SessionExpiry)
	}
	if o.SessionBehavior < CleanSession || o.SessionBehavior > RejoinAlways {
		bad("SessionBehavior", "%v is unknown", o.SessionBehavior)
	} else if o.SessionBehavior != CleanSession && o.SessionExpiry == 0 {
		bad("SessionBehavior", "%v needs SessionExpiry > 0: the broker forgets the session otherwise", o.SessionBehavior)
	}
	if o.MaximumPacketSize > maxRemaining+5 {
		bad("MaximumPacketSize", "%d is above MQTT's limit of %d", o.MaximumPacketSize, maxRemaining+5)
	}
	for _, d := range []struct {
		field string
		value time.Duration
	}{
		{"MinReconnectDelay", o.MinReconnectDelay}, {"MaxReconnectDelay", o.MaxReconnectDelay},
		{"InitialReconnectDelay", o.InitialReconnectDelay},
		{"MinConnectedTimeToResetReconnectDelay", o.MinConnectedTimeToResetReconnectDelay},
		{"ConnectTimeout", o.ConnectTimeout}, {"ConnackTimeout", o.ConnackTimeout}, {"PingTimeout", o.PingTimeout},
	} {
		if d.value < 0 {
			bad(d.field, "%v is negative", d.value)
		}
	}
	if o.RetryJitterMode < JitterFull || o.RetryJitterMode > JitterDecorrelated {
		bad("RetryJitterMode", "%v is unknown", o.RetryJitterMode)
	}
	q := o.OfflineQueue
	if q.Behavior < FailQoS0 || q.Behavior > KeepAll {
		bad("OfflineQueue.Behavior", "%v is unknown", q.Behavior)
	}
	if q.WhenFull < RejectNew || q.WhenFull > Block {
		bad("OfflineQueue.WhenFull", "%v is unknown", q.WhenFull)
	}
	if q.MaxBytes < 0 {
		bad("OfflineQueue.MaxBytes", "%d is negative", q.MaxBytes)
	}
	if q.DrainRate < 0 || math.IsNaN(q.DrainRate) || math.IsInf(q.DrainRate, 0) {
		bad("OfflineQueue.DrainRate", "%v is not a rate per second", q.DrainRate)
	}
	if o.MaxInflight < 0 {
		bad("MaxInflight", "%d is negative", o.MaxInflight)
	}
	if a := o.TopicAliasing; a.Outbound < AliasDisabled || a.Outbound > AliasLRU {
		bad("TopicAliasing.Outbound", "%v is not AliasDisabled, AliasManual or AliasLRU", a.Outbound)
	}
	if a := o.TopicAliasing.Inbound; a != AliasDisabled && a != AliasEnabled {
		bad("TopicAliasing.Inbound", "%v is not AliasDisabled or AliasEnabled", a)
	}
	if o.FlowControl < FlowControlAuto || o.FlowControl > FlowControlNone {
		bad("FlowControl", "%v is unknown", o.FlowControl)
	} else if o.aws() {
		if err := topic.CheckAWSClientID(o.ClientID); err != nil && o.ClientID != "" {
			bad("ClientID", "%v", err)
		}
		if o.Will != nil {
			if err := topic.CheckAWSTopic(o.Will.Topic); err != nil {
				bad("Will.Topic", "%v", err)
			}
		}
	}
	if r := o.Resubscribe; r.When < ResubscribeIfNoSession || r.When > ResubscribeNever {
		bad("Resubscribe.When", "%v is unknown", r.When)
	}
	if b := o.Resubscribe.BatchSize; b < 0 || b > maxFilters {
		bad("Resubscribe.BatchSize", "%d is outside 0..%d", b, maxFilters)
	}
	if o.Inbound.MaxBytes < 0 {
		bad("Inbound.MaxBytes", "%d is negative", o.Inbound.MaxBytes)
	}
	if w := o.Inbound.WhenFull; w == Block {
		bad("Inbound.WhenFull", "Block would stop the reader; use RejectNew or DropOldest")
	} else if w < RejectNew || w > Block {
		bad("Inbound.WhenFull", "%v is unknown", w)
	}
	if err := checkProperties(o.UserProperties); err != nil {
		errs = append(errs, err)
	}
	if o.Will != nil {
		if err := o.Will.validate(); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (w *Will) validate() error {
	p := w.packet()
	if err := p.validate(); err != nil {
		return &ValidationError{Field: "Will." + err.Field, Problem: err.Problem}
	}
	if len(w.Payload) > maxString {
		return invalid("Will.Payload", "%d bytes; a will has at most %d", len(w.Payload), maxString)
	}
	if w.Delay != nil && (*w.Delay < 0 || *w.Delay > maxInterval) {
		return invalid("Will.Delay", "%v is outside 0..2^32-1 s", *w.Delay)
	}
	return nil
}

// packet returns the will as the publish that it is.
func (w *Will) packet() *PublishPacket {
	return &PublishPacket{Topic: w.Topic, Payload: w.Payload, QoS: w.QoS, Retain: w.Retain, PayloadFormat: w.PayloadFormat,
		MessageExpiry: w.MessageExpiry, ResponseTopic: w.ResponseTopic, CorrelationData: w.CorrelationData,
		ContentType: w.ContentType, UserProperties: w.UserProperties}
}

// properties returns the will's properties for the codec.
func (w *Will) properties() (p wire.Properties) {
	if q := w.packet().properties(); q != nil {
		p = *q
	}
	return p
}

// plain reports that the packet has no properties: the hot path.
func (p *PublishPacket) plain() bool {
	return p.TopicAlias == nil && p.PayloadFormat == nil && p.MessageExpiry == nil && p.ResponseTopic == "" && p.CorrelationData == nil &&
		p.ContentType == "" && len(p.UserProperties) == 0
}

// validate checks what can be checked without a connection. No allocation when all is well.
func (p *PublishPacket) validate() *ValidationError {
	if err := topic.ValidateTopic(p.Topic); err != nil {
		return &ValidationError{Field: "Topic", Problem: err.Error(), err: err}
	}
	if p.QoS > AtLeastOnce {
		return invalid("QoS", "%v is not supported: AWS IoT Core has QoS 0 and 1", p.QoS)
	}
	if len(p.Payload) > maxRemaining-maxString {
		return invalid("Payload", "%d bytes are more than an MQTT packet can hold", len(p.Payload))
	}
	if p.plain() {
		return nil
	}
	if p.TopicAlias != nil && *p.TopicAlias == 0 {
		return invalid("TopicAlias", "0 is not an alias [MQTT5-3.3.2-8]")
	}
	if f := p.PayloadFormat; f != nil {
		if *f > PayloadUTF8 {
			return invalid("PayloadFormat", "%v is unknown", *f)
		}
		if *f == PayloadUTF8 && !utf8.Valid(p.Payload) {
			return invalid("Payload", "is not valid UTF-8 although PayloadFormat says so")
		}
	}
	if d := p.MessageExpiry; d != nil && (*d < 0 || *d > maxInterval) {
		return invalid("MessageExpiry", "%v is outside 0..2^32-1 s", *d)
	}
	if p.ResponseTopic != "" {
		if err := topic.ValidateTopic(p.ResponseTopic); err != nil {
			return &ValidationError{Field: "ResponseTopic", Problem: err.Error(), err: err}
		}
	}
	if len(p.CorrelationData) > maxString {
		return invalid("CorrelationData", "is longer than %d bytes", maxString)
	}
	if s := checkString(p.ContentType); s != "" {
		return invalid("ContentType", "%s", s)
	}
	return checkProperties(p.UserProperties)
}

func (p *SubscribePacket) validate() error {
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
	if p.Code != ReasonNormalDisconnection && p.Code != ReasonDisconnectWithWillMessage && p.Code < 0x80 {
		return invalid("Code", "%v (0x%02X) is not a DISCONNECT code", p.Code, byte(p.Code))
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

func checkProperties(ps []UserProperty) *ValidationError {
	if len(ps) > maxUserProperties {
		return invalid("UserProperties", "%d of them; at most %d", len(ps), maxUserProperties)
	}
	for i, p := range ps {
		if s := checkString(p.Name); s != "" {
			return invalid(fmt.Sprintf("UserProperties[%d].Name", i), "%s", s)
		}
		if s := checkString(p.Value); s != "" {
			return invalid(fmt.Sprintf("UserProperties[%d].Value", i), "%s", s)
		}
	}
	return nil
}
