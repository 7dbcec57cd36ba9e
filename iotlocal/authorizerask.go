package iotlocal

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/portage-iot/awsiot/iotlocal/broker"
	"github.com/portage-iot/awsiot/iotlocal/internal/rest"
	"github.com/portage-iot/awsiot/iotlocal/internal/tables"
	"github.com/portage-iot/awsiot/iotlocal/policy"
	"github.com/portage-iot/awsiot/iotlocal/wire"
)

// authorizers asks the custom authorizers, and sees to the connections that they let in.
type authorizers struct {
	clock      *Clock
	journal    *tables.Journal
	signatures func() bool // who is not signed in must be let in by an authorizer

	wg      sync.WaitGroup  // the goroutine of the timers
	ctx     context.Context // ends with close, and what is asked then
	cancel  context.CancelFunc
	changed chan struct{} // capacity 1: the next time may be another one

	functions functions[func(AuthorizerRequest) (AuthorizerAnswer, error)] // of Register

	order sync.Mutex // of who does what is due

	mu       sync.Mutex
	all      *tables.Table[*preparedAuthorizer] // never changed in place
	standard *tables.Table[defaultAuthorizer]   // one or none
	live     map[*broker.Client]*authorized
}

// authorized is what an authorizer decided about a connection.
type authorized struct {
	all        *authorizers
	by         *preparedAuthorizer
	request    AuthorizerRequest
	principal  string
	disconnect time.Time
	refresh    time.Time // zero: never
	interval   time.Duration

	mu  sync.Mutex
	set *policy.Set // of its documents
}

func newAuthorizers(k *Clock, j *tables.Journal) *authorizers {
	a := &authorizers{clock: k, journal: j, changed: make(chan struct{}, 1), all: tables.New(kindAuthorizer, (*preparedAuthorizer).saved),
		standard: tables.New(kindDefaultAuthorizer, defaultAuthorizer.saved), live: map[*broker.Client]*authorized{}}
	a.ctx, a.cancel = context.WithCancel(context.Background())
	return a
}

// credentialsOf is what a client gave for an authorizer.
type credentialsOf struct {
	name, signature string
	value           func(key string) string
}

const (
	authorizerNameKey      = "x-amz-customauthorizer-name"
	authorizerSignatureKey = "x-amz-customauthorizer-signature"
)

// fromQuery reads what stands in a query, undone of percent encoding; a + is a +.
func fromQuery(query string) credentialsOf {
	values := map[string]string{}
	for part := range strings.SplitSeq(query, "&") {
		k, v, _ := strings.Cut(part, "=")
		if plain, err := url.PathUnescape(v); err == nil {
			v = plain
		}
		values[strings.ToLower(k)] = v
	}
	get := func(key string) string { return values[strings.ToLower(key)] }
	return credentialsOf{get(authorizerNameKey), get(authorizerSignatureKey), get}
}

// fromRequest reads headers, and where they say nothing the query.
func fromRequest(r *http.Request) credentialsOf {
	query := fromQuery(r.URL.RawQuery)
	get := func(key string) string {
		if v := r.Header.Get(key); v != "" {
			return v
		}
		return query.value(key)
	}
	return credentialsOf{get(authorizerNameKey), get(authorizerSignatureKey), get}
}

// decidesLater reports whether an upgrade that is not signed may be one for an authorizer, which CONNECT can name too.
func (a *authorizers) decidesLater(*http.Request) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.all.Len() > 0
}

// concerns reports whether a request that is not signed is one for an authorizer.
func (a *authorizers) concerns(r *http.Request) bool {
	return fromRequest(r).name != "" || a.hasDefault()
}

// choose returns the authorizer for a client; nil, nil: none has to decide.
func (a *authorizers) choose(name string, must bool) (*preparedAuthorizer, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.all.Len() == 0 || name == "" && !must {
		return nil, nil
	}
	if name == "" {
		if name = a.standard.Get(standardKey).name; name == "" {
			return nil, errors.New("no custom authorizer is named, and there is no default one")
		}
	}
	p := a.all.Get(name)
	switch {
	case p == nil:
		return nil, fmt.Errorf("there is no custom authorizer %q", name)
	case p.Inactive:
		return nil, fmt.Errorf("custom authorizer %s is inactive", name)
	}
	return p, nil
}

