package reqresp_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/portage-iot/awsiot/iotlocal"
	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/reqresp"
	"pgregory.net/rapid"
)

// step is one step of a random run; a and b are its arguments.
type step struct{ kind, a, b int }

const (
	stepDo      = iota // a request that is waited for
	stepAsync          // one that is not
	stepBare           // one without a token
	stepCancel         // the context of a waiting one ends
	stepPass           // time goes by
	stepCut            // the connection breaks
	stepForget         // the broker forgets every session, and the connection breaks
	stepRefuse         // a filter is refused from now on, or no more
	stepRestart        // Stop and Start
	numSteps
)

// modelTimeout is how long a request of the model may take.
const modelTimeout = 20 * time.Second

// model knows of every request what has become of it.
type model struct {
	w        *world
	c        *reqresp.Client
	random   *rand.Rand // of the service's answers
	mu       sync.Mutex
	made     int
	ends     map[int]int
	began    map[int]time.Time
	canceled map[int]bool
	refused  map[string]bool // ever
	stops    []time.Time
	cancels  []func()
	problems []string
	counts   map[string]int
}

func (m *model) problem(format string, args ...any) {
	m.problems = append(m.problems, fmt.Sprintf(format, args...))
}

// answer is the service's: at once or late, doubled, foreign, nonsense or none.
func (m *model) answer(topic, token string) []reply {
	good := accept(topic, token)[0]
	good.after = time.Duration(m.random.IntN(3)) * time.Second
	switch m.random.IntN(8) {
	case 0:
		return nil
	case 1:
		good.after = modelTimeout + time.Second
	case 2:
		return []reply{good, good}
	case 3:
		return []reply{{topic: good.topic, payload: `{"clientToken":"other"}`, after: 0}, good}
	case 4:
		if token != "" { // without a token everything is an answer
			return []reply{{topic: good.topic, payload: `no JSON`}, good}
		}
	}
	return []reply{good}
}

// begin numbers a request.
func (m *model) begin() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.made++
	m.began[m.made] = time.Now()
	return m.made
}

// end judges how a request has ended.
func (m *model) end(n int, r *reqresp.Request, res *reqresp.Response, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ends[n]++
	took := time.Since(m.began[n])
	switch {
	case err == nil:
		m.counts["answered"]++
		if want := fmt.Sprintf(`{"clientToken":%q,"of":%q}`, r.Token, r.Topic); r.Token != "" && string(res.Payload) != want {
			m.problem("request %d got %s, want %s", n, res.Payload, want)
		}
	case errors.Is(err, reqresp.ErrTimeout):
		m.counts["timeout"]++
		if took != modelTimeout {
			m.problem("request %d timed out after %v", n, took)
		}
	case errors.Is(err, reqresp.ErrAnswerLost):
		m.counts["lost"]++
		if r.Repeatable {
			m.problem("request %d is repeatable, and lost", n)
		}
	case errors.Is(err, context.Canceled):
		m.counts["canceled"]++
		if !m.canceled[n] {
			m.problem("request %d: %v, and nobody has cancelled it", n, err)
		}
	case errors.Is(err, awsiot.ErrStopped):
		m.counts["stopped"]++
		if len(m.stops) == 0 {
			m.problem("request %d: %v, and nobody has called Stop", n, err)
		}
	case errors.Is(err, reqresp.ErrClosed):
		m.counts["closed"]++
	default:
		code, _ := awsiot.ReasonOf(err)
		if code != awsiot.ReasonNotAuthorized || !m.refused[r.Filters[0]] {
			m.problem("request %d: %v", n, err)
		}
		m.counts["refused"]++
	}
	if took > modelTimeout {
		m.problem("request %d took %v", n, took)
	}
}

