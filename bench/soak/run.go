package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/portage-iot/awsiot/iotlocal/broker"
	"github.com/portage-iot/awsiot/iotlocal/fault"
	"github.com/portage-iot/awsiot/iotlocal/wire"
	awsiot "github.com/portage-iot/awsiot/v2"
)

const (
	// settleTime is how long everything that is under way may take once the faults have ended.
	settleTime = 30 * time.Second
	// heapSlack is what the heap may grow by between the first quarter of the run and its end, on
	// top of half of what it was: buffers have the size of the last burst.
	heapSlack = 8 << 20
)

// result is what came of a run.
type result struct {
	config                         config
	messages, acknowledged, failed int
	lostBroker, lostSubscriber     int
	excused, received              int
	twiceTaken, twiceSeen          int
	faults                         int
	kinds                          string
	injected                       map[string]int // faults by kind
	errors                         map[string]int // of failed publishes, by kind
	reconnects                     uint64
	goroutinesStart, goroutinesEnd int
	heapStart, heapEnd             uint64
	unsettled                      string
	strange                        []string
	brokerLost                     int
}

// soak is a run.
type soak struct {
	config
	broker      *broker.Broker
	ledger      *ledger
	publishers  []*awsiot.Client
	subscribers []*awsiot.Client
	reconnects  atomic.Uint64

	mu     sync.Mutex
	failed map[string]int // by error, without the topic
}

// run plays a whole run: faults for the configured time, then rest, then the count.
func run(ctx context.Context, c config) (*result, error) {
	r := &result{config: c, goroutinesStart: runtime.NumGoroutine()}
	s := &soak{config: c, ledger: newLedger(c.publishers), failed: map[string]int{}}
	rules := fault.NewSet(func(filter, topic string) bool { return filter == topic }) // no rule here names one
	s.broker = broker.New(broker.Options{Faults: rules, Hooks: broker.Hooks{Publish: s.taken},
		Limits: broker.Limits{Subscriptions: -1, ReceiveMaximum: 1000, Outbound: 1000, ConnectTimeout: 2 * time.Second}})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	if err := s.broker.Listen(ln, nil); err != nil {
		return nil, errors.Join(err, ln.Close(), s.broker.Close())
	}
	port := ln.Addr().(*net.TCPAddr).Port
	if err := s.connect(ctx, port); err != nil {
		s.close()
		return nil, err
	}
	ch := &chaos{broker: s.broker, rules: rules, ledger: s.ledger, rand: rand.New(rand.NewPCG(c.seed, 0)), pause: c.pause, injected: map[string]int{}}
	for i := range s.publishers {
		ch.clients = append(ch.clients, fmt.Sprintf("publisher-%d", i))
	}
	for i := range s.subscribers {
		ch.clients, ch.subscribers = append(ch.clients, fmt.Sprintf("subscriber-%d", i)), append(ch.subscribers, fmt.Sprintf("subscriber-%d", i))
	}
	limited, cancel := context.WithTimeout(ctx, c.duration)
	defer cancel()
	var work, faults sync.WaitGroup
	faults.Go(func() { ch.run(limited) })
	for i := range s.publishers {
		work.Go(func() { s.publish(limited, i) })
	}
	select {
	case <-time.After(c.duration / 4):
	case <-limited.Done():
	}
	r.heapStart = s.heap()
	work.Wait()
	faults.Wait()
	r.unsettled = s.settle()
	r.heapEnd = s.heap()
	r.messages, r.acknowledged, r.lostBroker, r.lostSubscriber, r.excused = s.ledger.count()
	r.received, r.twiceTaken, r.twiceSeen, r.strange = s.ledger.received, s.ledger.twiceTaken, s.ledger.twiceSeen, s.ledger.strange
	r.faults, r.kinds, r.reconnects, r.brokerLost = ch.total(), table(ch.injected), s.reconnects.Load(), s.broker.Lost()
	s.close()
	r.goroutinesEnd = goroutines(r.goroutinesStart)
	s.mu.Lock()
	defer s.mu.Unlock()
	r.injected, r.errors = ch.injected, maps.Clone(s.failed)
	for _, n := range r.errors {
		r.failed += n
	}
	return r, ch.err
}

// taken is the broker's hook: the broker has the message.
func (s *soak) taken(_ *broker.Client, m *broker.Message) wire.Code {
	s.ledger.note(taken, m.Topic, m.Payload)
	return 0
}