// connect is the hook for CONNECT, before that of the policies.
func (a *authorizers) connect(c *broker.Client) wire.Code {
	_, query, _ := strings.Cut(c.Username, "?")
	given := fromQuery(query)
	if given.name == "" && c.Request != nil {
		given = fromRequest(c.Request)
	}
	must := c.ALPN == alpnAuthorizer || c.Request != nil && c.Principal == "" && len(c.Certificates) == 0 && (a.hasDefault() || a.signatures())
	by, err := a.choose(given.name, must)
	if by == nil && err == nil {
		return wire.Success
	}
	var decided *authorized
	if err == nil {
		request := AuthorizerRequest{Protocols: []string{}, ConnectionMetadata: AuthorizerConnection{rest.TraceID()}}
		if c.Secure {
			request.Protocols = append(request.Protocols, "tls")
			request.ProtocolData.TLS = &AuthorizerTLS{c.SNI}
		}
		if c.Request != nil {
			request.Protocols = append(request.Protocols, "http")
			request.ProtocolData.HTTP = httpData(c.Request)
		}
		request.Protocols = append(request.Protocols, "mqtt")
		request.ProtocolData.MQTT = &AuthorizerMQTT{c.Username, c.Password, c.ID}
		decided, err = a.decide(by, given, request)
	}
	if err != nil {
		c.Denial = err.Error()
		return wire.NotAuthorized
	}
	c.Custom = decided
	a.mu.Lock()
	a.live[c] = decided
	a.mu.Unlock()
	a.wake()
	return wire.Success
}

func (a *authorizers) hasDefault() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.standard.Len() > 0
}

func httpData(r *http.Request) *AuthorizerHTTP {
	h := &AuthorizerHTTP{Headers: map[string]string{"host": r.Host}}
	for k, v := range r.Header {
		h.Headers[strings.ToLower(k)] = strings.Join(v, ",")
	}
	if r.URL.RawQuery != "" {
		h.QueryString = "?" + r.URL.RawQuery
	}
	return h
}

// decide verifies the token and asks the authorizer.
func (a *authorizers) decide(by *preparedAuthorizer, given credentialsOf, request AuthorizerRequest) (*authorized, error) {
	if by.TokenKeyName != "" {
		request.Token = given.value(by.TokenKeyName)
	}
	if !by.SigningDisabled {
		if err := by.verify(request.Token, given.signature); err != nil {
			return nil, fmt.Errorf("custom authorizer %s: %w", by.Name, err)
		}
		request.SignatureVerified = true
	}
	d := &authorized{all: a, by: by, request: request}
	now := a.clock.Now()
	answer, err := d.ask(a.ctx, now)
	if err != nil {
		return nil, err
	}
	d.disconnect = now.Add(time.Duration(answer.DisconnectAfterInSeconds) * time.Second)
	return d, nil
}

// verify checks the signature of a token.
func (p *preparedAuthorizer) verify(token, signature string) error {
	if token == "" || signature == "" {
		return fmt.Errorf("a token under %s and its signature are needed", p.TokenKeyName)
	}
	raw, err := base64.StdEncoding.DecodeString(signature)
	if err != nil {
		return errors.New("the signature is not base64")
	}
	sum := sha256.Sum256([]byte(token))
	if !slices.ContainsFunc(p.keys, func(k *rsa.PublicKey) bool { return rsa.VerifyPKCS1v15(k, crypto.SHA256, sum[:], raw) == nil }) {
		return errors.New("the signature of the token is not by one of the keys")
	}
	return nil
}

// ask asks the authorizer, and takes over what it says.
func (d *authorized) ask(ctx context.Context, now time.Time) (AuthorizerAnswer, error) {
	answer, err := d.all.call(ctx, d.by, d.request)
	if err != nil {
		return answer, fmt.Errorf("custom authorizer %s: %w", d.by.Name, err)
	}
	return d.take(answer, now)
}

