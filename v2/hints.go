package awsiot

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"
	"time"
)

// hinted is an error with what probably happened, and what to try.
type hinted struct {
	error
	hint string
}

func (h *hinted) Error() string { return h.error.Error() + "; hint: " + h.hint }
func (h *hinted) Unwrap() error { return h.error }

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

// connectHint says what a failed attempt probably means.
func (o *ClientOptions) connectHint(err error) string {
	var (
		dns      *net.DNSError
		host     x509.HostnameError
		invalid  x509.CertificateInvalidError
		unknown  x509.UnknownAuthorityError
		reason   *ReasonError
		remote   *net.OpError
		awsNamed = strings.Contains(o.Endpoint, ".amazonaws.com")
	)
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		if awsNamed {
			return "the name does not exist; " + endpointHint
		}
		return "the name of Endpoint does not exist"
	case errors.As(err, &host):
		return "the certificate is for another name than Endpoint; " + endpointHint
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return fmt.Sprintf("the device's clock says %s: if that is wrong, set it; if not, the certificate has run out", time.Now().UTC().Format(time.RFC3339))
	case errors.As(err, &unknown):
		return "CAFile must hold the authority that signed the broker's certificate (AWS IoT Core: AmazonRootCA1.pem, and an endpoint with -ats)"
	case errors.As(err, &reason):
		return reason.Code.hint()
	case errors.As(err, &remote) && remote.Op == "remote error": // so crypto/tls marks an alert; with TLS 1.3 it comes after the handshake
		return "the broker does not take the TLS handshake: the client's certificate may be missing, expired, not active, or of an authority that the broker does not know"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens on that port"
	case o.Port == 443 && awsNamed && o.TLSConfig != nil && len(o.TLSConfig.NextProtos) > 0 && !slices.Contains(o.TLSConfig.NextProtos, alpnMQTT):
		return "on port 443 AWS IoT Core wants the ALPN name " + alpnMQTT + ": leave TLSConfig.NextProtos empty, or put it in"
	case errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET):
		if o.Port == 443 {
			return "the certificate may not be registered or active, its policy may not allow iot:Connect for this client id, or port 443 needs the ALPN name " + alpnMQTT
		}
		return "the certificate may not be registered or active, or its policy may not allow iot:Connect for this client id"
	}
	return ""
}

// hint says what a reason code of CONNACK or DISCONNECT probably means.
func (r ReasonCode) hint() string {
	switch r {
	case ReasonSessionTakenOver:
		return "another connection uses the same client id; every device needs its own"
	case ReasonNotAuthorized:
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

// lossHint says why the broker probably closed the connection without a word: it does that when
// a policy denies what came last. mu is held.
func (l *link) lossHint(err error) string {
	if r, ok := ReasonOf(err); ok {
		return r.hint()
	}
	if !errors.Is(err, io.ErrUnexpectedEOF) { // a reset is the network's
		return ""
	}
	_, o, ok := l.c.table.Last()
	for ok && o.end > l.written { // the broker has not seen it
		_, o, ok = l.c.table.Prev(o.id)
	}
	if !ok || l.c.clock()-o.sent > 5*time.Second {
		return ""
	}
	action := "iot:Publish"
	if o.kind == opSubscribe {
		action = "iot:Subscribe"
	}
	return fmt.Sprintf("closed right after %s %q was sent: the policy may not allow %s, or the packet breaks a limit of the broker", o.kind, o.topic(), action)
}