// options are those of every client: sessions that outlive the run, and timeouts that notice the faults within it.
func (s *soak) options(id string, port int) awsiot.ClientOptions {
	return awsiot.ClientOptions{
		Endpoint: "127.0.0.1", Port: port, ClientID: id, Auth: awsiot.PlainTCP(),
		SessionBehavior: awsiot.RejoinAlways, SessionExpiry: time.Hour,
		KeepAlive: time.Second, ConnackTimeout: time.Second, AckTimeout: 3 * time.Second,
		MinReconnectDelay: 5 * time.Millisecond, MaxReconnectDelay: 200 * time.Millisecond,
		MinConnectedTimeToResetReconnectDelay: 200 * time.Millisecond,
		OnConnectionSuccess:                   func(*awsiot.ConnectionSuccess) { s.reconnects.Add(1) },
	}
}

// connect makes the clients and their subscriptions; there are no faults yet.
func (s *soak) connect(ctx context.Context, port int) error {
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	for i := range s.config.subscribers {
		c := awsiot.NewClient(s.options(fmt.Sprintf("subscriber-%d", i), port))
		s.subscribers = append(s.subscribers, c)
		if err := c.StartAndWait(ctx); err != nil {
			return err
		}
		p := &awsiot.SubscribePacket{Subscriptions: []awsiot.Subscription{{TopicFilter: fmt.Sprintf("soak/%d/+", i), QoS: awsiot.AtLeastOnce,
			Handler: func(m *awsiot.Message) { s.ledger.note(seen, m.Topic, m.Payload) }}}}
		if _, err := c.Subscribe(ctx, p); err != nil {
			return err
		}
	}
	for i := range s.config.publishers {
		c := awsiot.NewClient(s.options(fmt.Sprintf("publisher-%d", i), port))
		s.publishers = append(s.publishers, c)
		if err := c.StartAndWait(ctx); err != nil {
			return err
		}
	}
	s.reconnects.Store(0)
	return nil
}

// publish keeps the window of one publisher full until ctx ends.
func (s *soak) publish(ctx context.Context, publisher int) {
	c, name := s.publishers[publisher], topicOf(publisher, s.config.subscribers)
	window := make(chan struct{}, s.window)
	began := time.Now()
	for n := 0; ; n++ {
		if s.rate > 0 {
			ahead := time.Duration(n)*time.Second/time.Duration(s.rate) - time.Since(began)
			if ahead > 10*time.Millisecond { // in bursts
				select {
				case <-time.After(ahead):
				case <-ctx.Done():
				}
			}
		}
		select {
		case window <- struct{}{}:
		case <-ctx.Done():
			return
		}
		if ctx.Err() != nil {
			return
		}
		payload := s.ledger.next(publisher)
		c.PublishFunc(&awsiot.PublishPacket{Topic: name, Payload: payload, QoS: awsiot.AtLeastOnce}, func(_ awsiot.PublishResult, err error) {
			<-window
			if err == nil {
				s.ledger.note(acked, name, payload)
				return
			}
			s.mu.Lock()
			s.failed[errorKind(err)]++
			s.mu.Unlock()
		})
	}
}

// errorKind names an error without what it is about.
func errorKind(err error) string {
	for _, e := range []error{awsiot.ErrAckTimeout, awsiot.ErrOffline, awsiot.ErrStopped, awsiot.ErrClosed, awsiot.ErrProtocol, awsiot.ErrEndsConnection} {
		if errors.Is(err, e) {
			return e.Error()
		}
	}
	if code, ok := awsiot.ReasonOf(err); ok {
		return code.String()
	}
	return err.Error()
}

// causes are the faults that a publish may fail of, by the kind of its error. Everything else is overcome by
// sending again: a publish of QoS 1 fails for no other reason, least of all because of a lost connection.
var causes = map[string][]string{
	awsiot.ErrAckTimeout.Error():        {"PUBACK dropped", "PUBLISH dropped", halfOpen},
	awsiot.ReasonQuotaExceeded.String(): {"PUBACK refused"},
	awsiot.ErrProtocol.Error():          {"garbage in place of ACKs"},
	awsiot.ErrEndsConnection.Error():    {"cut", "cut before a PUBLISH", "cut after a PUBLISH", "cut inside a PUBACK", "cut inside a delivery"},
}

// closes is how many connections in a row have to be closed over one publish before the client says that it is the reason. When
// chance does it, nobody can tell the difference.
const closes = 3

// unexplained lists the errors that the injected faults do not account for: each makes one publish fail at most, a
// half-open link all that are in flight, and it takes several cuts to make one look as if the broker ended connections over it.
func (r *result) unexplained() (list []string) {
	for _, kind := range slices.Sorted(maps.Keys(r.errors)) {
		most := 0
		for _, cause := range causes[kind] {
			n := r.injected[cause]
			if cause == halfOpen {
				n *= r.config.window
			}
			most += n
		}
		if kind == awsiot.ErrEndsConnection.Error() {
			most /= closes
		}
		if n := r.errors[kind]; n > most {
			list = append(list, fmt.Sprintf("%d publishes failed without a cause: %s", n-most, kind))
		}
	}
	return list
}

