package reqresp

import (
	"cmp"
	"errors"
	"log/slog"
	"time"

	awsiot "github.com/portage-iot/awsiot/v2"
)

// The defaults of Options. A connection to AWS IoT Core may have 50 subscriptions.
const (
	DefaultOperationTimeout                = time.Minute
	DefaultMaxRequestResponseSubscriptions = 20
	DefaultMaxStreamingSubscriptions       = 20
)

// Options configure a Client. The zero value of a field is its default.
type Options struct {
	// Shared makes service clients use one Client, with its subscriptions and its options; the other fields are then
	// ignored. It must be on the same awsiot.Client. nil: each service client makes its own.
	Shared *Client
	// OperationTimeout is how long a request may take, from the call to the answer, whatever it waits for meanwhile.
	// 0: 60 s; negative: no limit but that of the context.
	OperationTimeout time.Duration
	// MaxRequestResponseSubscriptions is how many filters are subscribed for answers at one time; at least 2. Those
	// that no request needs are kept until another filter wants their place. 0: 20.
	MaxRequestResponseSubscriptions int
	// MaxStreamingSubscriptions is how many filters streams may have open at one time. 0: 20; negative: none.
	MaxStreamingSubscriptions int
	// Logger gets what no caller can be told: messages that are not what a service documents. nil: slog.Default().
	Logger *slog.Logger
}

// Validate returns every problem, joined; each is an *awsiot.ValidationError. A Client with wrong options
// fails every call with it.
func (o Options) Validate() error {
	if o.Shared != nil {
		return nil
	}
	if n := o.MaxRequestResponseSubscriptions; n < 0 || n == 1 {
		return errors.Join(invalid("MaxRequestResponseSubscriptions", "%d; it must be at least 2: some operations have two filters", n))
	}
	return nil
}

func (o Options) withDefaults() Options {
	o.OperationTimeout = cmp.Or(o.OperationTimeout, DefaultOperationTimeout)
	o.MaxRequestResponseSubscriptions = cmp.Or(o.MaxRequestResponseSubscriptions, DefaultMaxRequestResponseSubscriptions)
	o.MaxStreamingSubscriptions = max(0, cmp.Or(o.MaxStreamingSubscriptions, DefaultMaxStreamingSubscriptions))
	return o
}

// Of returns the Client that a service client on c uses: o.Shared, or a new one, which owned reports.
func (o Options) Of(c *awsiot.Client) (client *Client, owned bool) {
	if o.Shared == nil {
		return New(c, o), true
	}
	if o.Shared.c != c {
		client = New(c, Options{})
		client.bad = invalid("Shared", "is on another awsiot.Client")
		return client, true
	}
	return o.Shared, false
}

// Malformed logs a message that is not what a service documents, where no caller can be told.
func (c *Client) Malformed(operation string, m *awsiot.Message, err error) {
	l := c.o.Logger
	if l == nil {
		l = slog.Default()
	}
	l.Warn("message is not what the service documents", slog.String("operation", operation), slog.String("topic", m.Topic), slog.Any("error", err))
}
