package v1compat

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/portage-iot/awsiot/internal/pempath"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// settings is what the constructor and the Configure calls leave behind. Each call makes a change of the core's options
// out of it.
type settings struct {
	clientID  string
	websocket bool
	clean     bool
	quirks    Quirks

	host       string
	port       int
	alpn       bool // port 443 was configured at some time
	noMetrics  bool
	user       sealed[userPassword] // of ConfigureUsernamePassword
	will       *awsiot.Will
	socket     func() (net.Conn, error)
	iamGiven   bool
	iam        sealed[iamKeys] // read at every handshake
	ca         string
	key, cert  string
	ciphers    []uint16
	credential bool // ConfigureCredentials was called
	pem        bool // with PEM text for a path
}

// sealed is a secret that package fmt does not print, whatever the verb and whoever holds the client: it prints the fields
// of an unexported field, and calls no method of theirs, but it does not look into a function.
type sealed[T any] func() T

func seal[T any](v T) sealed[T] { return func() T { return v } }

// open returns the secret, and whether there is one.
func (s sealed[T]) open() (v T, ok bool) {
	if s == nil {
		return v, false
	}
	return s(), true
}

// userPassword is what ConfigureUsernamePassword was given.
type userPassword struct {
	name     string
	password []byte
}

// v1's defaults that are not those of OptionsV1.
func defaultSettings(clientID string) settings { return settings{clientID: clientID, clean: true} }

// apply takes the constructor's options.
func (s *settings) apply(opts []ClientOption) {
	for _, o := range opts {
		if o != nil {
			o(s)
		}
	}
}

// birthOptions are the options of a core of one's own before any Configure call. What is missing in them, Connect reports.
func (c *AWSIoTMQTTClient) birthOptions() awsiot.ClientOptions {
	s := &c.settings
	o := awsiot.OptionsV1(s.clientID)
	if !s.clean {
		o.SessionBehavior, o.SessionExpiry = awsiot.RejoinAlways, time.Hour
	}
	o.Auth = awsiot.PlainTCP()
	if s.websocket {
		o.Auth = websocketAuth(c.iamKeys)
	}
	if s.quirks.CloseWhenDenied {
		o.Dialer = c.deniableDialer(nil)
	}
	o.Logger = s.coreLogger()
	return o
}

// putTLS writes the ciphers, and the ALPN name where the core does not offer it by itself, which is on 443. A websocket has
// no ALPN, and no ciphers, as in v1. The caller holds c.mu.
func (c *AWSIoTMQTTClient) putTLS(o *awsiot.ClientOptions, port int) {
	s := &c.settings
	if s.websocket {
		return
	}
	t := &tls.Config{}
	if c.wrapped && o.TLSConfig != nil {
		t = o.TLSConfig // a copy
	}
	o.TLSConfig = t
	if len(s.ciphers) > 0 {
		t.CipherSuites, t.MinVersion, t.MaxVersion = s.ciphers, tls.VersionTLS12, tls.VersionTLS12
	}
	if s.alpn && port != 443 {
		t.NextProtos = []string{"x-amzn-mqtt-ca"}
	}
}

// putCredentials writes what ConfigureCredentials was given.
func (s *settings) putCredentials(o *awsiot.ClientOptions) {
	o.CAFile = s.ca
	if !s.websocket { // key and certificate have no part in a websocket, as in v1
		const none = " " // a name that no file has: what is missing must not be plain TCP
		o.Auth = awsiot.MTLSFromPath(cmp.Or(s.cert, none), cmp.Or(s.key, none))
	}
}

// putUser writes user name and password: v1 sent no password without a user name.
func (s *settings) putUser(o *awsiot.ClientOptions) {
	o.DisableMetrics = s.noMetrics
	if u, ok := s.user.open(); ok {
		o.Username, o.Password = u.name, u.password
	}
	if o.Username == "" && o.DisableMetrics {
		o.Password = nil
	}
}

// check returns what Connect can say about the settings as a whole. Files are
// opened here so that every unreadable one is named; the core reads them. placed: the endpoint comes from elsewhere, or has its
// own error.
func (s *settings) check(placed bool) []error {
	var errs []error
	add := func(call string, err error) { errs = append(errs, &ConfigureError{Call: call, Err: err}) }
	if s.host == "" && s.port == 0 && !placed {
		add("ConfigureEndpoint", &ValueError{Message: "Invalid host.", Err: errors.New("it was never called")})
	}
	if s.credential && !s.pem { // which has its own error
		for _, f := range s.files() {
			if err := readable(*f.path); err != nil {
				add("ConfigureCredentials", fmt.Errorf("%s: %w", f.what, err))
			}
		}
	}
	return errs
}

// credentialFile is a file that ConfigureCredentials names.
type credentialFile struct {
	what string
	path *string
}

// files are those that the connection needs.
func (s *settings) files() []credentialFile {
	files := []credentialFile{{"root CA", &s.ca}, {"private key", &s.key}, {"certificate", &s.cert}}
	if s.websocket {
		files = files[:1]
	}
	return files
}

// dropPEM refuses PEM text in the place of a path, and forgets it: errors and logs show paths, and the text may be that
// of a private key.
func (s *settings) dropPEM() error {
	s.pem = false
	var errs []error
	for _, f := range []credentialFile{{"root CA", &s.ca}, {"private key", &s.key}, {"certificate", &s.cert}} {
		if pempath.Is(*f.path) {
			*f.path, s.pem = "", true
			errs = append(errs, &ValueError{Message: "Invalid credentials.", Err: fmt.Errorf("%s: this is PEM text, not the path of a file with it", f.what)})
		}
	}
	return errors.Join(errs...)
}

// readable opens the file, as v1 did at once in configureCredentials.
func readable(path string) error {
	f, err := os.Open(path)
	if err != nil && path == "" {
		return fmt.Errorf("the path is empty (%w)", err)
	} else if err != nil {
		return err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil {
		return err
	} else if info.IsDir() {
		return &os.PathError{Op: "read", Path: path, Err: errors.New("is a directory")}
	}
	return nil
}

// dialWith adapts v1's socket factory, which knows no deadline, to the core's dialer. The core does not wait for it beyond
// the connect timeout, calls it again only when it has returned, and closes a connection that comes too late.
func dialWith(factory func() (net.Conn, error)) dialer {
	return func(context.Context, string, string) (net.Conn, error) {
		conn, err := factory()
		if err == nil && conn == nil {
			err = errors.New("v1compat: the socket factory returned neither a connection nor an error")
		}
		return conn, err
	}
}
