package v1compat

import (
	"reflect"
	"runtime"
	"sync"
	"weak"

	awsiot "github.com/portage-iot/awsiot/v2"
)

// FromV2 gives v1's shape to an awsiot.Client, for a program that is half
// migrated: both sides share one connection and one session. It is the same client
// for the same awsiot.Client, from wherever it is called, as long as that lives, and
// FromV2(c.V2()) is c. From the first call on it follows the events of the
// awsiot.Client, whoever connects it.
//
// What the options of the awsiot.Client say counts here: AckTimeout is the wait of
// Publish, Subscribe and Unsubscribe, ConnackTimeout that of Connect and Disconnect,
// OfflineQueue the queue. Configure calls change these options (Client.Update); what
// Update refuses is logged at the call and returned by the next Connect. Operations
// made here outlive their wait, AckTimeout, Disconnect and Stop, as v1's did; those
// of the awsiot.Client end with ErrStopped. Connect starts the awsiot.Client, or ends
// its connection and makes a new one, as v1 did; it keeps the keep-alive unless it is
// given one. Disconnect stops it for both sides, and its Stop is Disconnect here.
// Unsubscribing on either side removes the callbacks of both. The awsiot.Client is
// never closed from here: whoever made it closes it.
//
// Of opts only WithQuirks and WithStrictV1 count; given later, they replace the
// former ones.
//
// Deprecated: use the awsiot.Client itself.
func FromV2(client *awsiot.Client, opts ...ClientOption) *AWSIoTMQTTClient {
	if client == nil { // operations go to a client of its own, which is never connected
		c := newClient(defaultSettings("(v2)"), nil)
		c.problems = append(c.problems, &ConfigureError{Call: "FromV2", Err: &TypeError{Message: "the client is nil"}})
		return c
	}
	c := facades.of(client)
	if len(opts) > 0 {
		var s settings
		s.apply(opts)
		c.setQuirks(s.quirks)
	}
	return c
}

// registry knows the facade of every awsiot.Client that has one. It keeps neither alive: a client holds its facade, which
// observes it, and that holds the client, so that both go together.
type registry struct {
	mu sync.Mutex
	by map[weak.Pointer[awsiot.Client]]weak.Pointer[AWSIoTMQTTClient]
}

var facades = registry{by: map[weak.Pointer[awsiot.Client]]weak.Pointer[AWSIoTMQTTClient]{}}

// of returns the facade of client, made if need be.
func (r *registry) of(client *awsiot.Client) *AWSIoTMQTTClient {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c := r.by[weak.Make(client)].Value(); c != nil {
		return c
	}
	o := client.Options()
	s := defaultSettings(o.ClientID)
	s.websocket = !usesCertificate(o.Auth)
	c := newClient(s, client)
	r.enter(c)
	c.mu.Lock()
	defer c.mu.Unlock()
	if client.State() == awsiot.StateConnected { // that event may be over; its end is still to come
		c.life.online = true
	}
	return c
}

// usesCertificate reports whether auth is one of the two that v1 had without a websocket.
func usesCertificate(auth awsiot.Auth) bool {
	t := reflect.TypeOf(auth)
	return t == nil || t == reflect.TypeOf(awsiot.PlainTCP()) || t == reflect.TypeOf(awsiot.MTLSFromPath("c", "k"))
}

// add enters the facade of a client that nobody else has yet.
func (r *registry) add(c *AWSIoTMQTTClient) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.enter(c)
}

func (r *registry) enter(c *AWSIoTMQTTClient) {
	key := weak.Make(c.core)
	r.by[key] = weak.Make(c)
	runtime.AddCleanup(c.core, func(key weak.Pointer[awsiot.Client]) {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.by, key)
	}, key)
	c.core.Observe(c.observer())
}

// len is how many clients are known.
func (r *registry) len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.by)
}