// take takes over what an authorizer says.
func (d *authorized) take(answer AuthorizerAnswer, now time.Time) (AuthorizerAnswer, error) {
	fail := func(format string, args ...any) (AuthorizerAnswer, error) {
		return answer, fmt.Errorf("custom authorizer "+d.by.Name+": "+format, args...)
	}
	if !answer.IsAuthenticated {
		return fail("not authenticated")
	}
	if !principalID.MatchString(answer.PrincipalID) {
		return fail("principalId %q is not 1 to 128 letters and digits", answer.PrincipalID)
	}
	if answer.DisconnectAfterInSeconds == 0 {
		answer.DisconnectAfterInSeconds = maxAuthorizerSeconds
	}
	for name, n := range map[string]int{"disconnectAfterInSeconds": answer.DisconnectAfterInSeconds, "refreshAfterInSeconds": answer.RefreshAfterInSeconds} {
		if n != 0 && (n < minAuthorizerSeconds || n > maxAuthorizerSeconds) {
			return fail("%s %d is not %d to %d", name, n, minAuthorizerSeconds, maxAuthorizerSeconds)
		}
	}
	if len(answer.PolicyDocuments) > maxAuthorizerPolicies {
		return fail("%d policy documents, at most %d are allowed", len(answer.PolicyDocuments), maxAuthorizerPolicies)
	}
	var all []policy.Named
	for i, text := range answer.PolicyDocuments {
		var quoted string
		if json.Unmarshal(text, &quoted) == nil {
			text = json.RawMessage(quoted)
		}
		doc, err := policy.Parse(text)
		if err != nil {
			return fail("policy document %d: %w", i+1, err)
		}
		all = append(all, policy.Named{Name: fmt.Sprintf("document %d of authorizer %s", i+1, d.by.Name), Document: doc})
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.principal, d.set = answer.PrincipalID, policy.NewSet(all)
	d.interval, d.refresh = time.Duration(answer.RefreshAfterInSeconds)*time.Second, time.Time{}
	if d.interval > 0 {
		d.refresh = now.Add(d.interval)
	}
	return answer, nil
}

// who returns whom the authorizer takes the client for.
func (d *authorized) who() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.principal
}

// policies returns the set of the connection.
func (d *authorized) policies() *policy.Set {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.set
}

// call calls the function or the URL, and waits for authorizerTimeout at most.
func (a *authorizers) call(ctx context.Context, p *preparedAuthorizer, r AuthorizerRequest) (answer AuthorizerAnswer, err error) {
	ctx, cancel := context.WithTimeout(ctx, authorizerTimeout)
	defer cancel()
	f := p.Function
	if p.FunctionARN != "" {
		if f, err = a.functions.find(p.FunctionARN); err != nil {
			return answer, err
		}
	}
	if f != nil {
		return callAuthorizer(ctx, f, r)
	}
	body, err := json.Marshal(r)
	if err != nil {
		return answer, err
	}
	said, err := post(ctx, p.URL, nil, body)
	if err != nil {
		return answer, err
	}
	if err := json.Unmarshal(said, &answer); err != nil {
		return answer, fmt.Errorf("the answer of %s: %w", p.URL, err)
	}
	return answer, nil
}

// callAuthorizer calls a function; a panic is its error. One that has no answer in time is left alone.
func callAuthorizer(ctx context.Context, f func(AuthorizerRequest) (AuthorizerAnswer, error), r AuthorizerRequest) (AuthorizerAnswer, error) {
	type result struct {
		answer AuthorizerAnswer
		err    error
	}
	done := make(chan result, 1)
	go func() {
		var out result
		defer func() {
			if v := recover(); v != nil {
				out.err = fmt.Errorf("the function panicked: %v", v)
			}
			done <- out
		}()
		out.answer, out.err = f(r)
	}()
	select {
	case out := <-done:
		return out.answer, out.err
	case <-ctx.Done():
		return AuthorizerAnswer{}, fmt.Errorf("the function has not answered: %w", ctx.Err())
	}
}