func (m *model) step(s step) {
	switch s.kind {
	case stepDo, stepAsync, stepBare:
		n := m.begin()
		name := fmt.Sprint("op", s.a%5)
		r := request(m.c, name)
		if s.b%2 == 0 { // two filters
			r.Filters = []string{r.Topic + "/accepted", r.Topic + "/rejected"}
		}
		r.Repeatable = s.b%3 == 0
		if s.kind == stepBare {
			r = requestWith("svc/bare"+fmt.Sprint(s.a%2), "", "svc/bare"+fmt.Sprint(s.a%2)+"/+")
		}
		if s.kind != stepDo {
			m.c.DoFunc(r, func(res *reqresp.Response, err error) { m.end(n, r, res, err) })
			return
		}
		ctx, cancel := context.WithCancel(context.Background())
		m.cancels = append(m.cancels, func() {
			m.mu.Lock()
			m.canceled[n] = true
			m.mu.Unlock()
			cancel()
		})
		go func() {
			res, err := m.c.Do(ctx, r)
			m.end(n, r, res, err)
		}()
	case stepCancel:
		if len(m.cancels) > 0 {
			i := s.a % len(m.cancels)
			m.cancels[i]()
			m.cancels = append(m.cancels[:i], m.cancels[i+1:]...)
		}
	case stepPass:
		time.Sleep(time.Duration(s.b%5000) * time.Millisecond)
	case stepCut:
		m.w.server.Faults().Cut("device")
	case stepForget:
		m.w.server.Faults().LoseSessions()
		m.w.server.Faults().Cut("device")
	case stepRefuse:
		m.w.server.Faults().Clear()
		if s.a%2 == 0 {
			filter := fmt.Sprintf("svc/op%d/+", s.b%5)
			m.mu.Lock()
			m.refused[filter] = true
			m.mu.Unlock()
			m.w.fault(iotlocal.Rule{Dir: iotlocal.ClientToServer, Type: iotlocal.SUBSCRIBE, Topic: filter, Action: iotlocal.Reject, Code: 0x87})
		}
	case stepRestart:
		m.mu.Lock()
		m.stops = append(m.stops, time.Now())
		m.mu.Unlock()
		_ = m.w.client.Stop(context.Background(), nil)
		_ = m.w.client.Start()
	}
	if s.b%4 > 0 {
		synctest.Wait()
	}
}

func (m *model) run(t *testing.T, session bool, steps []step) {
	m.w = newWorld(t, func(o *awsiot.ClientOptions) {
		if session {
			rejoin(o)
		}
	})
	m.w.answers(m.answer)
	m.c = reqresp.New(m.w.client, reqresp.Options{MaxRequestResponseSubscriptions: 4, OperationTimeout: modelTimeout})
	if len(steps)%2 == 0 { // else the first requests are made before the client is started
		m.w.start()
	} else {
		time.AfterFunc(3*time.Second, func() { _ = m.w.client.Start() })
	}
	for _, s := range steps {
		m.step(s)
	}
	if len(steps)%3 > 0 { // else what is open ends with Close
		pass(2 * modelTimeout)
	}
	_ = m.c.Close()
	pass(modelTimeout)
	for n := 1; n <= m.made; n++ {
		if m.ends[n] != 1 {
			m.problem("request %d ended %d times", n, m.ends[n])
		}
	}
	if left := m.w.subscribed(); len(left) > 0 {
		m.problem("subscribed at the end: %v", left)
	}
	for _, cancel := range m.cancels {
		cancel()
	}
}

// Random requests, answers, losses, refusals and restarts: every request ends exactly once, for a reason, in its time and with its
// own answer, and nothing is left behind.
func TestModel(t *testing.T) {
	total, runs := map[string]int{}, 0
	rapid.Check(t, func(rt *rapid.T) {
		m := &model{ends: map[int]int{}, began: map[int]time.Time{}, canceled: map[int]bool{}, refused: map[string]bool{}, counts: map[string]int{},
			random: rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "answers"), 0))}
		session := rapid.Bool().Draw(rt, "session")
		steps := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) step {
			kind := rapid.SampledFrom([]int{stepDo, stepDo, stepDo, stepAsync, stepAsync, stepBare, stepCancel, stepPass, stepPass, stepCut, stepForget, stepRefuse, stepRefuse, stepRefuse, stepRestart}).Draw(rt, "kind")
			return step{kind, rapid.IntRange(0, 11).Draw(rt, "a"), rapid.IntRange(0, 1<<16).Draw(rt, "b")}
		}), 5, 80).Draw(rt, "steps")
		synctest.Test(t, func(t *testing.T) { m.run(t, session, steps) })
		if len(m.problems) > 0 {
			rt.Fatalf("%d problems: %s", len(m.problems), strings.Join(m.problems[:min(3, len(m.problems))], "; "))
		}
		for k, n := range m.counts {
			total[k] += n
		}
		runs++
	})
	t.Logf("%d runs, %v", runs, total)
	if runs < 100 {
		return // who asks for fewer does not ask for the cover
	}
	for _, k := range []string{"answered", "timeout", "lost", "canceled", "stopped", "closed", "refused"} {
		if total[k] == 0 {
			t.Errorf("%s: %d requests: the runs do not cover what they are for", k, total[k])
		}
	}
}
