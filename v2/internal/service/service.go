// Package service makes the calls of a service client out of a table: an
// Operation or an Event is declared once, and gives the calls of both
// generations of AWS's service clients, their twins that return a future, and
// the streams.
package service

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/internal/jsonobj"
	"github.com/portage-iot/awsiot/v2/reqresp"
)

// Names are what a topic is built from: a thing, a shadow, a job. Checked.
type Names [3]string

// Common is what every request has.
type Common struct {
	Names Names
	Token string // ClientToken; "": a new one
	// EmptyToken says that a body has the token also when it is "".
	EmptyToken bool
	Document   []byte        // the whole body, in place of the other fields
	Mixed      string        // the name of a field that was set beside Document; "": none
	Timeout    time.Duration // 0: Options.OperationTimeout
}

// Require checks a field that must be set, unless Document is the body; then it must not be.
func (m *Common) Require(field, value string) error {
	if value != "" {
		m.Mixed = field
	} else if m.Document == nil {
		return &awsiot.ValidationError{Field: field, Problem: "is empty"}
	}
	return nil
}

// Operation is one row of a service's table.
type Operation[Req, Resp any] struct {
	Name       string             // as "iotshadow.GetShadow"
	Topic      func(Names) string // of the request
	Answers    func(topic string) (accepted, rejected string)
	Wildcard   bool // the answers share one filter, with + for the last level; else each has its own
	Token      bool // answers carry the token of the request
	Repeatable bool // it changes nothing
	Common     func(*Req) (Common, error)
	Encode     func(*jsonobj.Writer, *Req)
	Decode     func(topic string, payload []byte, to *Resp) error
	Refusal    func(payload []byte) error // the typed error of a rejected answer
}

// tokenMember is where AWS's services have the token.
const tokenMember = "clientToken"

// Suffixed returns the topics of answers as most services have them: TOPIC/accepted and TOPIC/rejected.
func Suffixed(topic string) (accepted, rejected string) {
	return topic + "/accepted", topic + "/rejected"
}

// route is what the topics of an operation with certain names are.
type route struct {
	topic, accepted, rejected string
	filters                   []string
	replies                   []reqresp.Reply
}

func (o *Operation[Req, Resp]) route(n Names) *route {
	r := &route{topic: o.Topic(n)}
	r.accepted, r.rejected = o.Answers(r.topic)
	r.filters = []string{r.accepted, r.rejected}
	if o.Wildcard {
		r.filters = []string{r.accepted[:strings.LastIndexByte(r.accepted, '/')] + "/+"}
	}
	path := ""
	if o.Token {
		path = tokenMember
	}
	r.replies = []reqresp.Reply{{Topic: r.accepted, TokenPath: path}, {Topic: r.rejected, TokenPath: path}}
	return r
}

// Client is what a service client is made of.
type Client struct {
	*reqresp.Client
	owned bool

	mu     sync.Mutex
	routes map[routeKey]*route
}

type routeKey struct {
	operation string
	names     Names
}

// maxRoutes bounds the topics that are kept; a device that sees many jobs builds them again.
const maxRoutes = 256

// NewClient returns the client of a service on c.
func NewClient(c *awsiot.Client, o reqresp.Options) *Client {
	rr, owned := o.Of(c)
	return &Client{Client: rr, owned: owned, routes: map[routeKey]*route{}}
}

// Close closes what the client does not share.
func (c *Client) Close() error {
	if !c.owned {
		return nil
	}
	return c.Client.Close()
}

// lookup returns the topics of o for the names n.
func lookup[Req, Resp any](c *Client, o *Operation[Req, Resp], n Names) *route {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := routeKey{o.Name, n}
	r := c.routes[key]
	if r == nil {
		if len(c.routes) >= maxRoutes {
			clear(c.routes)
		}
		r = o.route(n)
		c.routes[key] = r
	}
	return r
}

