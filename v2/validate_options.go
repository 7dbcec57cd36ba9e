package awsiot

import (
	"fmt"
	"math"
	"net/netip"
	"strings"
	"time"
	"unicode"

	"github.com/portage-iot/awsiot/internal/pempath"
	"github.com/portage-iot/awsiot/internal/topic"
	"github.com/portage-iot/awsiot/v2/internal/wire"
)

// Validate reports every problem of the options, joined: those of Will and UserProperties, too. Each is a
// *ValidationError. Start calls it, and then loads the files.
func (o ClientOptions) Validate() error { return o.problems().join() }

// problems is what Validate reports.
func (o ClientOptions) problems() problems {
	var ps problems
	bad := ps.add
	o.Auth = plainAuth(o.Auth)
	if o.Endpoint == "" {
		bad("Endpoint", "is required")
	} else if !isHost(o.Endpoint) {
		bad("Endpoint", "%q is not a host name or address; the port goes into Port, without a scheme", shownEndpoint(o.Endpoint))
	}
	if o.Port < 0 || o.Port > 65535 {
		bad("Port", "%d is outside 0..65535", o.Port)
	}
	if o.Auth == nil {
		bad("Auth", "is required (PlainTCP, TLS, MTLSFromPath, ...)")
	} else if p := o.Auth.problem(); p != "" {
		bad("Auth", "%s", p)
	}
	if pempath.Is(o.CAFile) { // the errors of files show the path
		bad("CAFile", "what should be a path looks like PEM text; use CAPEM")
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
		bad("KeepAlive", "%v is outside 1s..65535s (negative: none)%s", o.KeepAlive, unitless(o.KeepAlive))
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
	for _, d := range []struct {
		field string
		value time.Duration
	}{
		{"SessionExpiry", o.SessionExpiry}, {"ConnectTimeout", o.ConnectTimeout}, {"ConnackTimeout", o.ConnackTimeout},
		{"PingTimeout", o.PingTimeout}, {"AckTimeout", o.AckTimeout},
	} {
		if hint := unitless(d.value); hint != "" {
			bad(d.field, "%v is below %v%s", d.value, shortest, hint)
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
	if o.FlowControl < FlowControlAuto || o.FlowControl > FlowControlOff {
		bad("FlowControl", "%v is unknown", o.FlowControl)
	} else if o.limits() {
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
	} else if b > topic.MaxAWSFiltersPerSubscribe && o.limits() {
		bad("Resubscribe.BatchSize", "%d; AWS IoT Core takes at most %d filters in one SUBSCRIBE", b, topic.MaxAWSFiltersPerSubscribe)
	}
	if o.Inbound.MaxBytes < 0 {
		bad("Inbound.MaxBytes", "%d is negative", o.Inbound.MaxBytes)
	}
	if w := o.Inbound.WhenFull; w == Block {
		bad("Inbound.WhenFull", "Block would stop the reader; use RejectNew or DropOldest")
	} else if w < RejectNew || w > Block {
		bad("Inbound.WhenFull", "%v is unknown", w)
	}
	ps.properties(o.UserProperties)
	if o.Will != nil {
		o.Will.check(&ps)
	}
	return ps
}

// isHost reports whether s is a host name, an IPv4 address, or an IPv6 address with or without brackets.
// What a resolver would refuse anyway is not judged, but nothing passes that could end a header line or a URL.
func isHost(s string) bool {
	if pempath.Is(s) { // a key is not looked up
		return false
	}
	h := bareHost(s)
	if h == s && !strings.Contains(s, ":") {
		return isName(s)
	}
	a, err := netip.ParseAddr(h)
	return err == nil && a.Is6() && isName(a.Zone())
}

// isName reports whether s has letters, digits, dots, hyphens and underscores only.
func isName(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune(".-_", r)
	}) < 0
}

// bareHost returns s without the brackets in which URLs have IPv6 addresses.
func bareHost(s string) string {
	if inner, ok := strings.CutPrefix(s, "["); ok && strings.HasSuffix(inner, "]") {
		return inner[:len(inner)-1]
	}
	return s
}

// check adds the problems of the will to ps.
func (w *Will) check(ps *problems) {
	var own problems
	w.packet().check(&own)
	if len(w.Payload) > maxString {
		own.add("Payload", "%d bytes; a will has at most %d", len(w.Payload), maxString)
	}
	if w.Delay != nil && (*w.Delay < 0 || *w.Delay > maxInterval) {
		own.add("Delay", "%v is outside 0..2^32-1 s", *w.Delay)
	}
	for _, e := range own {
		e.Field = "Will." + e.Field
	}
	*ps = append(*ps, own...)
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

// shortest is the shortest timeout and session that anybody can mean.
const shortest = time.Millisecond

// unitless tells whoever has written seconds, as in v1, that a number alone is one of nanoseconds; "" for what is none.
func unitless(d time.Duration) string {
	if d <= 0 || d >= shortest {
		return ""
	}
	return fmt.Sprintf("; a number without a unit is nanoseconds: for seconds write %d * time.Second", int64(d))
}
