package v1compat_test

// The driver: the recorded program. It makes the recorded calls on the facades, on the main thread or inside the
// callbacks in which they were made.

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/portage-iot/awsiot/shadowcompat"
	"github.com/portage-iot/awsiot/v1compat"
)

// trQuirks is how the clients of a replay are made.
type trQuirks struct {
	strict  bool
	wrapped bool // through FromV2
}

// trDriver is the recorded program.
type trDriver struct {
	w        *trWorld
	client   *v1compat.AWSIoTMQTTClient
	all      []*v1compat.AWSIoTMQTTClient
	shadow   *shadowcompat.AWSIoTMQTTShadowClient
	handlers map[string]*shadowcompat.ShadowHandler
	handler  *shadowcompat.ShadowHandler

	// of a replay through FromV2
	wrapped    map[*v1compat.AWSIoTMQTTClient]bool // made so
	configured []*trArgs                           // what the next one is configured with
	jobs       trJobs

	discovery trDiscovery

	// what the recording configured on client, to tell one object from the next: the recorder names classes only
	credentials, used bool
	logged            bool           // the constructors of this class are recorded, so there is nothing to tell
	connected         bool           // client was, by itself
	heard             map[string]int // callbacks by name
}

// run makes the calls of the main thread, each in its time.
func (d *trDriver) run() {
	for _, c := range d.w.rec.Calls {
		if !c.main() {
			continue
		}
		if c.Method != "" && c.Thread != "" {
			d.w.until("program", c.Seq, c.T, c.String())
			time.Sleep(time.Millisecond) // lets what the last stimulus caused come to rest
			d.w.mark(c.Seq)
		}
		d.w.doing("program", "is in "+c.String())
		done := make(chan struct{})
		go func() { defer close(done); d.perform(c) }()
		select {
		case <-done:
		case <-time.After(trPatience):
			d.w.diff("%v: never returned", c)
			d.w.mark(c.EndSeq)
			return
		}
		d.w.mark(c.EndSeq)
	}
	d.w.doing("program", "has finished")
}

// perform makes one call and notes how it ended.
func (d *trDriver) perform(c *trCall) {
	d.w.mu.Lock()
	d.w.inside[c] = true
	d.w.mu.Unlock()
	start := time.Now()
	value, err := d.invoke(c)
	took := time.Since(start)
	var text string
	switch v := value.(type) {
	case inexpressible:
		text = unsaidPrefix + string(v)
	case shadowToken:
		time.Sleep(time.Millisecond) // the peer names tokens
		text = "returns " + quote(d.w.named(string(v)))
	default:
		text = "returns " + quote(v)
	}
	if err != nil {
		r := raised(err)
		text = "raises " + r.Type + ": " + r.Message
	}
	d.w.mu.Lock()
	if mid, ok := value.(v1compat.Mid); ok && err == nil {
		text = "returns " + quote(mid.String())
		if mid > 0 {
			text = `returns "<mid>"`
			d.w.mids[c.ReturnsRef] = int(mid)
		}
	}
	d.w.outcomes[c] = text
	delete(d.w.inside, c)
	d.w.took[c] = took
	d.w.mu.Unlock()
}

// inexpressible is an argument that Go's types do not take; such a call is not made.
type inexpressible string

const unsaidPrefix = "cannot be said in Go: "

// shadowToken is the result of a shadow request.
type shadowToken string

func quote(v any) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(v) // a Builder takes everything, and v came out of JSON or is a string
	return strings.TrimSuffix(b.String(), "\n")
}

// options are the constructor's.
func (d *trDriver) options(c *trCall) []v1compat.ClientOption {
	var opts []v1compat.ClientOption
	if d.w.quirks.strict {
		opts = append(opts, v1compat.WithStrictV1())
	}
	if p, ok := c.Kwargs["protocolType"].(float64); ok {
		opts = append(opts, v1compat.WithProtocolType(v1compat.ProtocolType(p)))
	}
	if clean, ok := c.Kwargs["cleanSession"].(bool); ok {
		opts = append(opts, v1compat.WithCleanSession(clean))
	}
	if d.w.rec.websocket() {
		opts = append(opts, v1compat.WithWebsocket(true))
	}
	return opts
}

