package awsiot

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/portage-iot/awsiot/internal/topic"
)

// hinted is an error with what probably happened, and what to try.
type hinted struct {
	error
	hint string
}

func (h *hinted) Error() string { return h.error.Error() + "; hint: " + h.hint }
func (h *hinted) Unwrap() error { return h.error }

// hintedList is a list of errors, each of which errors.As finds, with one hint for all.
type hintedList struct {
	errs []error
	hint string
}

func (h *hintedList) Error() string   { return errors.Join(h.errs...).Error() + "; hint: " + h.hint }
func (h *hintedList) Unwrap() []error { return h.errs }

// refusals joins the refusals of one packet, with the hints that they have.
func refusals(errs []error) error {
	var hints []string
	for _, err := range errs {
		if re, ok := errors.AsType[*ReasonError](err); ok {
			if hint := re.hint(); hint != "" && !slices.Contains(hints, hint) {
				hints = append(hints, hint)
			}
		}
	}
	hint := strings.Join(hints, "; ")
	switch {
	case len(errs) == 1:
		return withHint(errs[0], hint)
	case len(errs) == 0 || hint == "":
		return errors.Join(errs...)
	}
	return &hintedList{errs, hint}
}

// withHint adds a hint to err, if there is one and it has none yet.
func withHint(err error, hint string) error {
	var h *hinted
	if err == nil || hint == "" || errors.As(err, &h) {
		return err
	}
	return &hinted{err, hint}
}

// endpointHint tells where the right endpoint name comes from.
const endpointHint = "the endpoint of an account is what `aws iot describe-endpoint --endpoint-type iot:Data-ATS` prints"

// noTLSHint is for the end of a connection that TLS does not protect, before anything came.
const noTLSHint = "the connection is without TLS, which the broker may want on this port: MTLSFromPath or TLS in the place of PlainTCP, ssl:// in that of tcp://"

// remoteError is how crypto/tls marks an alert.
const remoteError = "remote error"

// tlsHint says what an error of the TLS handshake itself probably means, where connectHint, which does not see the phase,
// would speak of what comes after it.
func (o *ClientOptions) tlsHint(err error) string {
	var notTLS tls.RecordHeaderError
	if errors.As(err, &notTLS) || errors.Is(err, io.EOF) && !topic.IsAWSEndpoint(o.Endpoint) {
		return "the port may be one without TLS; else the broker's log says why it ended the handshake"
	}
	return ""
}

// datesHint tells of a client certificate that is outside of its dates, by the device's clock. The broker is the judge of
// them, so it is asked only when that has refused; own may be nil.
func (o *ClientOptions) datesHint(own *x509.Certificate) string {
	if own == nil {
		return ""
	}
	switch now := o.now(); {
	case now.After(own.NotAfter):
		return fmt.Sprintf("the client's certificate was valid until %s, and the device's clock says %s", utc(own.NotAfter), utc(now))
	case now.Before(own.NotBefore):
		return fmt.Sprintf("the client's certificate is valid from %s on, and the device's clock says %s", utc(own.NotBefore), utc(now))
	}
	return ""
}

// now is the time by which certificates are judged.
func (o *ClientOptions) now() time.Time {
	if o.TLSConfig != nil && o.TLSConfig.Time != nil {
		return o.TLSConfig.Time()
	}
	return time.Now()
}

