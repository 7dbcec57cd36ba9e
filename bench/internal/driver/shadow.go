package driver

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"sync"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/portage-iot/awsiot/v2/iotshadow"
	"github.com/portage-iot/awsiot/v2/reqresp"
)

// Update is the call of package iotshadow, as its documentation shows it.
func (d *v2) Update(ctx context.Context, thing string, state map[string]any) error {
	d.makeShadows.Do(func() { d.shadows = iotshadow.NewClient(d.c, reqresp.Options{}) })
	r, err := d.shadows.UpdateShadow(ctx, &iotshadow.UpdateShadowRequest{ThingName: thing, State: &iotshadow.ShadowState{Reported: state}})
	if err == nil && r.Version == 0 {
		err = fmt.Errorf("answer without a version: %s", r.Raw)
	}
	return err
}

// byHand is what a careful program writes on a client without a service client: it subscribes once to the answers of
// one thing, and relates them to its requests by their tokens.
type byHand struct {
	mu      sync.Mutex
	thing   string
	count   uint64
	pending map[string]chan answer
}

// answer is what it reads of an answer.
type answer struct {
	State struct {
		Reported map[string]any `json:"reported"`
	} `json:"state"`
	Version     int64  `json:"version"`
	Timestamp   int64  `json:"timestamp"`
	ClientToken string `json:"clientToken"`
	Code        int    `json:"code"`
	Message     string `json:"message"`
}

type update struct {
	State struct {
		Reported map[string]any `json:"reported"`
	} `json:"state"`
	ClientToken string `json:"clientToken"`
}

// handle gets every answer.
func (b *byHand) handle(_ mqtt.Client, m mqtt.Message) {
	var a answer
	if err := json.Unmarshal(m.Payload(), &a); err != nil {
		return
	}
	b.mu.Lock()
	c := b.pending[a.ClientToken]
	delete(b.pending, a.ClientToken)
	b.mu.Unlock()
	if c != nil {
		c <- a
	}
}

// begin subscribes when the thing is a new one, and registers a request.
func (b *byHand) begin(ctx context.Context, c mqtt.Client, thing string) (token string, done chan answer, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.thing != thing {
		topic := "$aws/things/" + thing + "/shadow/update/"
		t := c.SubscribeMultiple(map[string]byte{topic + "accepted": 1, topic + "rejected": 1}, b.handle)
		if err := await(ctx, t); err != nil {
			return "", nil, err
		}
		b.thing, b.pending = thing, map[string]chan answer{}
	}
	b.count++
	token, done = strconv.FormatUint(b.count, 10), make(chan answer, 1)
	b.pending[token] = done
	return token, done, nil
}

// Update publishes a shadow update and waits for its answer.
func (d *paho3) Update(ctx context.Context, thing string, state map[string]any) error {
	token, done, err := d.shadow.begin(ctx, d.c, thing)
	if err != nil {
		return err
	}
	u := update{ClientToken: token}
	u.State.Reported = state
	body, err := json.Marshal(u)
	if err != nil {
		return err
	}
	if err := await(ctx, d.c.Publish("$aws/things/"+thing+"/shadow/update", 1, false, body)); err != nil {
		return err
	}
	timer := time.NewTimer(time.Minute)
	defer timer.Stop()
	select {
	case a := <-done:
		if a.Code != 0 || a.Version == 0 {
			return fmt.Errorf("answer %+v", a)
		}
		return nil
	case <-timer.C:
		return fmt.Errorf("no answer to %s", token)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
