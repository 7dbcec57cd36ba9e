package iotlocal

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/portage-iot/awsiot/iotlocal/broker"
)

// presence publishes the lifecycle events (AWS IoT developer guide, "Lifecycle events"): who comes and goes, and what is
// subscribed to.
type presence struct {
	clock   *Clock
	publish func(*broker.Message) int

	mu      sync.Mutex
	clients map[string]*visits         // by client id
	live    map[*broker.Client]session // of the connections
	swept   time.Time
}

// visits counts the connections of a client id.
type visits struct {
	version int64 // of the last one
	live    int
	left    time.Time
}

// session is what the events of one connection have in common.
type session struct {
	id      string
	version int64
}

// versionLife is how long a client must be away before its versions begin at 0 again; AWS says about an hour.
const versionLife = time.Hour

func newPresence(k *Clock) *presence {
	return &presence{clock: k, clients: map[string]*visits{}, live: map[*broker.Client]session{}}
}

// lifecycleEvent is what AWS publishes, its members in the order of the guide's examples.
type lifecycleEvent struct {
	ClientID  string   `json:"clientId"`
	Timestamp int64    `json:"timestamp"` // milliseconds
	EventType string   `json:"eventType"`
	Session   string   `json:"sessionIdentifier"`
	Principal string   `json:"principalIdentifier"`
	ByClient  *bool    `json:"clientInitiatedDisconnect,omitempty"`
	Reason    string   `json:"disconnectReason,omitempty"`
	IPAddress string   `json:"ipAddress,omitempty"`
	Version   *int64   `json:"versionNumber,omitempty"`
	Topics    []string `json:"topics,omitempty"`

	parent string // of EventType in the topic
}

// send publishes an event. A client id with a wildcard has none: its topic would be a filter.
func (p *presence) send(c *broker.Client, e lifecycleEvent) {
	if strings.ContainsAny(c.ID, "+#") {
		return
	}
	e.ClientID, e.Timestamp, e.Principal = c.ID, p.clock.Now().UnixMilli(), principalOf(c)
	if d, ok := c.Custom.(*authorized); ok {
		e.Principal = d.who()
	}
	text, err := json.Marshal(e)
	if err != nil {
		return // it has nothing that could not be written
	}
	p.publish(&broker.Message{Topic: "$aws/events/" + e.parent + "/" + e.EventType + "/" + c.ID, Payload: text, QoS: 1})
}

func (p *presence) connected(c *broker.Client) {
	now := p.clock.Now()
	p.mu.Lock()
	p.forget(now)
	v := p.clients[c.ID]
	if v == nil {
		v = &visits{version: -1}
		p.clients[c.ID] = v
	}
	v.version++
	v.live++
	s := session{newSessionID(), v.version}
	p.live[c] = s
	p.mu.Unlock()
	ip := c.RemoteAddr
	if host, _, err := net.SplitHostPort(ip); err == nil {
		ip = host
	}
	p.send(c, lifecycleEvent{parent: "presence", EventType: "connected", Session: s.id, IPAddress: ip, Version: &s.version})
}

// forget drops the counts of clients that were away for long, now and then. The lock is held.
func (p *presence) forget(now time.Time) {
	if now.Sub(p.swept) < versionLife/4 {
		return
	}
	p.swept = now
	for id, v := range p.clients {
		if v.live == 0 && now.Sub(v.left) >= versionLife {
			delete(p.clients, id)
		}
	}
}

func newSessionID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails since Go 1.24
	return hex.EncodeToString(b[:])
}

// disconnectReasons are AWS's words for the ends of connections.
var disconnectReasons = map[broker.Cause]string{
	broker.ClientDisconnected: "CLIENT_INITIATED_DISCONNECT", broker.ConnectionLost: "CONNECTION_LOST",
	broker.KeepAliveExpired: "MQTT_KEEP_ALIVE_TIMEOUT", broker.ClientError: "CLIENT_ERROR", broker.NotPermitted: "FORBIDDEN_ACCESS",
	broker.DuplicateClientID: "DUPLICATE_CLIENTID", broker.Kicked: "SERVER_INITIATED_DISCONNECT", broker.AuthorizerExpired: "CUSTOMAUTH_TTL_EXPIRATION",
}

func (p *presence) disconnected(c *broker.Client, cause broker.Cause) {
	p.mu.Lock()
	s, ok := p.live[c]
	delete(p.live, c)
	if v := p.clients[c.ID]; ok && v != nil {
		v.live--
		v.left = p.clock.Now()
	}
	p.mu.Unlock()
	if !ok || cause == broker.Shutdown {
		return // nobody is left who could hear it
	}
	reason := disconnectReasons[cause]
	if reason == "" {
		reason = "UNKNOWN"
	}
	byClient := cause == broker.ClientDisconnected
	p.send(c, lifecycleEvent{parent: "presence", EventType: "disconnected", Session: s.id, ByClient: &byClient, Reason: reason, Version: &s.version})
}

func (p *presence) subscribed(c *broker.Client, filters []string) {
	p.topics(c, "subscribed", filters)
}

func (p *presence) unsubscribed(c *broker.Client, filters []string) {
	p.topics(c, "unsubscribed", filters)
}

func (p *presence) topics(c *broker.Client, what string, filters []string) {
	p.mu.Lock()
	s := p.live[c]
	p.mu.Unlock()
	p.send(c, lifecycleEvent{parent: "subscriptions", EventType: what, Session: s.id, Topics: filters})
}
