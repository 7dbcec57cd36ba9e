package awsiot_test

import (
	"context"
	"errors"
	"iter"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eclipse/paho.golang/packets"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// The body of a loop over Messages may stop and close the client, at once, with one lane and with two; a message that it has not
// finished then is not acknowledged.
func TestStopAndCloseInALoopOverMessages(t *testing.T) {
	for _, tt := range []struct {
		name string
		call func(*awsiot.Client, context.Context) error
		err  error // that the loop goes on with, if it does
	}{
		{"Stop", func(c *awsiot.Client, ctx context.Context) error { return c.Stop(ctx, nil) }, nil},
		{"Drain", (*awsiot.Client).Drain, nil},
		{"Close", func(c *awsiot.Client, _ context.Context) error { return c.Close() }, awsiot.ErrClosed},
	} {
		for _, serial := range []bool{true, false} {
			for _, goesOn := range []bool{true, false} {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t, func(o *awsiot.ClientOptions) { o.SerialCallbacks = serial })
					acked := make(chan uint16, 8)
					w.serve(nil, func(p *peer, v packets.Packet) {
						p.answer(v)
						switch v := v.(type) {
						case *packets.Subscribe:
							p.reply(publish("t", "1", 1), publish("t", "2", 2), publish("t", "3", 3))
						case *packets.Puback:
							acked <- v.PacketID
						}
					})
					if err := w.client.StartAndWait(t.Context()); err != nil {
						t.Fatal(err)
					}
					began, n := time.Now(), 0
					for m, err := range w.client.Messages(within(time.Minute), filters(nil, "t")) {
						if n++; n == 2 {
							if !w.client.InCallback() {
								t.Errorf("%s: the body is not in a callback", tt.name)
							}
							if err := tt.call(w.client, t.Context()); err != nil || time.Since(began) != 0 {
								t.Errorf("%s, serial %v: %v after %v", tt.name, serial, err, time.Since(began))
							}
							if !goesOn {
								break
							}
						}
						if err != nil {
							if want := tt.err; want != nil && !errors.Is(err, want) || want == nil && !errors.Is(err, context.DeadlineExceeded) {
								t.Errorf("%s: %v", tt.name, err)
							}
						} else if n > 2 && tt.err != nil {
							t.Errorf("%s: message %s afterwards", tt.name, m.Payload)
						}
					}
					if w.client.InCallback() {
						t.Error("behind the loop is in a callback")
					}
					synctest.Wait()
					if len(acked) != 1 || <-acked != 1 {
						t.Errorf("%s, serial %v: %d more acknowledgements", tt.name, serial, len(acked))
					}
				})
			}
		}
	}
}

// With iter.Pull the body is on another goroutine: Close does not hang there either.
func TestCloseWithPulledMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.serve(nil, func(p *peer, v packets.Packet) {
			p.answer(v)
			if _, ok := v.(*packets.Subscribe); ok {
				p.reply(publish("t", "1", 1))
			}
		})
		if err := w.client.StartAndWait(t.Context()); err != nil {
			t.Fatal(err)
		}
		next, stop := iter.Pull2(w.client.Messages(t.Context(), filters(nil, "t")))
		defer stop()
		if m, err, ok := next(); !ok || err != nil || string(m.Payload) != "1" {
			t.Errorf("%v %v %v", m, err, ok)
		}
		_ = w.client.Close()
		if _, err, ok := next(); !ok || !errors.Is(err, awsiot.ErrClosed) {
			t.Errorf("%v %v", err, ok)
		}
	})
}