func utc(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// connectHint says what a failed attempt probably means. own is the certificate that the client had to show; nil: none.
func (o *ClientOptions) connectHint(err error, own *x509.Certificate) string {
	var (
		dns      *net.DNSError
		host     x509.HostnameError
		invalid  x509.CertificateInvalidError
		unknown  x509.UnknownAuthorityError
		reason   *ReasonError
		remote   *net.OpError
		awsNamed = topic.IsAWSEndpoint(o.Endpoint)
	)
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		if awsNamed {
			return "the name does not exist; " + endpointHint
		}
		return "a host of that name does not exist"
	case errors.As(err, &host):
		return "the broker's certificate is for another name than that of the endpoint; " + endpointHint
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return fmt.Sprintf("the device's clock says %s: if that is wrong, set it; if not, the broker's certificate has run out", utc(o.now()))
	case errors.As(err, &unknown):
		return "CAFile (or RootCAs of a tls.Config) must hold the authority that signed the broker's certificate (AWS IoT Core: AmazonRootCA1.pem, and an endpoint with -ats)"
	case errors.As(err, &reason):
		if _, custom := o.Auth.(CustomAuthorizer); custom && reason.Code == ReasonNotAuthorized {
			return "the custom authorizer may refuse the client, or its policies may not allow iot:Connect with this client id"
		}
		return reason.hint()
	case o.Port == 443 && awsNamed && o.TLSConfig != nil && o.TLSConfig.NextProtos != nil && !slices.Contains(o.TLSConfig.NextProtos, alpnMQTT) &&
		!errors.Is(err, context.DeadlineExceeded):
		return "on port 443 AWS IoT Core wants the ALPN name " + alpnMQTT + ": leave TLSConfig.NextProtos nil, or put it in"
	case errors.As(err, &remote) && remote.Op == remoteError && strings.Contains(remote.Err.Error(), "no application protocol"):
		return "the broker does not know the ALPN name that was offered, and may want " + alpnMQTT + ", or none: see TLSConfig.NextProtos and Port"
	case errors.As(err, &remote) && remote.Op == remoteError: // with TLS 1.3 it comes after the handshake
		if hint := o.datesHint(own); hint != "" {
			return hint
		}
		return "the broker does not take the TLS handshake: the client's certificate may be missing, expired, not active, or of an authority that the broker does not know"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens on that port"
	case errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE):
		if _, plain := o.Auth.(plainTCP); plain {
			return noTLSHint
		}
		if hint := o.datesHint(own); hint != "" {
			return hint
		}
		if o.Port == 443 {
			return "the certificate may not be registered or active, its policy may not allow iot:Connect for this client id, or port 443 needs the ALPN name " + alpnMQTT
		}
		return "the certificate may not be registered or active, or its policy may not allow iot:Connect for this client id"
	}
	return ""
}

// hint says what the broker's code probably means.
func (e *ReasonError) hint() string {
	switch e.Code {
	case ReasonSessionTakenOver:
		return "another connection uses the same client id; every device needs its own"
	case ReasonNotAuthorized:
		if action := policyAction(e.Op); action != "" {
			return "the policy may not allow " + action
		}
		return "the policy of the certificate does not allow it: look for iot:Connect with this client id, iot:Publish, iot:Subscribe and iot:Receive"
	case ReasonBadUsernameOrPassword:
		return "check Username, Password and the authorizer; credentials may have run out"
	case ReasonClientIdentifierNotValid:
		return "the broker does not take this client id"
	case ReasonServerBusy, ReasonMessageRateTooHigh, ReasonQuotaExceeded, ReasonConnectionRateExceeded:
		return "throttled: send less often, or set FlowControl to FlowControlAWS"
	case ReasonUseAnotherServer, ReasonServerMoved:
		return "the broker names another server in ServerReference"
	case ReasonSubscriptionIdentifiersNotSupported:
		return "AWS IoT Core has no subscription identifiers: leave SubscriptionIdentifier out"
	}
	return ""
}

// policyAction returns the action that a policy of AWS IoT Core has to allow for op, if it is one alone.
func policyAction(op string) string {
	switch op {
	case "connect":
		return "iot:Connect with this client id"
	case "publish":
		return "iot:Publish on this topic"
	case "subscribe":
		return "iot:Subscribe to this filter"
	}
	return ""
}

