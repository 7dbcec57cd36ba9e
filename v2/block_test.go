package awsiot_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eclipse/paho.golang/packets"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// flood encodes messages of QoS 0 whose payloads begin with their numbers from..to-1.
func flood(t *testing.T, from, to, size int) []byte {
	var vs []any
	for i := from; i < to; i++ {
		vs = append(vs, publish("sensors/"+strconv.Itoa(i%3), numbered(i, size), 0))
	}
	return encode(t, vs...)
}

func numbered(i, size int) string {
	s := strconv.Itoa(i) + " "
	return s + strings.Repeat("x", max(0, size-len(s)))
}

// number is the inverse of numbered.
func number(t *testing.T, m *awsiot.Message) int {
	head, _, _ := strings.Cut(string(m.Payload), " ")
	n, err := strconv.Atoi(head)
	if err != nil {
		t.Errorf("payload %.20q", m.Payload)
	}
	return n
}

// A flood of everything that is a message arrives whole and in order, whether the reader hands it over in blocks or
// message by message.
func TestFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 8000
		w := newWorld(t, nil)
		next, blocks := 0, 0
		w.client.Handle("#", func(m *awsiot.Message) {
			i := number(t, m)
			want := fmt.Sprintf("sensors/%d %v %v %q", i%3, i%7 == 0, i%500 == 0, map[bool]string{true: "text"}[i%700 == 0])
			if got := fmt.Sprintf("%s %v %v %q", m.Topic, m.Retain, m.QoS == 1, m.ContentType); i != next || got != want || len(m.Payload) != max(i%600, len(strconv.Itoa(i))+1) {
				t.Errorf("message %d, want %d: %s with %d bytes, want %s", i, next, got, len(m.Payload), want)
			}
			if next++; next == 1 {
				time.Sleep(time.Millisecond) // the reader gets ahead, as far as it may
			}
			blocks = max(blocks, awsiot.WaitingBlocks(w.client))
		})
		p := w.start()
		go func() {
			var some []any
			for i := range n {
				m := publish("sensors/"+strconv.Itoa(i%3), numbered(i, i%600), 0)
				m.Retain = i%7 == 0
				if i%500 == 0 {
					m.QoS, m.PacketID = 1, uint16(i/500+1)
				}
				if i%700 == 0 {
					m.Properties.ContentType = "text"
				}
				if some = append(some, m); len(some) == 500 {
					p.send(some...)
					some = nil
				}
			}
		}()
		for i := range n / 500 {
			if a := expect[*packets.Puback](p); int(a.PacketID) != i+1 {
				t.Errorf("PUBACK %d, want %d", a.PacketID, i+1)
			}
		}
		synctest.Wait()
		if next != n {
			t.Errorf("%d messages, want %d", next, n)
		}
		if blocks == 0 {
			t.Error("the reader has handed over no block")
		}
	})
}

// Panics and runtime.Goexit in the middle of a block: the rest of it is delivered.
func TestFloodOfPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 2000
		w := newWorld(t, nil)
		next := 0
		w.client.Handle("#", func(m *awsiot.Message) {
			if i := number(t, m); i != next {
				t.Errorf("message %d, want %d", i, next)
			}
			next++
			switch {
			case next%701 == 0:
				runtime.Goexit()
			case next%501 == 0:
				panic("boom")
			}
		})
		p := w.start()
		p.send(flood(t, 0, n, 256))
		synctest.Wait()
		if next != n {
			t.Errorf("%d messages, want %d", next, n)
		}
		if got := awsiot.WaitingBlocks(w.client); got != 0 {
			t.Errorf("%d blocks wait at the end", got)
		}
	})
}

