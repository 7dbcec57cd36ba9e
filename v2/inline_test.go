package awsiot_test

import (
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eclipse/paho.golang/packets"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// A blocking publish that writes by itself: whatever part the socket takes at once, the packets arrive whole,
// once and in order, also those that others encode while it writes.
func TestInlineWrite(t *testing.T) {
	for _, qos := range []awsiot.QoS{awsiot.AtMostOnce, awsiot.AtLeastOnce} {
		for _, taken := range []int{0, 1, 5, 12, 1 << 20} {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil)
				p := w.start()
				calls := 0
				awsiot.WriteInline(w.client, func(conn net.Conn, b []byte) (int, error) {
					if calls++; calls == 1 { // while it writes
						w.client.PublishFunc(packet("second", "2", qos), w.events.done("second"))
						w.client.PublishFunc(packet("third", "3", qos), nil)
						synctest.Wait()
					}
					return conn.Write(b[:min(taken, len(b))])
				})
				done := make(chan error)
				go func() {
					_, err := w.client.Publish(context.Background(), packet("first", "1", qos))
					done <- err
				}()
				for i, topic := range []string{"first", "second", "third"} {
					m := expect[*packets.Publish](p)
					if m.Topic != topic || string(m.Payload) != strconv.Itoa(i+1) {
						t.Errorf("QoS %d, %d bytes taken: got %q %q, want %q", qos, taken, m.Topic, m.Payload, topic)
					}
					if qos > 0 {
						p.send(m.PacketID)
					}
				}
				if err := <-done; err != nil {
					t.Error(err)
				}
				synctest.Wait()
				if calls != 1 {
					t.Errorf("QoS %d, %d bytes taken: %d inline writes, want 1", qos, taken, calls)
				}
				s := w.client.Stats()
				if s.IncompleteOperationCount != 0 || s.IncompleteOperationSize != 0 || s.UnackedOperationCount != 0 {
					t.Errorf("QoS %d, %d bytes taken: at the end %+v", qos, taken, s)
				}
			})
		}
	}
}

// An inline write whose answer is there before it returns: the publish ends once, and leaves nothing behind for the
// next one.
func TestInlineWriteAnsweredAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		p := w.start()
		awsiot.WriteInline(w.client, func(conn net.Conn, b []byte) (int, error) {
			n, err := conn.Write(b)
			p.send(expect[*packets.Publish](p).PacketID)
			synctest.Wait()
			return n, err
		})
		for i := range 8 {
			if _, err := w.client.Publish(context.Background(), packet(strconv.Itoa(i), "", 1)); err != nil {
				t.Error(err)
			}
			if s := w.client.Stats(); s.IncompleteOperationCount != 0 {
				t.Fatalf("publish %d has returned, and %d are open", i, s.IncompleteOperationCount)
			}
		}
		awsiot.WriteInline(w.client, func(net.Conn, []byte) (int, error) { return 0, nil }) // the writer writes
		k := publishing(context.Background(), w.client, packet("last", "", 1))
		m := expect[*packets.Publish](p)
		synctest.Wait()
		select {
		case <-k.ended:
			t.Error("a publish has returned without its answer")
		default:
		}
		p.send(m.PacketID)
		if err := k.wait(); err != nil {
			t.Error(err)
		}
	})
}

// An inline write that fails is the end of the connection: at QoS 1 the message goes out on the next one.
func TestInlineWriteFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.start()
		broken := errors.New("broken pipe")
		awsiot.WriteInline(w.client, func(net.Conn, []byte) (int, error) { return 0, broken })
		if _, err := w.client.Publish(context.Background(), packet("zero", "", 0)); !errors.Is(err, awsiot.ErrOffline) {
			t.Errorf("QoS 0: %v, want ErrOffline", err)
		}
		p, _ := w.accept(nil)
		if e := strings.Join(w.events.take(), "\n"); !strings.Contains(e, "disconnection: broken pipe") {
			t.Errorf("events:\n%s", e)
		}
		awsiot.WriteInline(w.client, func(net.Conn, []byte) (int, error) { return 3, broken })
		done := make(chan error)
		go func() {
			_, err := w.client.Publish(context.Background(), packet("one", "", 1))
			done <- err
		}()
		_ = p
		p, _ = w.accept(nil)
		if m := expect[*packets.Publish](p); m.Topic != "one" || m.Duplicate {
			t.Errorf("got %+v, want the message anew: it was never handed over whole", m)
		} else {
			p.send(m.PacketID)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// Stop, Close and the loss of the connection while a publish writes by itself.
func TestInlineWriteInterrupted(t *testing.T) {
	for name, end := range map[string]func(*world, *peer){
		"Stop":  func(w *world, _ *peer) { _ = w.client.Stop(within(time.Second), nil) },
		"Close": func(w *world, _ *peer) { _ = w.client.Close() },
		"Abort": func(w *world, _ *peer) { w.client.Abort() },
		"cut":   func(_ *world, p *peer) { p.cut() },
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, nil)
			p := w.start()
			go func() { _, _ = io.Copy(io.Discard, p.conn); _ = p.conn.Close() }()
			writing, goOn := make(chan bool), make(chan bool)
			awsiot.WriteInline(w.client, func(conn net.Conn, b []byte) (int, error) {
				close(writing)
				<-goOn
				return 0, nil
			})
			done := make(chan error)
			go func() {
				_, err := w.client.Publish(context.Background(), packet("a", "", 0))
				done <- err
			}()
			<-writing
			ended := make(chan bool)
			go func() { end(w, p); close(ended) }()
			synctest.Wait()
			close(goOn)
			if err := <-done; err != nil && !errors.Is(err, awsiot.ErrStopped) && !errors.Is(err, awsiot.ErrClosed) && !errors.Is(err, awsiot.ErrOffline) {
				t.Errorf("%s: %v", name, err)
			}
			<-ended
		})
	}
}

// On a real socket that is full: a publish with a deadline returns, and nothing of the stream is lost or doubled.
func TestInlineWriteSocketFull(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // no inline writes there
	}
	c, p := newSocketClient(t, nil)
	inline := awsiot.WritesInline(c)
	big := strings.Repeat("x", 100_000)
	sent := 0
	var err error
	for err == nil { // until the socket is full
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		_, err = c.Publish(ctx, packet(strconv.Itoa(sent), big, 0))
		cancel()
		sent++
	}
	if !errors.Is(err, awsiot.ErrUnknownOutcome) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the publish that did not fit: %v, want ErrUnknownOutcome and the deadline", err)
	}
	last := c.PublishAsync(packet("last", big, 0))
	for i := range sent + 1 {
		topic := strconv.Itoa(i)
		if i == sent {
			topic = "last"
		}
		if m := expect[*packets.Publish](p); m.Topic != topic || len(m.Payload) != len(big) {
			t.Fatalf("message %d: %q with %d bytes", i, m.Topic, len(m.Payload))
		}
	}
	if _, err := last.Wait(t.Context()); err != nil {
		t.Error(err)
	}
	if n := inline.Load(); n == 0 || int(n) > sent-3 {
		t.Errorf("%d of %d publishes wrote by themselves", n, sent)
	}
}
