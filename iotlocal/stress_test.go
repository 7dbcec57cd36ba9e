package iotlocal_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	p5 "github.com/eclipse/paho.golang/packets"

	"github.com/portage-iot/awsiot/iotlocal"
)

// Publishers and subscribers whose connections are cut again and again: every
// QoS 1 message that was acknowledged arrives, first arrivals in order, and the
// client's receive maximum holds throughout.
func TestNothingIsLostOverCuts(t *testing.T) {
	const publishers, subscribers, messages, window = 3, 3, 300, 5
	bubble(t, iotlocal.Options{}, func(e *env) {
		ctx, cancel := context.WithCancel(context.Background())
		var subs, pubs, cuts sync.WaitGroup
		ready := make(chan struct{}, subscribers)
		for i := range subscribers {
			subs.Go(func() { subscriber(e, fmt.Sprint("sub", i), publishers, messages, window, ready) })
		}
		for range subscribers {
			<-ready
		}
		for i := range publishers {
			pubs.Go(func() { publisher(e, fmt.Sprint("pub", i), fmt.Sprint("s/", i), messages) })
		}
		cuts.Go(func() {
			rng := rand.New(rand.NewPCG(7, 7))
			for n := 0; ctx.Err() == nil; n++ {
				time.Sleep(time.Duration(rng.IntN(40)) * time.Millisecond)
				e.srv.Faults().Cut(fmt.Sprint([]string{"sub", "pub"}[n%2], rng.IntN(3)))
			}
		})
		pubs.Wait()
		subs.Wait()
		cancel()
		cuts.Wait()
	})
}

// redial connects until it succeeds; nil when the connection broke meanwhile.
func redial(e *env, id string, window uint16) *raw {
	nc, err := e.nw.Dial(context.Background(), "tcp", net.JoinHostPort(e.srv.Host(), strconv.Itoa(e.srv.TCPPort())))
	if err != nil {
		return nil
	}
	r := &raw{t: e.t, nc: nc, id: id}
	c := connect5(id)
	persistent(c)
	c.Properties.ReceiveMaximum = &window
	if _, err := c.WriteTo(nc); err != nil {
		return nil
	}
	if _, err := r.tryRead(); err != nil {
		return nil
	}
	return r
}

func publisher(e *env, id, topic string, messages int) {
	var r *raw
	for i := 0; i < messages; {
		if r == nil {
			time.Sleep(time.Millisecond)
			r = redial(e, id, 10)
			continue
		}
		time.Sleep(time.Millisecond)
		if _, err := pub5(topic, strconv.Itoa(i), 1, 1).WriteTo(r.nc); err != nil {
			r = nil
			continue
		}
		p, err := r.tryRead()
		if err != nil {
			r = nil // whether it was taken is unknown: again
			continue
		}
		if a, ok := p.(*p5.Puback); !ok || a.ReasonCode != 0 {
			e.t.Errorf("%s: %v", id, p)
			return
		}
		i++
	}
	r.nc.Close()
}

func subscriber(e *env, id string, publishers, messages, window int, ready chan<- struct{}) {
	next := map[string]int{} // by topic: the message that must come first
	var r *raw
	var unacked []uint16
	subscribed, done := false, 0
	for done < publishers {
		if r == nil {
			time.Sleep(time.Millisecond)
			r, unacked = redial(e, id, uint16(window)), nil
			continue
		}
		if !subscribed {
			s := &p5.Subscribe{PacketID: 1, Properties: &p5.Properties{}, Subscriptions: []p5.SubOptions{{Topic: "s/+", QoS: 1}}}
			if _, err := s.WriteTo(r.nc); err != nil {
				r = nil
				continue
			}
			if _, err := r.tryRead(); err != nil {
				r = nil
				continue
			}
			subscribed = true
			ready <- struct{}{}
		}
		p, err := r.tryRead()
		if err != nil {
			r = nil
			continue
		}
		m, ok := p.(*p5.Publish)
		if !ok {
			e.t.Errorf("%s: %v", id, p)
			return
		}
		n, _ := strconv.Atoi(string(m.Payload))
		switch {
		case n > next[m.Topic]:
			e.t.Errorf("%s: %s has %d, expected %d", id, m.Topic, n, next[m.Topic])
			return
		case n == next[m.Topic]:
			if next[m.Topic]++; next[m.Topic] == messages {
				done++
			}
		}
		if unacked = append(unacked, m.PacketID); len(unacked) > window {
			e.t.Errorf("%s: %d unacknowledged, allowed are %d", id, len(unacked), window)
			return
		}
		if len(unacked) == window || rand.IntN(2) == 0 || done == publishers || next[m.Topic] == messages {
			for _, a := range unacked {
				if _, err := (&p5.Puback{PacketID: a, Properties: &p5.Properties{}}).WriteTo(r.nc); err != nil {
					break
				}
			}
			unacked = nil
		}
	}
	r.nc.Close()
}
