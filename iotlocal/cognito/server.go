package cognito

import (
	"cmp"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Options configure a Server. The zero value listens on a free port of 127.0.0.1 and issues credentials for an hour.
type Options struct {
	// Port: 0 is a free one.
	Port int
	// Life is how long credentials are good; 0 is 1 h.
	Life time.Duration
	// Issued is called with every set of credentials before it is handed out.
	Issued func(Credentials)
	// Listen opens the listener; nil is net.Listen.
	Listen func(network, address string) (net.Listener, error)
}

// Credentials are temporary ones.
type Credentials struct {
	AccessKeyID, SecretAccessKey, SessionToken string
	Expires                                    time.Time
}

// Request is one that came.
type Request struct {
	Operation string         // GetId or GetCredentialsForIdentity
	Input     map[string]any // the body
	Signed    bool           // it has an Authorization header; neither operation needs one
}

// Answer replaces what the service would say, for Server.Next.
type Answer struct {
	// Status and Type of an error, as 400 and "NotAuthorizedException", with Message. Both zero: no error.
	Status        int
	Type, Message string
	// Body is sent as it is, with Status (200 by default), when it is not empty.
	Body string
	// Silent sends nothing until the client goes.
	Silent bool
	// Close ends the connection without an answer.
	Close bool
}

// Server is a running stand-in. All methods are safe for concurrent use.
type Server struct {
	http    *http.Server
	o       Options
	port    int
	closing chan struct{}
	done    sync.WaitGroup

	mu         sync.Mutex
	closed     bool
	pools      map[string]bool              // takes guests
	logins     map[string]map[string]string // provider, token: user
	identities map[string]identity
	known      map[string]string // pool and user: identity
	answers    []Answer
	requests   []Request
}

// identity is one that was made.
type identity struct{ pool, provider, user string } // user "": a guest

// TB is what StartT needs of a test.
type TB interface {
	Helper()
	Cleanup(func())
	Fatalf(format string, args ...any)
}

// StartT is Start for tests: a failure ends the test, and the end of the test closes the server.
func StartT(t TB, o Options) *Server {
	t.Helper()
	s, err := Start(o)
	if err != nil {
		t.Fatalf("%v", err)
		return nil
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Fatalf("%v", err)
		}
	})
	return s
}

// Start starts a server without pools. Errors: a port that is taken.
func Start(o Options) (*Server, error) {
	if o.Port < 0 || o.Port > 65535 {
		return nil, fmt.Errorf("cognito stand-in: port %d is not in 0..65535", o.Port)
	}
	o.Life = cmp.Or(o.Life, time.Hour)
	listen := o.Listen
	if listen == nil {
		listen = net.Listen
	}
	l, err := listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(o.Port)))
	if err != nil {
		return nil, fmt.Errorf("cognito stand-in: %w", err)
	}
	s := &Server{o: o, port: o.Port, closing: make(chan struct{}), pools: map[string]bool{}, logins: map[string]map[string]string{},
		identities: map[string]identity{}, known: map[string]string{}}
	if a, ok := l.Addr().(*net.TCPAddr); ok {
		s.port = a.Port
	}
	s.http = &http.Server{Handler: http.HandlerFunc(s.serve), ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	s.done.Go(func() { _ = s.http.Serve(l) }) // ErrServerClosed
	return s, nil
}

// Close ends the server and every connection.
func (s *Server) Close() error {
	s.mu.Lock()
	first := !s.closed
	s.closed = true
	s.mu.Unlock()
	if !first {
		return nil
	}
	close(s.closing)
	err := s.http.Close()
	s.done.Wait()
	return err
}

// URL returns the endpoint.
func (s *Server) URL() string { return "http://127.0.0.1:" + strconv.Itoa(s.port) }

// AddPool adds an identity pool, or says anew whether it takes guests. Its id has the form REGION:UUID.
func (s *Server) AddPool(id string, guests bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pools[id] = guests
}

// AddLogin makes token of a login provider, such as "graph.facebook.com", stand for a user.
func (s *Server) AddLogin(provider, token, user string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.logins[provider] == nil {
		s.logins[provider] = map[string]string{}
	}
	s.logins[provider][token] = user
}

// DeleteIdentities forgets every identity.
func (s *Server) DeleteIdentities() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.identities)
	clear(s.known)
}

// Next appends answers for the requests to come, one each, before the ordinary ones.
func (s *Server) Next(answers ...Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers = append(s.answers, answers...)
}

// Requests returns those that came, in their order.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

const target = "AWSCognitoIdentityService."

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		return // the client has gone
	}
	op, ok := strings.CutPrefix(r.Header.Get("X-Amz-Target"), target)
	if !ok || r.Method != http.MethodPost {
		fail(w, &refusal{http.StatusBadRequest, "UnknownOperationException", ""})
		return
	}
	req := Request{Operation: op, Signed: r.Header.Get("Authorization") != ""}
	if json.Unmarshal(body, &req.Input) != nil {
		fail(w, &refusal{http.StatusBadRequest, "SerializationException", "not a JSON object"})
		return
	}
	a, out, err := s.answer(req)
	switch {
	case a.Silent:
		select {
		case <-r.Context().Done():
		case <-s.closing:
		}
		hangUp(w)
	case a.Close:
		hangUp(w)
	case a.Body != "":
		write(w, cmp.Or(a.Status, http.StatusOK), []byte(a.Body))
	case a.Status != 0 || a.Type != "":
		fail(w, &refusal{cmp.Or(a.Status, http.StatusBadRequest), a.Type, a.Message})
	case err != nil:
		fail(w, err)
	default:
		if out.issued != nil && s.o.Issued != nil {
			s.o.Issued(*out.issued)
		}
		text, err := json.Marshal(out.document)
		if err != nil {
			fail(w, err)
			return
		}
		write(w, http.StatusOK, text)
	}
}