// nextID is the client id of the next CONNECT: objects whose constructor is not in the recording.
func (d *trDriver) nextID(seq float64) string {
	id := "v1client"
	for _, p := range d.w.rec.Packets {
		if p.Type == "CONNECT" {
			id = p.ClientID
			if p.Seq > seq {
				return id
			}
		}
	}
	return id
}

// prepare does what the recording program did to an object before it began to record: the address, and credentials
// when the connection is TLS.
func (d *trDriver) prepare(c *v1compat.AWSIoTMQTTClient, seq float64) {
	c.ConfigureEndpoint("localhost", 8883)
	c.ConfigureSocketFactory(d.w.dial)
	for _, p := range d.w.rec.Packets {
		if p.Seq > seq && p.Type == "TRANSPORT_OPEN" {
			if p.TLS {
				c.ConfigureCredentials(d.w.certs.path("<certs>/ca.pem"), d.w.certs.path("<certs>/client.key"), d.w.certs.path("<certs>/client.pem"))
			}
			return
		}
	}
}

// newClient makes the object of class AWSIoTMQTTClient that the following calls are about.
func (d *trDriver) newClient(id string, c *trCall, ready bool) {
	d.client = v1compat.NewAWSIoTMQTTClient(id, d.options(c)...)
	d.all = append(d.all, d.client)
	d.credentials, d.used, d.connected = false, false, false
	if ready {
		d.prepare(d.client, c.Seq)
	} else {
		d.client.ConfigureSocketFactory(d.w.dial)
	}
}

// object makes sure that the object of call c is there. A class is all the recorder says, so the calls tell: a program
// configures an object once, before it uses it.
func (d *trDriver) object(c *trCall) {
	switch c.Object {
	case "AWSIoTMQTTClient":
		configures := c.Method == "configureEndpoint" || c.Method == "configureCredentials"
		switch {
		case d.client != nil && d.logged:
		case d.client == nil, c.Method == "configureEndpoint" && (d.used || d.credentials), c.Method == "configureCredentials" && d.credentials:
			d.newClient(d.nextID(c.Seq), c, !configures)
		}
		d.connected = d.connected || strings.HasPrefix(c.Method, "connect")
		d.credentials = d.credentials || c.Method == "configureCredentials"
		d.used = d.used || !strings.HasPrefix(c.Method, "configure") && c.Assign == ""
	case "AWSIoTMQTTShadowClient":
		if d.shadow == nil {
			d.newShadow(d.nextID(c.Seq), c)
		}
	}
}

func (d *trDriver) newShadow(id string, c *trCall) {
	// A client that was made and not connected is there for the shadow client made after it.
	if _, given := c.Kwargs["awsIoTMQTTClient"]; d.client != nil && (given || !d.connected) {
		d.shadow = shadowcompat.NewAWSIoTMQTTShadowClientWith(d.client)
		return
	}
	d.shadow = shadowcompat.NewAWSIoTMQTTShadowClient(id, d.options(c)...)
	d.all = append(d.all, d.shadow.GetMQTTConnection())
	d.prepare(d.shadow.GetMQTTConnection(), c.Seq)
}

// shadowHandler is the handler of a deviceShadow call: that of the thing in the call's packets.
func (d *trDriver) shadowHandler(c *trCall) *shadowcompat.ShadowHandler {
	for _, p := range d.w.rec.Packets {
		if p.Dir == "c2s" && p.Seq > c.Seq && (c.EndSeq == 0 || p.Seq < c.EndSeq) {
			if rest, ok := strings.CutPrefix(p.Topic, "$aws/things/"); ok {
				thing, _, _ := strings.Cut(rest, "/")
				if h := d.handlers[thing]; h != nil {
					return h
				}
			}
		}
	}
	return d.handler
}

// callback notes that a user's function ran, and does what it did in the recording: calls, waiting, an exception.
func (d *trDriver) callback(name string, args []any, kwargs map[string]any, mid int) {
	w := d.w
	w.mu.Lock()
	h := trHeard{trCallback: trCallback{Name: name, Args: args, Kwargs: kwargs}, mid: mid}
	for _, s := range w.sent {
		if strings.Contains(s.text, " UNSUBSCRIBE ") {
			h.unsubs++
		}
	}
	w.callbacks = append(w.callbacks, h)
	n := d.heard[name]
	d.heard[name]++
	var rec *trCallback
	for _, cb := range w.rec.Callbacks {
		if cb.Name == name {
			if n == 0 {
				rec = cb
				break
			}
			n--
		}
	}
	w.mu.Unlock()
	if rec == nil {
		return
	}
	for _, c := range w.rec.Calls {
		if c.after == rec {
			d.perform(c)
		}
	}
	if rec.panics {
		panic("the recorded callback raised an exception")
	}
	time.Sleep(rec.sleeps)
}