// fail wraps the cause of a failed call.
func (o *Operation[Req, Resp]) fail(topic, token string, err error) error {
	return &reqresp.Error{Operation: o.Name, Topic: topic, Token: token, Err: err}
}

// Missing returns the error of a field that is not set, or wrong.
func Missing(field string, err error) error {
	return &awsiot.ValidationError{Field: field, Problem: err.Error()}
}

// common checks what every call checks.
func (o *Operation[Req, Resp]) common(r *Req) (Common, error) {
	if r == nil {
		return Common{}, &awsiot.ValidationError{Field: "request", Problem: "is nil"}
	}
	m, err := o.Common(r)
	if err == nil && m.Document != nil && m.Mixed != "" {
		err = &awsiot.ValidationError{Field: m.Mixed, Problem: "is set beside Document, which is the whole body"}
	}
	if err == nil && len(m.Token) > MaxTokenBytes {
		err = &awsiot.ValidationError{Field: "ClientToken", Problem: fmt.Sprintf("%d bytes; at most %d are allowed", len(m.Token), MaxTokenBytes)}
	}
	return m, err
}

// MaxTokenBytes is the longest token that AWS's services take.
const MaxTokenBytes = 64

// body returns the payload of a request.
func (o *Operation[Req, Resp]) body(r *Req, m *Common, token string) ([]byte, error) {
	if m.Document != nil {
		var body []byte
		err := jsonobj.Check(m.Document)
		switch {
		case err != nil:
		case !o.Token || token == "":
			body = m.Document
		default:
			body, err = jsonobj.Set(m.Document, tokenMember, token)
		}
		if err != nil {
			return nil, &awsiot.ValidationError{Field: "Document", Problem: err.Error()}
		}
		return body, checkSize(body)
	}
	var w jsonobj.Writer
	o.Encode(&w, r)
	if o.Token {
		if m.EmptyToken && token == "" {
			w.Any(tokenMember, token)
		}
		w.String(tokenMember, token)
	}
	body, err := w.Bytes()
	if err != nil {
		return nil, &awsiot.ValidationError{Field: "request", Problem: err.Error()}
	}
	return body, checkSize(body)
}

// maxPayload is what AWS IoT Core takes in one message.
const maxPayload = 128 << 10

func checkSize(body []byte) error {
	if len(body) > maxPayload {
		return &awsiot.ValidationError{Field: "request", Problem: fmt.Sprintf("%d bytes; AWS IoT Core takes at most %d in one message", len(body), maxPayload)}
	}
	return nil
}

// request prepares a call of the second generation.
func (o *Operation[Req, Resp]) request(c *Client, r *Req) (*reqresp.Request, *route, error) {
	m, err := o.common(r)
	if err != nil {
		return nil, nil, o.fail("", m.Token, err)
	}
	way := lookup(c, o, m.Names)
	token := ""
	if o.Token {
		if token = m.Token; token == "" {
			token = c.Token()
		}
	}
	body, err := o.body(r, &m, token)
	if err != nil {
		return nil, nil, o.fail(way.topic, token, err)
	}
	return &reqresp.Request{Operation: o.Name, Topic: way.topic, Payload: body, Filters: way.filters, Replies: way.replies,
		Token: token, Timeout: m.Timeout, Repeatable: o.Repeatable}, way, nil
}

// answer turns a response into a model or an error.
func (o *Operation[Req, Resp]) answer(q *reqresp.Request, way *route, res *reqresp.Response) (*Resp, error) {
	if res.Topic == way.rejected {
		return nil, o.fail(q.Topic, q.Token, o.Refusal(res.Payload))
	}
	to := new(Resp)
	if err := o.Decode(res.Topic, res.Payload, to); err != nil {
		return nil, &reqresp.Error{Operation: o.Name, Topic: q.Topic, Token: q.Token, Payload: res.Payload, Err: fmt.Errorf("%w: %w", reqresp.ErrMalformed, err)}
	}
	return to, nil
}