// hangUp ends the connection without an answer.
func hangUp(w http.ResponseWriter) {
	if h, ok := w.(http.Hijacker); ok {
		if conn, _, err := h.Hijack(); err == nil {
			conn.Close()
		}
	}
}

// refusal is an error of the service.
type refusal struct {
	status        int
	kind, message string
}

func (e *refusal) Error() string { return e.kind + ": " + e.message }

func fail(w http.ResponseWriter, err error) {
	var e *refusal
	if !errors.As(err, &e) {
		e = &refusal{http.StatusInternalServerError, "InternalErrorException", err.Error()}
	}
	text, _ := json.Marshal(map[string]string{"__type": e.kind, "message": e.message}) // strings always marshal
	w.Header().Set("X-Amzn-Errortype", e.kind+":")
	write(w, e.status, text)
}

// write sends a document. An error means that the client has gone.
func write(w http.ResponseWriter, status int, text []byte) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.WriteHeader(status)
	_, _ = w.Write(text)
}

// result is a document, and the credentials in it.
type result struct {
	document any
	issued   *Credentials
}

// answer notes the request and finds its answer.
func (s *Server) answer(r Request) (Answer, result, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, r)
	if len(s.answers) > 0 {
		a := s.answers[0]
		s.answers = s.answers[1:]
		if a != (Answer{}) {
			return a, result{}, nil
		}
	}
	var out result
	var err error
	switch r.Operation {
	case "GetId":
		out, err = s.getID(r.Input)
	case "GetCredentialsForIdentity":
		out, err = s.getCredentials(r.Input)
	default:
		err = &refusal{http.StatusBadRequest, "UnknownOperationException", ""}
	}
	return Answer{}, out, err
}

func refuse(kind, format string, a ...any) error {
	return &refusal{http.StatusBadRequest, kind, fmt.Sprintf(format, a...)}
}

// user is who the logins of a request are; "" for none. The caller holds s.mu.
func (s *Server) user(in map[string]any) (provider, user string, err error) {
	logins, _ := in["Logins"].(map[string]any)
	if len(logins) == 0 {
		return "", "", nil
	}
	provider = slices.Min(slices.Collect(maps.Keys(logins))) // the identity of several logins is that of the first
	token, _ := logins[provider].(string)
	if user = s.logins[provider][token]; user == "" {
		return "", "", refuse("NotAuthorizedException", "Invalid login token.")
	}
	return provider, user, nil
}

// getID is GetId. The caller holds s.mu.
func (s *Server) getID(in map[string]any) (result, error) {
	pool, _ := in["IdentityPoolId"].(string)
	region, _, ok := strings.Cut(pool, ":")
	if !ok {
		return result{}, refuse("ValidationException", "Value '%s' at 'identityPoolId' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w-]+:[0-9a-f-]+", pool)
	}
	guests, ok := s.pools[pool]
	if !ok {
		return result{}, refuse("ResourceNotFoundException", "IdentityPool '%s' not found.", pool)
	}
	provider, user, err := s.user(in)
	switch {
	case err != nil:
		return result{}, err
	case user == "" && !guests:
		return result{}, refuse("NotAuthorizedException", "Unauthenticated access is not supported for this identity pool.")
	}
	key := pool + "\n" + provider + "\n" + user
	id := s.known[key]
	if id == "" {
		id = region + ":" + uuid()
		s.identities[id] = identity{pool, provider, user}
		if user != "" {
			s.known[key] = id
		}
	}
	return result{document: map[string]string{"IdentityId": id}}, nil
}

// getCredentials is GetCredentialsForIdentity. The caller holds s.mu.
func (s *Server) getCredentials(in map[string]any) (result, error) {
	id, _ := in["IdentityId"].(string)
	who, ok := s.identities[id]
	if !ok {
		return result{}, refuse("ResourceNotFoundException", "Identity '%s' not found.", id)
	}
	provider, user, err := s.user(in)
	switch {
	case err != nil:
		return result{}, err
	case who.user != user || who.provider != provider:
		return result{}, refuse("NotAuthorizedException", "Access to Identity '%s' is forbidden.", id)
	}
	c := &Credentials{AccessKeyID: "ASIA" + strings.ToUpper(random(8)), SecretAccessKey: random(20),
		SessionToken: base64.StdEncoding.EncodeToString([]byte(random(60) + "+/=")), Expires: time.Now().Add(s.o.Life)}
	return result{issued: c, document: map[string]any{"IdentityId": id, "Credentials": map[string]any{"AccessKeyId": c.AccessKeyID,
		"SecretKey": c.SecretAccessKey, "SessionToken": c.SessionToken, "Expiration": float64(c.Expires.UnixMilli()) / 1000}}}, nil
}

// random is n random bytes as text.
func random(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

func uuid() string {
	s := random(16)
	return strings.Join([]string{s[:8], s[8:12], "4" + s[13:16], "8" + s[17:20], s[20:]}, "-")
}
