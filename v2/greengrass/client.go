package greengrass

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/portage-iot/awsiot/internal/topic"
	awsiot "github.com/portage-iot/awsiot/v2"
)

const (
	// DefaultPort is the port of discovery. 443 works as well, with an ALPN name that this package offers.
	DefaultPort = 8443
	// DefaultTimeout is how long a request may take.
	DefaultTimeout = 2 * time.Minute
	// DefaultMaxResponseBytes bounds an answer.
	DefaultMaxResponseBytes = 1 << 20

	// alpnHTTP is what port 443 wants with a client certificate
	// (https://docs.aws.amazon.com/iot/latest/developerguide/protocols.html).
	alpnHTTP = "x-amzn-http-ca"
	// headerBytes bounds status line and headers, on top of the body.
	headerBytes = 64 << 10
)

// Options configure a Client. Auth and one of Region and Endpoint must be set.
type Options struct {
	// Region, such as eu-west-1, stands for the endpoint greengrass-ats.iot.REGION.amazonaws.com, in China
	// greengrass.ats.iot.REGION.amazonaws.com.cn, in other partitions with their suffix
	// (https://docs.aws.amazon.com/general/latest/gr/greengrass.html).
	Region string
	// Endpoint is the host name to ask, without a port. "": that of Region.
	Endpoint string
	// Port: 0 means 8443.
	Port int
	// Auth is the device's certificate: awsiot.MTLSFromPath and its like.
	Auth awsiot.Auth
	// CAFile and CAPEM name the certificate authorities that may sign the service's certificate, in PEM. Neither:
	// the system's. The host name is always checked.
	CAFile string
	CAPEM  []byte
	// TLSConfig is the base of the TLS configuration, as awsiot.ClientOptions.TLSConfig.
	TLSConfig *tls.Config
	// Timeout bounds the whole request, from DNS to the last byte of the answer, however slowly they come.
	// 0: 2 minutes; negative: the context alone decides.
	Timeout time.Duration
	// HTTPProxy and Dialer are those of awsiot.ClientOptions.
	HTTPProxy func(*http.Request) (*url.URL, error)
	Dialer    func(ctx context.Context, network, addr string) (net.Conn, error)
	// MaxResponseBytes bounds the answer. 0: 1 MiB.
	MaxResponseBytes int64
}

// Client asks the discovery API. It keeps no connection: a device discovers once in a while, and the service closes
// idle ones. All methods are safe for concurrent use.
type Client struct{ o Options }

// NewClient returns a client. It does no I/O and cannot fail: what is wrong with the options is an error of Discover.
func NewClient(o Options) *Client {
	o.CAPEM = bytes.Clone(o.CAPEM)
	if o.TLSConfig != nil {
		o.TLSConfig = o.TLSConfig.Clone()
	}
	return &Client{o}
}

// Discover asks for the cores of a thing. Errors are an *Error: see there for what it wraps.
func (c *Client) Discover(ctx context.Context, thingName string) (*DiscoverResponse, error) {
	document, err := c.Fetch(ctx, thingName)
	if err != nil {
		return nil, err
	}
	r, err := ParseResponse(document)
	if err != nil {
		return nil, c.fail(thingName, err)
	}
	return r, nil
}

// Fetch is Discover without the parsing: it returns the document as the service sent it.
func (c *Client) Fetch(ctx context.Context, thingName string) ([]byte, error) {
	if ctx == nil {
		return nil, c.fail(thingName, &awsiot.ValidationError{Field: "ctx", Problem: "is nil"})
	}
	if err := topic.CheckThingName(thingName); err != nil {
		return nil, c.fail(thingName, fmt.Errorf("%w: %w", ErrInvalidRequest, err))
	}
	o, err := c.transport()
	if err != nil {
		return nil, c.fail(thingName, err)
	}
	timeout := cmp.Or(c.o.Timeout, DefaultTimeout)
	if timeout > 0 {
		limited, cancel := context.WithTimeoutCause(ctx, timeout,
			fmt.Errorf("no answer within Timeout %v: %w", timeout, context.DeadlineExceeded))
		defer cancel()
		ctx = limited
		o.ConnectTimeout = timeout
	} else {
		o.ConnectTimeout = 365 * 24 * time.Hour
	}
	status, body, err := exchange(ctx, o, thingName, cmp.Or(c.o.MaxResponseBytes, DefaultMaxResponseBytes))
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx) // what the network says then is "i/o timeout" or "closed", which explains nothing
		}
		return nil, c.fail(thingName, err)
	}
	if status != http.StatusOK {
		return nil, c.fail(thingName, &StatusError{Code: status, Message: messageOf(body), Body: string(body)})
	}
	return body, nil
}

