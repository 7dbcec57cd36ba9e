package iotlocal

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"regexp"
	"time"

	"github.com/portage-iot/awsiot/iotlocal/internal/tables"
)

// Authorizer is a custom authorizer (AWS IoT developer guide, "Custom authentication and authorization"): a function that
// decides who may connect, and with which policies.
type Authorizer struct {
	Name string // 1 to 128 of a-z A-Z 0-9 _ = , @ -
	// Exactly one of Function, URL and FunctionARN is set; FunctionARN is the name or the ARN of a function of Register; URL gets an AuthorizerRequest as JSON and answers with an AuthorizerAnswer, in the
	// shapes of the Lambda event. An error, and an answer that is not in time (5 s, as AWS), refuse.
	Function    func(AuthorizerRequest) (AuthorizerAnswer, error) `json:"-"`
	URL         string
	FunctionARN string
	// SigningDisabled takes clients without a signed token. Else a client names TokenKeyName with a token, and its
	// signature by one of the keys of PublicKeys, PEM by name: RSA with SHA-256.
	SigningDisabled bool
	TokenKeyName    string
	PublicKeys      map[string]string
	Inactive        bool // clients that ask for it are refused
}

// AuthorizerRequest is what a custom authorizer is asked, in the shape of AWS's Lambda event.
type AuthorizerRequest struct {
	Token              string                 `json:"token,omitempty"`
	SignatureVerified  bool                   `json:"signatureVerified"`
	Protocols          []string               `json:"protocols"` // of tls, http and mqtt
	ProtocolData       AuthorizerProtocolData `json:"protocolData"`
	ConnectionMetadata AuthorizerConnection   `json:"connectionMetadata"`
}

// AuthorizerProtocolData is what the client said, by protocol; nil for one that is not in use.
type AuthorizerProtocolData struct {
	TLS  *AuthorizerTLS  `json:"tls,omitempty"`
	HTTP *AuthorizerHTTP `json:"http,omitempty"`
	MQTT *AuthorizerMQTT `json:"mqtt,omitempty"`
}

// AuthorizerTLS is what the client said in the TLS handshake.
type AuthorizerTLS struct {
	ServerName string `json:"serverName"`
}

// AuthorizerHTTP is what the client said over HTTP: the upgrade, or the request.
type AuthorizerHTTP struct {
	Headers     map[string]string `json:"headers"` // names in lower case
	QueryString string            `json:"queryString"`
}

// AuthorizerMQTT is what the client said in CONNECT. In JSON the password is base64.
type AuthorizerMQTT struct {
	Username string `json:"username"`
	Password []byte `json:"password"`
	ClientID string `json:"clientId"`
}

// AuthorizerConnection names the connection.
type AuthorizerConnection struct {
	ID string `json:"id"`
}

// AuthorizerAnswer is what a custom authorizer decides.
type AuthorizerAnswer struct {
	IsAuthenticated bool   `json:"isAuthenticated"`
	PrincipalID     string `json:"principalId"` // 1 to 128 letters and digits
	// DisconnectAfterInSeconds is how long the connection may last, and RefreshAfterInSeconds after which time the authorizer is
	// asked again: 300 to 86,400; 0 is 86,400, and for the refresh never.
	DisconnectAfterInSeconds int `json:"disconnectAfterInSeconds"`
	RefreshAfterInSeconds    int `json:"refreshAfterInSeconds"`
	// PolicyDocuments are what the client may do, and nothing else: at most 10, each a JSON object, or a string with one.
	PolicyDocuments []json.RawMessage `json:"policyDocuments"`
}

// The bounds of answers (AWS IoT developer guide, "Defining your Lambda function").
const (
	minAuthorizerSeconds  = 300
	maxAuthorizerSeconds  = 86400
	maxAuthorizerPolicies = 10
	authorizerTimeout     = 5 * time.Second
)

// Authorizers is a handle on the custom authorizers for the program around the server. Clients name one in the user name of
// CONNECT, `bob?x-amz-customauthorizer-name=NAME&x-amz-customauthorizer-signature=S&KEY=TOKEN`, or in headers or the query of a
// websocket upgrade or a request of the data plane. Who comes over ALPN name mqtt, or without certificate and signature over a
// websocket, and names none, gets the default one. As long as there is no authorizer, everybody is let in who names one.
type Authorizers struct{ a *authorizers }

// Authorizers returns the handle of the custom authorizers.
func (s *Server) Authorizers() *Authorizers { return &Authorizers{s.authorizers} }

var (
	authorizerName = regexp.MustCompile(`^[\w=,@-]{1,128}$`)
	principalID    = regexp.MustCompile(`^[a-zA-Z0-9]{1,128}$`)
)

// Register makes a function known to authorizers that name it, as those that the API creates: "NAME" and
// "arn:aws:lambda:REGION:ACCOUNT:function:NAME" are it. The error is a bad name.
func (h *Authorizers) Register(name string, f func(AuthorizerRequest) (AuthorizerAnswer, error)) error {
	return h.a.functions.register(name, f)
}

// preparedAuthorizer is an authorizer with its keys.
type preparedAuthorizer struct {
	Authorizer
	keys              []*rsa.PublicKey
	created, modified time.Time
	caching           bool // enableCachingForHttp, which is kept and changes nothing: every request is asked about
}

