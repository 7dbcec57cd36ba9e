package awsiot

import (
	"context"
	"errors"
	"runtime"
	"testing"

	"github.com/portage-iot/awsiot/v2/internal/journal"
)

// slowStore is a file store whose opening waits until it is let go on.
type slowStore struct {
	fileStore
	opening, release chan struct{}
}

func (s slowStore) open() (*journal.Journal, []journal.Record, error) {
	close(s.opening)
	<-s.release
	return s.fileStore.open()
}

// Stop, while Start opens the store, ends that Start: it returns ErrStopped, nothing is connected, and the store is
// released again.
func TestStopWhileStartOpensTheStore(t *testing.T) {
	store := slowStore{fileStore(t.TempDir()), make(chan struct{}), make(chan struct{})}
	c := NewClient(ClientOptions{Endpoint: "127.0.0.1", Port: 1, ClientID: "c", Auth: PlainTCP(), Store: store})
	defer c.Close()
	queued := c.PublishAsync(&PublishPacket{Topic: "t", QoS: AtLeastOnce})
	started, stopped := make(chan error, 1), make(chan error, 1)
	go func() { started <- c.Start() }()
	<-store.opening
	go func() { stopped <- c.Stop(context.Background(), nil) }()
	for stopping := false; !stopping; { // Stop has said so
		c.mu.Lock()
		stopping = c.sess != nil && c.sess.cause != nil
		c.mu.Unlock()
	}
	close(store.release)
	if err := <-started; !errors.Is(err, ErrStopped) {
		t.Errorf("Start: %v", err)
	}
	if err := <-stopped; err != nil {
		t.Errorf("Stop: %v", err)
	}
	if s := c.State(); s != StateStopped {
		t.Errorf("the client is %v", s)
	}
	if err := queued.Err(); !errors.Is(err, ErrStopped) {
		t.Errorf("the publish: %v", err)
	}
	j, records, err := store.fileStore.open()
	if err != nil {
		t.Fatalf("the store is still locked: %v", err)
	}
	if len(records) != 1 {
		t.Errorf("%d records", len(records))
	}
	_ = j.Close()
}

// A publish that Stop overtakes between its record in the store and its place in the queue is sent once by the next Start.
func TestPublishOvertakenByStop(t *testing.T) {
	c := NewClient(ClientOptions{Endpoint: "127.0.0.1", Port: 1, ClientID: "c", Auth: PlainTCP(), Store: NewFileStore(t.TempDir())})
	defer c.Close()
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	p := &PublishPacket{Topic: "t", QoS: AtLeastOnce}
	rec, err := c.keep(p)
	if err != nil || rec == 0 {
		t.Fatal(rec, err)
	}
	if err := c.Stop(context.Background(), nil); err != nil {
		t.Fatal(err)
	}
	c.mu.Lock()
	o := c.take()
	o.rec = rec
	_, err = c.publish(context.Background(), o, p)
	c.unlock()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if s := c.Stats(); s.IncompleteOperationCount != 1 {
		t.Errorf("%d publishes wait, want the one", s.IncompleteOperationCount)
	}
	if err := c.Stop(context.Background(), nil); err != nil {
		t.Fatal(err)
	}
	j, records, err := c.options().Store.open()
	if err != nil || len(records) != 1 {
		t.Fatalf("%d records, %v", len(records), err)
	}
	_ = j.Close()
}

// A publish that is cancelled while Start writes what is queued into the store leaves no record there, also when another
// publish has been given its memory meanwhile.
func TestCancelWhileStartKeepsTheQueue(t *testing.T) {
	dir := t.TempDir()
	c := NewClient(ClientOptions{Endpoint: "127.0.0.1", Port: 1, ClientID: "c", Auth: PlainTCP(), Store: NewFileStore(dir)})
	defer c.Close()
	ctx, cancel := context.WithCancel(context.Background())
	cancelled := make(chan error)
	go func() {
		_, err := c.Publish(ctx, &PublishPacket{Topic: "cancelled", QoS: AtLeastOnce})
		cancelled <- err
	}()
	for c.Stats().IncompleteOperationCount == 0 {
		runtime.Gosched()
	}
	stays := c.PublishAsync(&PublishPacket{Topic: "stays", QoS: AtLeastOnce})

	j, records, err := c.options().Store.open()
	if err != nil {
		t.Fatal(err)
	}
	ops, packets, _ := c.unkept(records)
	cancel()
	if err := <-cancelled; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	late := c.PublishAsync(&PublishPacket{Topic: "late", QoS: AtLeastOnce})
	first, err := j.AppendBatch(packets...)
	if err != nil {
		t.Fatal(err)
	}
	c.journal.Store(j)
	c.recorded(ops, first)
	c.mu.Lock()
	for o := c.queue.head; o != nil; o = o.next {
		want := map[string]uint64{"stays": first + 1, "late": 0}[o.topic()]
		if o.rec != want {
			t.Errorf("%s has record %d, want %d", o.topic(), o.rec, want)
		}
	}
	c.mu.Unlock()
	c.closeStore()
	for _, f := range []*Future[PublishResult]{stays, late} {
		if err := f.Err(); err != nil {
			t.Error(err)
		}
	}
	j, records, err = c.options().Store.open()
	if err != nil {
		t.Fatal(err)
	}
	if len(records) != 1 || records[0].ID != first+1 {
		t.Errorf("the store holds %v, want %d", records, first+1)
	}
	_ = j.Close()
}
