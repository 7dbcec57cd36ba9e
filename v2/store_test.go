package awsiot_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eclipse/paho.golang/packets"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// storeWorld is a world whose client keeps its publishes in dir.
func storeWorld(t *testing.T, dir string) *world {
	return newWorld(t, func(o *awsiot.ClientOptions) { o.Store = awsiot.NewFileStore(dir) })
}

// What was queued or unacknowledged when the client ended is sent by the next one, in order.
func TestStoreSurvives(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := storeWorld(t, dir)
		w.client.PublishFunc(packet("t", "before start", 1), nil)
		p := w.start()
		if q := expect[*packets.Publish](p); string(q.Payload) != "before start" {
			t.Fatalf("got %v", q)
		}
		w.client.PublishFunc(packet("t", "acknowledged", 1), nil)
		q := expect[*packets.Publish](p)
		w.client.PublishFunc(packet("t", "unacknowledged", 1), w.events.done("unacknowledged"))
		expect[*packets.Publish](p)
		p.send(q.PacketID)
		synctest.Wait()
		go p.expectClose()
		if err := w.client.Close(); err != nil {
			t.Error(err)
		}
		if got := w.events.take(); len(got) != 5 || got[3] != `unacknowledged: awsiot: publish "t": client closed` {
			t.Errorf("events %q", got)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		w := storeWorld(t, dir)
		p := w.start()
		w.client.PublishFunc(packet("t", "new", 1), nil)
		for _, want := range []string{"before start", "unacknowledged", "new"} {
			q := expect[*packets.Publish](p)
			if string(q.Payload) != want || q.Duplicate {
				t.Errorf("got %v, want %q", q, want)
			}
			p.send(q.PacketID)
		}
		synctest.Wait()
		if s := w.client.Stats(); s.IncompleteOperationCount != 0 || s.IncompleteOperationSize != 0 {
			t.Errorf("stats %+v", s)
		}
		go p.expectClose()
		_ = w.client.Close()
	})
	if left, err := filepath.Glob(filepath.Join(dir, "*.seg")); err != nil || len(left) != 0 {
		t.Errorf("left in the store: %v, %v", left, err)
	}
}

// A directory in use, one that is a file, and none.
func TestStoreCannotBeOpened(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		one, two := storeWorld(t, dir), awsiot.NewClient(awsiot.ClientOptions{Endpoint: "x", Auth: awsiot.PlainTCP(), Store: awsiot.NewFileStore(dir)})
		p := one.start()
		if err := two.StartAndWait(context.Background()); !errors.Is(err, awsiot.ErrStoreLocked) {
			t.Errorf("locked: %v", err)
		}
		go p.expectClose()
		if err := one.client.Stop(context.Background(), nil); err != nil {
			t.Error(err)
		}
		for path, want := range map[string]string{file: "file", "": "Store"} {
			c := awsiot.NewClient(awsiot.ClientOptions{Endpoint: "x", Auth: awsiot.PlainTCP(), Store: awsiot.NewFileStore(path)})
			err := c.Start()
			if err == nil || c.State() != awsiot.StateStopped {
				t.Errorf("%q: %v, %v", path, err, c.State())
			}
			t.Log(want, err)
		}
		p = one.start() // Stop has released it
		go p.expectClose()
	})
}

// A message whose expiry passes while it waits, also in the store, is not sent.
func TestStoreExpiry(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := storeWorld(t, dir)
		q := packet("t", "short", 1)
		q.MessageExpiry = new(5 * time.Second)
		w.client.PublishFunc(q, w.events.done("short"))
		q = packet("t", "long", 1)
		q.MessageExpiry = new(100 * time.Second)
		w.client.PublishFunc(q, w.events.done("long"))
		time.Sleep(10 * time.Second)
		p := w.start()
		got := expect[*packets.Publish](p)
		if string(got.Payload) != "long" || *got.Properties.MessageExpiry != 90 {
			t.Errorf("got %v %+v", got, got.Properties)
		}
		synctest.Wait()
		if l := w.events.take(); len(l) != 3 || l[2] != `short: awsiot: publish "t": message expired while it waited to be sent` {
			t.Errorf("events %q", l)
		}
		go p.expectClose()
	})
}