// Call makes a request and waits for its answer.
func (o *Operation[Req, Resp]) Call(ctx context.Context, c *Client, r *Req) (*Resp, error) {
	q, way, err := o.request(c, r)
	if err != nil {
		return nil, err
	}
	res, err := c.Do(ctx, q)
	if err != nil {
		return nil, err
	}
	return o.answer(q, way, res)
}

// Async is Call without the wait.
func (o *Operation[Req, Resp]) Async(c *Client, r *Req) *awsiot.Future[*Resp] {
	f, complete := awsiot.NewFuture[*Resp](c.Client.Client())
	q, way, err := o.request(c, r)
	if err != nil {
		complete(nil, err)
		return f
	}
	c.DoFunc(q, func(res *reqresp.Response, err error) {
		var to *Resp
		if err == nil {
			to, err = o.answer(q, way, res)
		}
		complete(to, err)
	})
	return f
}

// Publish is the first generation's request: it ends with the PUBACK, or at QoS 0 when it was written.
func (o *Operation[Req, Resp]) Publish(ctx context.Context, c *Client, r *Req, qos awsiot.QoS) error {
	_, err := o.publish(ctx, c.Client.Client(), r, qos, false)
	return err
}

// PublishOn is Publish without a service client, with the result of the publish. It names the token also when it is empty,
// as the SDKs v1 did.
func (o *Operation[Req, Resp]) PublishOn(ctx context.Context, c *awsiot.Client, r *Req, qos awsiot.QoS) (awsiot.PublishResult, error) {
	return o.publish(ctx, c, r, qos, true)
}

func (o *Operation[Req, Resp]) publish(ctx context.Context, c *awsiot.Client, r *Req, qos awsiot.QoS, emptyToken bool) (awsiot.PublishResult, error) {
	m, err := o.common(r)
	m.EmptyToken = emptyToken
	if err != nil {
		return awsiot.PublishResult{}, o.fail("", m.Token, err)
	}
	topic := o.Topic(m.Names)
	body, err := o.body(r, &m, m.Token)
	if err != nil {
		return awsiot.PublishResult{}, o.fail(topic, m.Token, err)
	}
	res, err := c.Publish(ctx, &awsiot.PublishPacket{Topic: topic, Payload: body, QoS: qos})
	if err != nil {
		err = o.fail(topic, m.Token, err)
	}
	return res, err
}

// Accepted is the first generation's subscription to the answers of the operation.
func (o *Operation[Req, Resp]) Accepted(ctx context.Context, c *Client, n Names, bad error, qos awsiot.QoS, h func(*Resp)) (*reqresp.Subscription, error) {
	if bad == nil && h == nil {
		bad = &awsiot.ValidationError{Field: "handler", Problem: "is nil"}
	}
	if bad != nil {
		return nil, o.fail("", "", bad)
	}
	return c.Subscribe(ctx, o.Name, lookup(c, o, n).accepted, qos, func(m *awsiot.Message) {
		to := new(Resp)
		if err := o.Decode(m.Topic, m.Payload, to); err != nil {
			c.Malformed(o.Name, m, err)
			return
		}
		h(to)
	})
}

// Rejected is the first generation's subscription to the refusals of the operation.
func Rejected[Req, Resp any, E error](ctx context.Context, c *Client, o *Operation[Req, Resp], n Names, bad error, qos awsiot.QoS, h func(E)) (*reqresp.Subscription, error) {
	if bad == nil && h == nil {
		bad = &awsiot.ValidationError{Field: "handler", Problem: "is nil"}
	}
	if bad != nil {
		return nil, o.fail("", "", bad)
	}
	return c.Subscribe(ctx, o.Name, lookup(c, o, n).rejected, qos, func(m *awsiot.Message) {
		err := o.Refusal(m.Payload)
		if e, ok := errors.AsType[E](err); ok {
			h(e)
			return
		}
		c.Malformed(o.Name, m, err)
	})
}
