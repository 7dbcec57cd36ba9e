package discovery

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"sync"
	"time"

	"github.com/portage-iot/awsiot/internal/pempath"
	"github.com/portage-iot/awsiot/internal/topic"
	"github.com/portage-iot/awsiot/v1compat"
	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/greengrass"
)

const (
	defaultTimeout = 120 * time.Second
	// maxSeconds is what a time.Duration can hold.
	maxSeconds = float64(math.MaxInt64 / int64(time.Second))
)

// DiscoveryInfoProvider is v1's class of that name. Configure calls return nothing, as in v1; what is wrong with them
// is reported by Discover, all of it at once. All methods are safe for concurrent use.
//
// Deprecated: use *greengrass.Client.
type DiscoveryInfoProvider struct {
	mu       sync.Mutex
	host     string
	port     int
	ca       string
	cert     string
	key      string
	timeout  time.Duration
	socket   func() (net.Conn, error)
	problems map[string]error // by Configure call: a later good one makes up for a bad one
}

// NewDiscoveryInfoProvider is v1's constructor: port 8443, timeout 120 s. Endpoint and credentials must be configured.
//
// Deprecated: use greengrass.NewClient.
func NewDiscoveryInfoProvider() *DiscoveryInfoProvider {
	return &DiscoveryInfoProvider{port: greengrass.DefaultPort, timeout: defaultTimeout, problems: map[string]error{
		"ConfigureEndpoint":    &v1compat.ValueError{Message: "Invalid host.", Err: errNeverCalled},
		"ConfigureCredentials": &v1compat.ValueError{Message: "Invalid credentials.", Err: errNeverCalled},
	}}
}

var errNeverCalled = errors.New("it was never called")

func (p *DiscoveryInfoProvider) configure(call string, set func() error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.problems, call)
	if err := set(); err != nil {
		p.problems[call] = err
	}
}

// ConfigureEndpoint is v1's configureEndpoint. port is at most one, 8443 without it; on 443 the ALPN name
// x-amzn-http-ca is offered.
//
// Deprecated: use greengrass.Options.Endpoint and Port.
func (p *DiscoveryInfoProvider) ConfigureEndpoint(host string, port ...int) {
	p.configure("ConfigureEndpoint", func() error {
		p.host, p.port = host, greengrass.DefaultPort
		if len(port) > 0 {
			p.port = port[0]
		}
		switch {
		case len(port) > 1:
			return v1compat.ErrTooManyArguments
		case host == "":
			return &v1compat.ValueError{Message: "Invalid host.", Err: errors.New("it is empty")}
		case p.port < 1 || p.port > 65535:
			return &v1compat.ValueError{Message: "Invalid port number.", Err: fmt.Errorf("%d is not in 1..65535", p.port)}
		}
		return nil
	})
}

// ConfigureCredentials is v1's configureCredentials; mind the order: CA, certificate, key, unlike that of
// AWSIoTMQTTClient. The files are read by Discover. An empty caPath means the system's authorities.
//
// Deprecated: use greengrass.Options.CAFile and awsiot.MTLSFromPath.
func (p *DiscoveryInfoProvider) ConfigureCredentials(caPath, certPath, keyPath string) {
	p.configure("ConfigureCredentials", func() error {
		p.ca, p.cert, p.key = caPath, certPath, keyPath
		if certPath == "" || keyPath == "" {
			return &v1compat.ValueError{Message: "Invalid credentials.", Err: errors.New("the path of the certificate or of the key is empty")}
		}
		if pempath.Is(caPath) || pempath.Is(certPath) || pempath.Is(keyPath) { // an error about a file would show it
			p.ca, p.cert, p.key = "", "", ""
			return &v1compat.ValueError{Message: "Invalid credentials.", Err: errors.New("PEM text is given where the path of a file belongs")}
		}
		return nil
	})
}