// Inbound holds for floods to the message: what is dropped is counted, and what is delivered is the oldest, or the newest.
func TestFloodLimits(t *testing.T) {
	for _, full := range []awsiot.FullBehavior{awsiot.RejectNew, awsiot.DropOldest} {
		t.Run(full.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const n, size = 2600, 200
				const each = len("sensors/0") + size + 256
				const room = 2000
				w := newWorld(t, func(o *awsiot.ClientOptions) {
					o.Inbound = awsiot.Inbound{MaxBytes: room * each, WhenFull: full}
				})
				release := make(chan bool)
				var got []int
				w.client.Handle("#", func(m *awsiot.Message) {
					if got = append(got, number(t, m)); len(got) == 1 {
						<-release
					}
				})
				p := w.start()
				p.send(flood(t, 0, 1, size)) // the runner waits in its handler, and what comes now waits too
				synctest.Wait()
				p.send(flood(t, 1, n, size))
				pass(time.Second)
				if awsiot.WaitingBlocks(w.client) == 0 {
					t.Error("no blocks")
				}
				close(release)
				synctest.Wait()
				dropped := int(w.client.Stats().InboundDropped)
				if len(got)+dropped != n {
					t.Errorf("%d delivered, %d dropped, of %d", len(got), dropped, n)
				}
				// What the runner had taken when it began to wait is not counted as waiting: a block at most.
				if len(got) < room || len(got) > room+350 {
					t.Errorf("%d delivered, want %d and what was taken", len(got), room)
				}
				jumps := 0
				for i := range got[1:] {
					if got[i+1] != got[i]+1 {
						jumps++
					}
				}
				last, jumped := len(got)-1, 0
				if full == awsiot.DropOldest {
					last, jumped = n-1, 1
				}
				if got[0] != 0 || got[len(got)-1] != last || jumps != jumped {
					t.Errorf("delivered %d to %d with %d jumps, want 0 to %d with %d", got[0], got[len(got)-1], jumps, last, jumped)
				}
			})
		})
	}
}

// What comes before a malformed packet is delivered.
func TestFloodThenMalformed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 1000
		w := newWorld(t, nil)
		next := 0
		w.client.Handle("#", func(m *awsiot.Message) { next++ })
		p := w.start()
		p.send(flood(t, 0, n, 256), []byte{0x30, 4, 0, 1, '+', 0})
		if d := expect[*packets.Disconnect](p); d.ReasonCode != 0x81 {
			t.Errorf("DISCONNECT 0x%02X", d.ReasonCode)
		}
		p.expectEnd()
		synctest.Wait()
		if next != n {
			t.Errorf("%d messages, want %d", next, n)
		}
	})
}

// With the handlers far behind, acknowledgements, Stop and Close do not wait for them; after Close none begins.
func TestFloodBehindSlowHandler(t *testing.T) {
	for _, end := range []string{"Stop", "Close", "Close in the handler"} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, nil)
			release := make(chan bool)
			handled, ended := 0, false
			w.client.Handle("#", func(m *awsiot.Message) {
				if handled++; ended {
					t.Error("a handler after the end")
				}
				if handled == 1 {
					<-release
					if end == "Close in the handler" {
						_ = w.client.Close()
						ended = true
					}
				}
			})
			p := w.start()
			p.send(flood(t, 0, 24_000, 256)) // 6 MiB, and Inbound takes 16
			pass(time.Second)
			if got := awsiot.WaitingBlocks(w.client); got < 80 {
				t.Errorf("%d blocks wait, want all of them", got)
			}
			start := time.Now()
			go func() { p.send(expect[*packets.Publish](p).PacketID) }()
			if _, err := w.client.Publish(within(time.Minute), packet("a", "", 1)); err != nil || time.Since(start) > 5*time.Millisecond {
				t.Errorf("publish: %v after %v", err, time.Since(start))
			}
			p.send(flood(t, 24_000, 25_000, 256))
			go func() { p.next(); p.expectEnd() }()
			switch end {
			case "Stop":
				start = time.Now()
				if err := w.client.Stop(context.Background(), nil); err != nil || time.Since(start) > 5*time.Millisecond {
					t.Errorf("Stop: %v after %v", err, time.Since(start))
				}
				close(release)
				synctest.Wait()
				if handled < 24_000 {
					t.Errorf("%d handled", handled)
				}
			case "Close":
				closed := make(chan error)
				go func() { closed <- w.client.Close() }()
				synctest.Wait()
				close(release)
				if err := <-closed; err != nil {
					t.Error(err)
				}
				ended = true
				synctest.Wait()
			default:
				close(release)
				<-w.client.Done()
				if handled != 1 {
					t.Errorf("%d handled, want the one that was running", handled)
				}
			}
			if _, err := w.client.Publish(within(time.Second), packet("a", "", 0)); err == nil || end == "Close" && !errors.Is(err, awsiot.ErrClosed) {
				t.Errorf("publish at the end: %v", err)
			}
		})
	}
}