// callbackName is the name in "<callback:name>", or "" for none.
func callbackName(v any) string {
	s, _ := v.(string)
	s, _ = strings.CutPrefix(s, "<callback:")
	return strings.TrimSuffix(s, ">")
}

// message gives a message the recorder's form.
func (d *trDriver) message(m *v1compat.Message) map[string]any {
	return map[string]any{"topic": m.Topic, "payload": d.w.text(m.Payload), "qos": m.QoS, "retain": m.Retain, "dup": m.Dup, "mid": int(m.Mid)}
}

func (d *trDriver) messageCallback(v any) v1compat.MessageCallback {
	name := callbackName(v)
	if name == "" {
		return nil
	}
	return func(_ *v1compat.AWSIoTMQTTClient, _ any, m *v1compat.Message) {
		d.callback(name, []any{nil, nil, d.message(m)}, nil, 0)
	}
}

func (d *trDriver) ackMid(v any) func(v1compat.Mid) {
	name := callbackName(v)
	if name == "" {
		return nil
	}
	return func(m v1compat.Mid) { d.callback(name, nil, nil, int(m)) }
}

func (d *trDriver) ackData(v any) func(v1compat.Mid, []byte) {
	name := callbackName(v)
	if name == "" {
		return nil
	}
	return func(m v1compat.Mid, data []byte) {
		codes := []int{}
		for _, b := range data {
			codes = append(codes, int(b))
		}
		d.callback(name, nil, map[string]any{"data": codes}, int(m))
	}
}

func (d *trDriver) ackConnection(v any) func(v1compat.Mid, int) {
	name := callbackName(v)
	if name == "" {
		return nil
	}
	return func(m v1compat.Mid, data int) { d.callback(name, []any{m.String(), float64(data)}, nil, 0) }
}

func (d *trDriver) shadowCallback(v any) shadowcompat.ShadowCallback {
	name := callbackName(v)
	if name == "" {
		return nil
	}
	return func(payload, status, token string) {
		args := []any{d.w.named(payload), status, d.w.named(token)}
		if token == "" {
			args[2] = nil // a delta has none; Go has no None for a string
		}
		d.callback(name, args, nil, 0)
	}
}

// args reads the arguments of a call; what has the wrong type for Go is remembered.
type trArgs struct {
	c   *trCall
	rec *transcript
	bad string
}

func (a *trArgs) at(i int, name string) any {
	if i < len(a.c.Args) {
		return a.c.Args[i]
	}
	return a.c.Kwargs[name]
}

func (a *trArgs) wrong(i int, v any, want string) {
	if a.bad == "" {
		a.bad = fmt.Sprintf("argument %d is %s, not a %s", i+1, quote(v), want)
	}
}

func (a *trArgs) str(i int, name string) string {
	v := a.at(i, name)
	s, ok := v.(string)
	if !ok {
		a.wrong(i, v, "string")
	}
	return s
}

// text is a string, or bytes where v1 took both.
func (a *trArgs) text(i int, name string) string {
	if b, ok := recordedBytes(a.at(i, name)); ok {
		return string(b)
	}
	return a.str(i, name)
}

func (a *trArgs) num(i int, name string) float64 {
	v := a.at(i, name)
	f, ok := v.(float64)
	if !ok {
		a.wrong(i, v, "number")
	}
	return f
}

func (a *trArgs) qos(i int) byte {
	f := a.num(i, "QoS")
	if f < 0 || f > 255 || f != float64(byte(f)) {
		a.wrong(i, f, "byte")
	}
	return byte(f)
}

func (a *trArgs) flag(i int, name string) bool {
	v := a.at(i, name)
	b, ok := v.(bool)
	if !ok {
		a.wrong(i, v, "bool")
	}
	return b
}