// Put stores an authorizer, in place of one of that name if there is one.
func (h *Authorizers) Put(a Authorizer) error {
	p, err := prepareAuthorizer(a)
	if err != nil {
		return err
	}
	p.created = h.a.clock.Now()
	p.modified = p.created
	return h.a.change(func(d *authorizerDraft) error {
		if old := d.all.Get(a.Name); old != nil {
			p.created = old.created
		}
		d.put(p)
		return nil
	})
}

// defaultAuthorizer is the one for clients that name none.
type defaultAuthorizer struct {
	name string
	code bool // it is a Go function, and not kept
}

// standardKey is the key of the default authorizer.
const standardKey = "name"

// authorizerDraft is a draft of the authorizers.
type authorizerDraft struct {
	all      *tables.Table[*preparedAuthorizer]
	standard *tables.Table[defaultAuthorizer]
}

func (d *authorizerDraft) put(p *preparedAuthorizer) {
	d.all.Put(p.Name, p)
	if d.standard.Get(standardKey).name == p.Name {
		d.choose(p.Name)
	}
}

// choose makes an authorizer the default one; "": there is none.
func (d *authorizerDraft) choose(name string) {
	if name == "" {
		d.standard.Delete(standardKey)
		return
	}
	d.standard.Put(standardKey, defaultAuthorizer{name, d.all.Get(name).Function != nil})
}

// change runs a transaction. An error, or that it cannot be kept, leaves everything as it was.
func (a *authorizers) change(f func(*authorizerDraft) error) error {
	return a.journal.Do(func(tx *tables.Tx) error {
		d := authorizerDraft{a.all.Draft(), a.standard.Draft()}
		tx.Join(&a.mu, nil, d.all, d.standard)
		return f(&d)
	})
}

// prepareAuthorizer checks an authorizer and reads its keys.
func prepareAuthorizer(a Authorizer) (*preparedAuthorizer, error) {
	p := &preparedAuthorizer{Authorizer: a}
	p.PublicKeys = maps.Clone(a.PublicKeys)
	bad := func(format string, args ...any) (*preparedAuthorizer, error) {
		return nil, fmt.Errorf("iotlocal: authorizer %q: "+format, append([]any{a.Name}, args...)...)
	}
	targets := 0
	for _, set := range []bool{a.Function != nil, a.URL != "", a.FunctionARN != ""} {
		if set {
			targets++
		}
	}
	_, named := nameOfFunction(a.FunctionARN)
	var badURL error
	if a.URL != "" {
		badURL = checkURL(a.URL)
	}
	switch {
	case !authorizerName.MatchString(a.Name):
		return bad("a name is 1 to 128 of a-z A-Z 0-9 _ = , @ -")
	case targets != 1:
		return bad("one of Function, URL and FunctionARN must be set")
	case a.FunctionARN != "" && !named:
		return bad("%q is neither the name nor the ARN of a function", a.FunctionARN)
	case badURL != nil:
		return bad("%w", badURL)
	case !a.SigningDisabled && (a.TokenKeyName == "" || len(a.PublicKeys) == 0):
		return bad("signing needs TokenKeyName and PublicKeys, or SigningDisabled")
	}
	for name, text := range a.PublicKeys {
		block, _ := pem.Decode([]byte(text))
		if block == nil {
			return bad("public key %s is not PEM", name)
		}
		key, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return bad("public key %s: %w", name, err)
		}
		r, ok := key.(*rsa.PublicKey)
		if !ok {
			return bad("public key %s is not RSA", name)
		}
		p.keys = append(p.keys, r)
	}
	return p, nil
}

// Delete forgets an authorizer; connections that it let in stay. It reports whether it was there; one that Options.StateDir cannot
// let go of stays.
func (h *Authorizers) Delete(name string) bool {
	ok := false
	err := h.a.change(func(d *authorizerDraft) error {
		ok = d.all.Has(name)
		d.all.Delete(name)
		if d.standard.Get(standardKey).name == name {
			d.choose("")
		}
		return nil
	})
	return ok && err == nil // the error is logged
}

// Names returns the names of the authorizers, sorted.
func (h *Authorizers) Names() []string {
	h.a.mu.Lock()
	defer h.a.mu.Unlock()
	return h.a.all.Keys()
}

// Get returns an authorizer.
func (h *Authorizers) Get(name string) (Authorizer, bool) {
	if p := h.a.get(name); p != nil {
		return p.Authorizer, true
	}
	return Authorizer{}, false
}

// get returns an authorizer; nil: there is none.
func (a *authorizers) get(name string) *preparedAuthorizer {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.all.Get(name)
}

// SetDefault chooses the authorizer for clients that name none; "": there is none. The error is that it does not exist, or cannot be
// kept.
func (h *Authorizers) SetDefault(name string) error {
	return h.a.change(func(d *authorizerDraft) error {
		if name != "" && !d.all.Has(name) {
			return absentError(fmt.Sprintf("iotlocal: there is no authorizer %q", name))
		}
		d.choose(name)
		return nil
	})
}

// Default returns the name of the default authorizer; "": there is none.
func (h *Authorizers) Default() string {
	h.a.mu.Lock()
	defer h.a.mu.Unlock()
	return h.a.standard.Get(standardKey).name
}
