package policy

import (
	"crypto/x509"
	"net/netip"
	"time"
)

// Request is what a client wants to do, and what is known of it. The zero value of
// a field is that nothing is known.
type Request struct {
	// Action as Publish; case does not count.
	Action string
	// Resource is the part of the ARN after the account: client/ID, topic/TOPIC,
	// topicfilter/FILTER.
	Resource string
	// Region and Account of the ARN; "": whatever the document says.
	Region, Account string

	// ClientID is iot:ClientId.
	ClientID string
	// SourceIP is aws:SourceIp.
	SourceIP netip.Addr
	// DomainName is iot:DomainName: the host that the client has named in the TLS
	// handshake; "" is not known.
	DomainName string
	// Secure is aws:SecureTransport: TLS.
	Secure bool
	// Thing is what iot:Connection.Thing.* speak of: the thing that is attached to
	// the client's certificate, when the client id is its name; nil for none.
	Thing *Thing
	// Certificate is what iot:Certificate.* speak of.
	Certificate *x509.Certificate
	// ConnectAttributes is iot:ConnectAttributes: PersistentConnect and LastWill.
	ConnectAttributes []string
	// Time is aws:CurrentTime and aws:EpochTime.
	Time time.Time
}

// The values of iot:ConnectAttributes.
const (
	PersistentConnect = "PersistentConnect" // the session outlives the connection
	LastWill          = "LastWill"          // CONNECT has a will
)

// Thing is a thing of the registry, as far as policies see it.
type Thing struct {
	Name, TypeName string
	Attributes     map[string]string
}