// transport is the way to the service.
func (c *Client) transport() (awsiot.ClientOptions, error) {
	o := awsiot.ClientOptions{Endpoint: c.host(), Port: c.port(), Auth: c.o.Auth, CAFile: c.o.CAFile, CAPEM: c.o.CAPEM,
		HTTPProxy: c.o.HTTPProxy, Dialer: c.o.Dialer}
	switch {
	case c.o.Endpoint == "" && c.o.Region == "":
		return o, &awsiot.ValidationError{Field: "Endpoint", Problem: "neither Endpoint nor Region is set"}
	case c.o.MaxResponseBytes < 0:
		return o, &awsiot.ValidationError{Field: "MaxResponseBytes", Problem: "negative"}
	}
	if c.o.TLSConfig != nil {
		o.TLSConfig = c.o.TLSConfig.Clone()
	} else {
		o.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if o.TLSConfig.NextProtos == nil {
		if o.Port == 443 {
			o.TLSConfig.NextProtos = []string{alpnHTTP}
		} else {
			o.TLSConfig.NextProtos = []string{} // none, as v1; not nil, for which awsiot picks that of MQTT
		}
	}
	return o, nil
}

func (c *Client) port() int { return cmp.Or(c.o.Port, DefaultPort) }

func (c *Client) host() string {
	switch {
	case c.o.Endpoint != "":
		return c.o.Endpoint
	case c.o.Region == "":
		return ""
	}
	return topic.GreengrassHost(c.o.Region)
}

func (c *Client) fail(thing string, err error) error {
	e := &Error{Thing: thing, Err: err}
	if host := c.host(); host != "" {
		e.Address = net.JoinHostPort(host, strconv.Itoa(c.port()))
	}
	return e
}

// exchange makes one request on a connection of its own. The parts of net/http are used and not its Transport: a
// deadline then holds for every byte, and nothing is left behind, no pool and no goroutine.
func exchange(ctx context.Context, o awsiot.ClientOptions, thing string, limit int64) (int, []byte, error) {
	conn, err := o.Dial(ctx)
	if err != nil {
		return 0, nil, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()

	host := net.JoinHostPort(o.Endpoint, strconv.Itoa(o.Port))
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+host+"/greengrass/discover/thing/"+thing, nil)
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("User-Agent", "") // leaves it out: the request is byte for byte that of the v1 SDK
	if err := req.Write(conn); err != nil {
		return 0, nil, fmt.Errorf("sending the request: %w", err)
	}
	bounded := &boundedReader{r: conn, left: limit + headerBytes}
	resp, err := readResponse(bufio.NewReader(bounded), req)
	if err != nil {
		switch {
		case bounded.left <= 0:
			err = ErrTooLarge
		case bounded.ended: // half a header is "malformed" to net/http
			err = fmt.Errorf("the server closed the connection before it had answered: %w", io.ErrUnexpectedEOF)
		}
		return 0, nil, fmt.Errorf("reading the answer: %w", err)
	}
	defer resp.Body.Close()
	if resp.ContentLength > limit {
		return 0, nil, fmt.Errorf("reading the answer: %w (%d bytes)", ErrTooLarge, resp.ContentLength)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	switch {
	case err != nil:
		return 0, nil, fmt.Errorf("reading the answer: %w", err)
	case int64(len(body)) > limit:
		return 0, nil, fmt.Errorf("reading the answer: %w (%d)", ErrTooLarge, limit)
	}
	return resp.StatusCode, body, nil
}

// boundedReader reads so many bytes, and remembers that the other side has ended.
type boundedReader struct {
	r     io.Reader
	left  int64
	ended bool
}

// Read reads what is left at most; after that comes io.EOF.
func (b *boundedReader) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, io.EOF
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	b.ended = b.ended || errors.Is(err, io.EOF)
	return n, err
}

// readResponse skips interim answers (1xx), of which there may be few.
func readResponse(r *bufio.Reader, req *http.Request) (*http.Response, error) {
	for range 5 {
		resp, err := http.ReadResponse(r, req)
		if err != nil || resp.StatusCode >= 200 || resp.StatusCode == http.StatusSwitchingProtocols {
			return resp, err
		}
	}
	return nil, errors.New("nothing but interim answers")
}

// messageOf is the text in the body of an error.
func messageOf(body []byte) string {
	var said struct {
		Message string `json:"message"` // package json takes Message as well
	}
	if json.Unmarshal(body, &said) != nil {
		return ""
	}
	return said.Message
}
