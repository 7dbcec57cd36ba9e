package sample

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/portage-iot/awsiot/shadowcompat"
	"github.com/portage-iot/awsiot/v1compat"
)

// MQTTClient is the client of the flags of ConnectionFlags with the set-up that
// all samples had: websocket and the root CA, or the root CA and the files of the
// device; backoff 1, 32 and 20 s; 10 s to connect and disconnect, 5 s for an
// operation.
func (p *Program) MQTTClient() *v1compat.AWSIoTMQTTClient {
	client := v1compat.NewAWSIoTMQTTClient(p.ClientID, v1compat.WithWebsocket(p.Websocket))
	client.ConfigureEndpoint(p.Endpoint, p.Port)
	client.ConfigureCredentials(p.RootCA, p.Key, p.Cert)
	client.ConfigureAutoReconnectBackoffTime(1, 32, 20)
	client.ConfigureConnectDisconnectTimeout(10)
	client.ConfigureMQTTOperationTimeout(5)
	return client
}

// PubSubClient is MQTTClient with the offline queue of the pub/sub samples: no
// limit, drained at 2 Hz.
func (p *Program) PubSubClient() *v1compat.AWSIoTMQTTClient {
	client := p.MQTTClient()
	client.ConfigureOfflinePublishQueueing(-1)
	client.ConfigureDrainingFrequency(2)
	return client
}

// ShadowClient is MQTTClient for shadows.
func (p *Program) ShadowClient() *shadowcompat.AWSIoTMQTTShadowClient {
	client := shadowcompat.NewAWSIoTMQTTShadowClient(p.ClientID, v1compat.WithWebsocket(p.Websocket))
	client.ConfigureEndpoint(p.Endpoint, p.Port)
	client.ConfigureCredentials(p.RootCA, p.Key, p.Cert)
	client.ConfigureAutoReconnectBackoffTime(1, 32, 20)
	client.ConfigureConnectDisconnectTimeout(10)
	client.ConfigureMQTTOperationTimeout(5)
	return client
}

// Message is the JSON text that the pub/sub samples publish.
func Message(text string, sequence int) (string, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(struct {
		Message  string `json:"message"`
		Sequence int    `json:"sequence"`
	}{text, sequence}); err != nil {
		return "", err
	}
	return string(bytes.TrimSpace(b.Bytes())), nil
}

// echoTime is how long Await gives what must come.
const echoTime = 10 * time.Second

// Tally counts what callbacks see, so that a sample that ends by itself does not
// end before the last of it. One goroutine waits, any number add.
type Tally struct {
	n    atomic.Int64
	news chan struct{}
}

// NewTally returns a count of nothing.
func NewTally() *Tally { return &Tally{news: make(chan struct{}, 1)} }

// Add counts one more. It never blocks.
func (t *Tally) Add() {
	t.n.Add(1)
	select {
	case t.news <- struct{}{}:
	default:
	}
}

// Reach waits until n are counted; for n of 0, until the end of ctx. It reports
// whether they are.
func (t *Tally) Reach(ctx context.Context, n int) bool {
	for n == 0 || t.n.Load() < int64(n) {
		select {
		case <-ctx.Done():
			return false
		case <-t.news:
		}
	}
	return true
}

// Await is Reach for n that must come within 10 s: it is an error when they do
// not. The end of ctx, Ctrl-C, is none. what names them.
func (t *Tally) Await(ctx context.Context, n int, what string) error {
	limit, cancel := context.WithTimeout(ctx, echoTime)
	defer cancel()
	if n > 0 && !t.Reach(limit, n) && ctx.Err() == nil {
		return fmt.Errorf("%d of %d %s within %v", t.n.Load(), n, what, echoTime)
	}
	return nil
}
