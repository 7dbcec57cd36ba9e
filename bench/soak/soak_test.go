package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	awsiot "github.com/portage-iot/awsiot/v2"
)

// A short run finds nothing, and shows that it was a run.
func TestRun(t *testing.T) {
	// How much goes through in a time is the machine's affair, and how much of it a lost session takes along is chance: where
	// two seconds were not enough, a longer run follows.
	ran := func(r *result) bool {
		return r.acknowledged >= 500 && r.received >= 300 && r.faults >= 20 && r.reconnects >= 5
	}
	var r *result
	for d := 2 * time.Second; r == nil || !ran(r) && d < time.Minute; d *= 2 {
		var err error
		if r, err = run(t.Context(), config{duration: d, publishers: 3, subscribers: 2, window: 10, rate: 500, pause: 10 * time.Millisecond, seed: 7}); err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	if r.write(&b); strings.Count(b.String(), "\n") != 13 {
		t.Errorf("%s", &b)
	}
	if p := r.problems(); len(p) > 0 {
		t.Errorf("%q\n%s", p, &b)
	}
	if !ran(r) {
		t.Errorf("that was no run:\n%s", &b)
	}
	// A message that failed may have arrived all the same.
	if seen := r.received - r.twiceSeen; r.acknowledged+r.failed != r.messages || seen+r.excused < r.acknowledged || seen > r.messages {
		t.Errorf("the numbers do not add up:\n%s", &b)
	}
}

// The ledger finds what is lost, excuses what went with a session, and counts what came twice.
func TestLedger(t *testing.T) {
	const name = "soak/0/0"
	for _, tt := range []struct {
		name   string
		do     func(l *ledger, payload []byte)
		broker int
		sub    int
		excuse int
		twice  int
	}{
		{"all is well", func(l *ledger, p []byte) { l.note(taken, name, p); l.note(acked, name, p); l.note(seen, name, p) }, 0, 0, 0, 0},
		{"never acknowledged", func(l *ledger, p []byte) { l.note(taken, name, p) }, 0, 0, 0, 0},
		{"acknowledged and nowhere", func(l *ledger, p []byte) { l.note(acked, name, p) }, 1, 0, 0, 0},
		{"no subscriber", func(l *ledger, p []byte) { l.note(taken, name, p); l.note(acked, name, p) }, 0, 1, 0, 0},
		{"in a lost session", func(l *ledger, p []byte) { l.note(taken, name, p); l.lost(); l.note(acked, name, p) }, 0, 0, 1, 0},
		{"before the subscription was back", func(l *ledger, p []byte) {
			l.losingSessions(true)
			l.note(taken, name, p)
			l.losingSessions(false)
			l.note(acked, name, p)
		}, 0, 0, 1, 0},
		{"after it was back", func(l *ledger, p []byte) {
			l.losingSessions(true)
			l.lost()
			l.losingSessions(false)
			l.note(taken, name, p)
			l.note(acked, name, p)
		}, 0, 1, 0, 0},
		{"twice", func(l *ledger, p []byte) {
			l.note(taken, name, p)
			l.note(taken, name, p)
			l.note(seen, name, p)
			l.note(seen, name, p)
		}, 0, 0, 0, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLedger(1)
			tt.do(l, l.next(0))
			_, _, broker, sub, excused := l.count()
			if broker != tt.broker || sub != tt.sub || excused != tt.excuse || l.twiceSeen+l.twiceTaken != tt.twice || len(l.strange) > 0 {
				t.Errorf("lost %d and %d, excused %d, twice %d, %q", broker, sub, excused, l.twiceSeen+l.twiceTaken, l.strange)
			}
		})
	}
	l := newLedger(1)
	p := l.next(0)
	l.note(seen, name, p)
	l.note(seen, "soak/0/9", p)
	l.note(seen, name, []byte("?"))
	if len(l.strange) != 3 {
		t.Errorf("%q", l.strange)
	}
}