// ConfigureTimeout is v1's configureTimeout, in seconds. It bounds the whole of Discover, from DNS to the last byte;
// v1 looked at it between received bytes only.
//
// Deprecated: use greengrass.Options.Timeout.
func (p *DiscoveryInfoProvider) ConfigureTimeout(seconds float64) {
	p.configure("ConfigureTimeout", func() error {
		if !(seconds > 0 && seconds <= maxSeconds) { // NaN too
			return &v1compat.ValueError{Message: "Invalid timeout.", Err: fmt.Errorf("%v is not a positive number of seconds", seconds)}
		}
		p.timeout = max(time.Duration(seconds*float64(time.Second)), 1)
		return nil
	})
}

// ConfigureSocketFactory is not in v1's class, but in its AWSIoTMQTTClient: factory opens the TCP connections instead
// of this package, through a proxy, say. TLS goes on top. nil takes it back.
//
// Deprecated: use greengrass.Options.Dialer or HTTPProxy.
func (p *DiscoveryInfoProvider) ConfigureSocketFactory(factory func() (net.Conn, error)) {
	p.configure("ConfigureSocketFactory", func() error { p.socket = factory; return nil })
}

// Discover is v1's discover: it asks for the cores of a thing and waits. Errors: *v1compat.ConfigureError for what was
// configured wrong, joined; *DiscoveryTimeoutError, *DiscoveryInvalidRequestError, *DiscoveryUnauthorizedError,
// *DiscoveryDataNotFoundError, *DiscoveryThrottlingError, *DiscoveryFailure; or, as in v1, the error of the
// connection, which is a *greengrass.Error.
//
// Deprecated: use greengrass.Client.Discover, which takes a context.
func (p *DiscoveryInfoProvider) Discover(thingName string) (*DiscoveryInfo, error) {
	o, err := p.options()
	if err != nil {
		return nil, err
	}
	document, err := greengrass.NewClient(o).Fetch(context.Background(), thingName)
	if err != nil {
		return nil, exception(err)
	}
	return NewDiscoveryInfo(string(document)), nil
}

// options are what was configured, or everything that is wrong with it.
func (p *DiscoveryInfoProvider) options() (greengrass.Options, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	o := greengrass.Options{Endpoint: p.host, Port: p.port, CAFile: p.ca, Auth: awsiot.MTLSFromPath(p.cert, p.key), Timeout: p.timeout}
	if factory := p.socket; factory != nil {
		o.Dialer = func(context.Context, string, string) (net.Conn, error) { return factory() }
	}
	var errs []error
	for _, call := range []string{"ConfigureEndpoint", "ConfigureCredentials", "ConfigureTimeout"} {
		if err := p.problems[call]; err != nil {
			errs = append(errs, &v1compat.ConfigureError{Call: call, Err: err})
		}
	}
	if p.problems["ConfigureCredentials"] == nil {
		for _, f := range []struct{ what, path string }{{"root CA", p.ca}, {"certificate", p.cert}, {"private key", p.key}} {
			if err := readable(f.path); err != nil {
				errs = append(errs, &v1compat.ConfigureError{Call: "ConfigureCredentials", Err: fmt.Errorf("%s: %w", f.what, err)})
			}
		}
	}
	return o, errors.Join(errs...)
}

// readable opens a file, so that every unreadable one is named, not only the first that TLS asks for.
func readable(path string) error {
	if path == "" {
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return f.Close()
}

// exception is v1's form of an error of package greengrass.
func exception(err error) error {
	var status *greengrass.StatusError
	var name *topic.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return &DiscoveryTimeoutError{Err: err}
	case errors.Is(err, greengrass.ErrInvalidRequest), errors.As(err, &name): // v1 sent any name; the service refused it
		return &DiscoveryInvalidRequestError{Err: err}
	case errors.Is(err, greengrass.ErrUnauthorized):
		return &DiscoveryUnauthorizedError{Err: err}
	case errors.Is(err, greengrass.ErrNotFound):
		return &DiscoveryDataNotFoundError{Err: err}
	case errors.Is(err, greengrass.ErrThrottled):
		return &DiscoveryThrottlingError{Err: err}
	case errors.As(err, &status):
		return &DiscoveryFailure{Message: status.Body, Err: err}
	}
	return err
}