// limitHint names the limit that o probably breaks; code is the broker's, or 0 where it gave none.
func (o *operation) limitHint(code ReasonCode) string {
	switch {
	case o.sub != nil && o.sub.unsettled() > topic.MaxAWSFiltersPerSubscribe && code != ReasonTopicFilterInvalid:
		return fmt.Sprintf("%d filters in one packet; AWS IoT Core takes at most %d: make several calls", o.sub.unsettled(), topic.MaxAWSFiltersPerSubscribe)
	case o.sub == nil && o.size > topic.MaxAWSPayloadBytes && (code == 0 || code == ReasonPacketTooLarge || code == ReasonQuotaExceeded):
		return fmt.Sprintf("the packet has %d bytes; AWS IoT Core takes a payload of at most %d", o.size, topic.MaxAWSPayloadBytes)
	case code == ReasonTopicNameInvalid || code == ReasonTopicFilterInvalid:
		return fmt.Sprintf("AWS IoT Core takes at most %d bytes and %d slashes", topic.MaxAWSTopicBytes, topic.MaxAWSSlashes)
	}
	return ""
}

// convictionHint says what is probably wrong with o, over which alone the broker ends connections; code as for limitHint.
func (o *operation) convictionHint(code ReasonCode) string {
	if hint := o.limitHint(code); hint != "" {
		return hint
	}
	action := policyAction(o.kind.String())
	switch {
	case code == ReasonQuotaExceeded:
		return "a limit for one packet, not for the rate: nothing else was under way"
	case code == 0 && action != "":
		return "the policy may not allow " + action + ", or the packet breaks a limit of the broker"
	case code == 0:
		return "the packet may break a limit of the broker"
	}
	return (&ReasonError{Op: o.kind.String(), Code: code}).hint()
}

// blameHint says which packet the broker's DISCONNECT probably means, if it may mean one. mu is held.
func (l *link) blameHint(re *ReasonError) string {
	n := l.c.table.Linked()
	if blame[re.Code] == lossNeutral || n == 0 {
		return re.hint()
	}
	for id, o, ok := l.c.table.First(); ok; id, o, ok = l.c.table.Next(id) {
		if why := o.limitHint(re.Code); why != "" {
			return fmt.Sprintf("perhaps over %s %q: %s", o.kind, o.topic(), why)
		}
	}
	hint := re.hint()
	if hint != "" {
		hint += ", or "
	}
	if _, o, _ := l.c.table.First(); n == 1 {
		return hint + fmt.Sprintf("over %s %q, the only packet that is not acknowledged", o.kind, o.topic())
	}
	return hint + fmt.Sprintf("over one of the %d packets that are not acknowledged; the next connections find out", n)
}

// lastSent is a packet that is not answered, or not yet.
type lastSent struct {
	kind  opKind
	topic string
	end   uint64 // link.end behind its last byte; 0: there is none
	at    time.Duration
}

// lastSent returns the last one that was written; what the end of the connection overtook does not count. mu is held.
func (l *link) lastSent() (s lastSent, ok bool) {
	if l.last0.end <= l.written {
		s = l.last0
	}
	id, o, has := l.c.table.Last()
	for has && o.end > l.written {
		id, o, has = l.c.table.Prev(id)
	}
	if has && o.end > s.end {
		s = lastSent{o.kind, o.topic(), o.end, o.sent}
	}
	return s, s.end > 0
}

// lossHint says why the broker probably closed the connection without a word: it does that when
// a policy denies what came last. mu is held.
func (l *link) lossHint(err error) string {
	reset := errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
	if re, ok := errors.AsType[*ReasonError](err); ok {
		return l.blameHint(re)
	}
	if !reset && !errors.Is(err, io.ErrUnexpectedEOF) {
		return ""
	}
	last, ok := l.lastSent()
	if !ok || l.c.clock()-last.at > 5*time.Second {
		return ""
	}
	hint := fmt.Sprintf("closed right after %s %q was sent, the last packet that went out: ", last.kind, last.topic)
	if reset {
		hint = fmt.Sprintf("the network, or the broker, which may have closed because of %s %q, the last packet that went out: ", last.kind, last.topic)
	}
	if action := policyAction(last.kind.String()); action != "" {
		return hint + "the policy may not allow " + action + ", or the packet breaks a limit of the broker"
	}
	return hint + "the packet may break a limit of the broker"
}