// Every reason to fail is one.
func TestProblems(t *testing.T) {
	good := result{acknowledged: 9, received: 9, faults: 9, heapStart: 1 << 20, heapEnd: 9 << 20, goroutinesStart: 3, goroutinesEnd: 3,
		injected: map[string]int{"PUBACK dropped": 1, "PUBACK refused": 1, halfOpen: 2, "cut": 9}, config: config{window: 10}}
	for want, change := range map[string]func(*result){
		"":                     func(*result) {},
		"2 messages lost":      func(r *result) { r.lostBroker, r.lostSubscriber = 1, 1 },
		"no room for 1":        func(r *result) { r.brokerLost = 1 },
		"nothing happened":     func(r *result) { r.faults = 0 },
		"not at rest":          func(r *result) { r.unsettled = "client 0" },
		"strange":              func(r *result) { r.strange = []string{"strange"} },
		"1 goroutines left":    func(r *result) { r.goroutinesEnd++ },
		"the heap grew from":   func(r *result) { r.heapEnd = 10 << 20 },
		"messages lost":        func(r *result) { r.lostSubscriber = 1 },
		"nothing happened ":    func(r *result) { r.acknowledged = 0 },
		" nothing happened":    func(r *result) { r.received = 0 },
		"the run proves nothi": func(r *result) { r.brokerLost = 1 },
		" ":                    func(r *result) { r.errors = map[string]int{awsiot.ErrAckTimeout.Error(): 21, "quota exceeded": 1} },
		"  ":                   func(r *result) { r.errors = map[string]int{awsiot.ErrEndsConnection.Error(): 3} },
		"1 publishes failed without a cause: " + awsiot.ErrEndsConnection.Error(): func(r *result) {
			r.errors = map[string]int{awsiot.ErrEndsConnection.Error(): 4} // of nine cuts
		},
		"3 publishes failed without a cause: " + awsiot.ErrOffline.Error(): func(r *result) { r.errors = map[string]int{awsiot.ErrOffline.Error(): 3} },
		"1 publishes failed without a cause: " + awsiot.ErrStopped.Error(): func(r *result) { r.errors = map[string]int{awsiot.ErrStopped.Error(): 1} },
		"4 publishes failed without a cause: quota exceeded":               func(r *result) { r.errors = map[string]int{"quota exceeded": 5} },
		"1 publishes failed without a cause: no acknowledgement in time":   func(r *result) { r.errors = map[string]int{awsiot.ErrAckTimeout.Error(): 22} },
		"1 publishes failed without a cause: not authorized":               func(r *result) { r.errors = map[string]int{"not authorized": 1} },
		"2 publishes failed without a cause: " + awsiot.ErrProtocol.Error(): func(r *result) {
			r.errors = map[string]int{awsiot.ErrProtocol.Error(): 2} // there was no garbage
		},
	} {
		r := good
		change(&r)
		got := strings.Join(r.problems(), "; ")
		if (strings.TrimSpace(want) == "") != (got == "") || !strings.Contains(got, strings.TrimSpace(want)) {
			t.Errorf("%q: %q", want, got)
		}
	}
}

// A wrong flag is an error that names it.
func TestValidate(t *testing.T) {
	good := config{duration: time.Second, publishers: 1, subscribers: 1, window: 1, pause: time.Millisecond}
	if err := good.validate(); err != nil {
		t.Error(err)
	}
	for flag, change := range map[string]func(*config){
		"-for":         func(c *config) { c.duration = 0 },
		"-publishers":  func(c *config) { c.publishers = 0 },
		"-subscribers": func(c *config) { c.subscribers = 2 },
		"-window":      func(c *config) { c.window = 0 },
		"-rate":        func(c *config) { c.rate = -1 },
		"-pause":       func(c *config) { c.pause = 0 },
	} {
		c := good
		change(&c)
		if err := c.validate(); err == nil || !strings.HasPrefix(err.Error(), flag+":") {
			t.Errorf("%s: %v", flag, err)
		}
	}
}