// settle waits until nothing is under way. What the broker sent and a fault took is sent again on a new
// connection only, so there is one more. It returns what did not come to rest.
func (s *soak) settle() string {
	s.broker.Cut("")
	deadline := time.Now().Add(settleTime)
	for {
		busy := ""
		for i, c := range slices.Concat(s.publishers, s.subscribers) {
			if st := c.Stats(); c.State() != awsiot.StateConnected || st.IncompleteOperationCount > 0 {
				busy = fmt.Sprintf("client %d: %v, %+v", i, c.State(), st)
			}
		}
		for i := range s.subscribers {
			id := fmt.Sprintf("subscriber-%d", i)
			if b, ok := s.broker.Session(id); !ok || !b.Connected || b.Queued+b.Unacked > 0 || len(b.Subscriptions) != 1 {
				busy = fmt.Sprintf("session of %s: %+v", id, b)
			}
		}
		if busy == "" || time.Now().After(deadline) {
			return busy
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// heap is the live heap without the ledger.
func (s *soak) heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc - min(m.HeapAlloc, s.ledger.bytes())
}

// close ends every client and the broker, and waits for their goroutines.
func (s *soak) close() {
	for _, c := range slices.Concat(s.publishers, s.subscribers) {
		_ = c.Close()
		<-c.Done()
	}
	_ = s.broker.Close()
}

// goroutines returns how many there are, once there are no more than want or a while has passed.
func goroutines(want int) int {
	n := runtime.NumGoroutine()
	for range 100 {
		if n <= want {
			break
		}
		time.Sleep(20 * time.Millisecond)
		n = runtime.NumGoroutine()
	}
	return n
}

// problems are the reasons to fail; none is a good run.
func (r *result) problems() (list []string) {
	if n := r.lostBroker + r.lostSubscriber; n > 0 {
		list = append(list, fmt.Sprintf("%d messages lost", n))
	}
	list = append(list, r.unexplained()...)
	if r.brokerLost > 0 {
		list = append(list, fmt.Sprintf("the broker had no room for %d messages: the run proves nothing", r.brokerLost))
	}
	if r.acknowledged == 0 || r.received == 0 || r.faults == 0 {
		list = append(list, "nothing happened")
	}
	if r.unsettled != "" {
		list = append(list, fmt.Sprintf("not at rest %v after the last fault: %s", settleTime, r.unsettled))
	}
	list = append(list, r.strange[:min(len(r.strange), 5)]...)
	if r.goroutinesEnd > r.goroutinesStart {
		list = append(list, fmt.Sprintf("%d goroutines left", r.goroutinesEnd-r.goroutinesStart))
	}
	if limit := r.heapStart + r.heapStart/2 + heapSlack; r.heapEnd > limit {
		list = append(list, fmt.Sprintf("the heap grew from %d to %d KiB", r.heapStart>>10, r.heapEnd>>10))
	}
	return list
}

// write prints the table.
func (r *result) write(w io.Writer) {
	rows := [][2]string{
		{"clients", fmt.Sprintf("%d publishers, %d subscribers, %v, seed %d", r.config.publishers, r.config.subscribers, r.config.duration, r.config.seed)},
		{"publishes", fmt.Sprintf("%d, of these acknowledged %d, failed %d", r.messages, r.acknowledged, r.failed)},
		{"failed with", table(r.errors)},
		{"received", fmt.Sprint(r.received)},
		{"faults injected", fmt.Sprintf("%d: %s", r.faults, r.kinds)},
		{"connections after the first", fmt.Sprint(r.reconnects)},
		{"acknowledged, lost", fmt.Sprintf("%d by the broker's account, %d by the subscribers'", r.lostBroker, r.lostSubscriber)},
		{"lost with the broker's sessions", fmt.Sprint(r.excused)},
		{"duplicates", fmt.Sprintf("%d to the broker, %d to the subscribers", r.twiceTaken, r.twiceSeen)},
		{"goroutines", fmt.Sprintf("%d at the start, %d at the end", r.goroutinesStart, r.goroutinesEnd)},
		{"heap", fmt.Sprintf("%d KiB after a quarter, %d KiB at the end", r.heapStart>>10, r.heapEnd>>10)},
	}
	fmt.Fprintln(w, "| soak | |\n|---|---|")
	for _, row := range rows {
		fmt.Fprintf(w, "| %s | %s |\n", row[0], row[1])
	}
}
