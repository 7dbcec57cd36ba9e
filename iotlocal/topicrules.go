package iotlocal

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/portage-iot/awsiot/internal/topic"
	"github.com/portage-iot/awsiot/iotlocal/broker"
	"github.com/portage-iot/awsiot/iotlocal/internal/tables"
	"github.com/portage-iot/awsiot/iotlocal/rules"
)

// The limits of the rules engine.
const (
	// MaxRuleActions is how many actions a rule may have (AWS General Reference, "AWS IoT Core rules engine limits").
	MaxRuleActions = 10
	// maxWaitingForRules is how many messages wait for the engine; more are lost, and logged.
	maxWaitingForRules = 10_000
	// maxRuleHops is how often a message may be republished by rules over the output of rules: a circle ends there.
	maxRuleHops = 10
	// ruleRequestTimeout is the time that a URL has to answer.
	ruleRequestTimeout = 10 * time.Second
)

// TopicRule is a rule of AWS IoT Core: it looks at messages, and does something with what they become. Package
// iotlocal/rules says which SQL there is.
type TopicRule struct {
	Name        string // 1 to 128 of a-z A-Z 0-9 _
	SQL         string
	Description string
	Disabled    bool
	Actions     []RuleAction // at most MaxRuleActions
	ErrorAction *RuleAction  // gets a report, as AWS's, when the SQL or an action fails; nil: a log line
}

// RuleAction is what a rule does: exactly one of its fields.
type RuleAction struct {
	Republish *RepublishAction
	// Function runs on the engine's goroutine: what it waits for, other rules wait for too, and Close. It stands for
	// Lambda and every other service.
	Function func(RuleEvent) error `json:"-"`
	URL      *URLAction
	// FunctionARN is the name or the ARN of a function of Register.
	FunctionARN string
}

// RepublishAction publishes to a topic, in which ${expression} is replaced; $$aws/ at its beginning stands for a reserved
// topic, as AWS has it.
type RepublishAction struct {
	Topic       string
	QoS         byte // 0 or 1
	ContentType string
}

// URLAction posts to an http or https URL; any answer but 2xx is a failure.
type URLAction struct {
	URL    string
	Header http.Header
}

// RuleEvent is what an action gets.
type RuleEvent struct {
	Rule     string
	Topic    string // of the message; without `$aws/rules/RULE/` of Basic Ingest
	ClientID string // of who published it; "": a service, or the program around the server
	Payload  []byte // what SELECT made of it
}

// Rules is a handle on the topic rules for the program around the server. A rule sees what clients, services and the program
// publish, in its order, one message at a time. What clients publish to `$aws/rules/RULE/TOPIC` goes to that rule alone, whatever
// its FROM says, and to no subscriber (Basic Ingest).
type Rules struct{ engine *ruleEngine }

// Rules returns the handle of the topic rules.
func (s *Server) Rules() *Rules { return &Rules{s.rules} }

var ruleName = regexp.MustCompile(`^[A-Za-z0-9_]{1,128}$`)

// compiledRule is a rule that is ready.
type compiledRule struct {
	TopicRule
	statement *rules.Statement
	topics    []*rules.Template // of the actions that republish, then that of the error action
	created   time.Time
}

// Register makes a function known to rules that name it, as those that the API creates with a Lambda action: "NAME" and
// "arn:aws:lambda:REGION:ACCOUNT:function:NAME" are it. The error is a bad name.
func (h *Rules) Register(name string, f func(RuleEvent) error) error {
	return h.engine.functions.register(name, f)
}

// Put stores a rule, in place of one of that name if there is one. The error of its SQL is a *rules.Error.
func (h *Rules) Put(r TopicRule) error {
	c, err := compileRule(r)
	if err != nil {
		return &ruleError{r.Name, err}
	}
	c.created = h.engine.clock.Now()
	return h.engine.change(r.Name, func(old *compiledRule) (*compiledRule, error) {
		if old != nil {
			c.created = old.created
		}
		return c, nil
	})
}

// ruleError says which rule is wrong. The errors of package rules begin as the text of its own does, which must not stand there
// twice.
type ruleError struct {
	name string
	err  error
}

func (e *ruleError) Error() string {
	return "iotlocal: rule " + e.name + ": " + strings.Replace(e.err.Error(), "iotlocal: rule: ", "", 1)
}

func (e *ruleError) Unwrap() error { return e.err }

func compileRule(r TopicRule) (*compiledRule, error) {
	if !ruleName.MatchString(r.Name) {
		return nil, errors.New("a name is 1 to 128 of a-z A-Z 0-9 _")
	}
	if len(r.Actions) > MaxRuleActions {
		return nil, fmt.Errorf("%d actions, at most %d are allowed", len(r.Actions), MaxRuleActions)
	}
	s, err := rules.Parse(r.SQL)
	if err != nil {
		return nil, err
	}
	r.Actions = slices.Clone(r.Actions)
	c := &compiledRule{TopicRule: r, statement: s}
	all := slices.Clone(r.Actions)
	if r.ErrorAction != nil {
		all = append(all, *r.ErrorAction)
	}
	for i, a := range all {
		t, err := a.compile()
		if err != nil {
			return nil, fmt.Errorf("action %d: %w", i+1, err)
		}
		c.topics = append(c.topics, t)
	}
	return c, nil
}

// compile checks an action, and returns the topic of one that republishes.
func (a RuleAction) compile() (*rules.Template, error) {
	n := 0
	for _, set := range []bool{a.Republish != nil, a.Function != nil, a.URL != nil, a.FunctionARN != ""} {
		if set {
			n++
		}
	}
	_, named := nameOfFunction(a.FunctionARN)
	switch {
	case n != 1:
		return nil, fmt.Errorf("%d of Republish, Function, URL and FunctionARN are set, want one", n)
	case a.FunctionARN != "" && !named:
		return nil, fmt.Errorf("%q is neither the name nor the ARN of a function", a.FunctionARN)
	case a.URL != nil:
		return nil, checkURL(a.URL.URL)
	case a.Republish != nil && a.Republish.QoS > 1:
		return nil, errors.New("QoS must be 0 or 1")
	case a.Republish != nil:
		return rules.ParseTemplate(a.Republish.Topic)
	}
	return nil, nil
}

// Delete forgets a rule. It reports whether it was there; one that Options.StateDir cannot let go of stays.
func (h *Rules) Delete(name string) bool {
	ok, err := h.engine.delete(name)
	return ok && err == nil // the error is logged
}

func (e *ruleEngine) delete(name string) (ok bool, err error) {
	err = e.change(name, func(old *compiledRule) (*compiledRule, error) { ok = old != nil; return nil, nil })
	return ok, err
}

// change puts what f makes of a rule in its place; nil is none. An error, or that it cannot be kept, leaves everything as it was.
func (e *ruleEngine) change(name string, f func(old *compiledRule) (*compiledRule, error)) error {
	return e.journal.Do(func(tx *tables.Tx) error {
		d := e.rules.Draft()
		tx.Join(&e.mu, e.counted, d)
		r, err := f(d.Get(name))
		switch {
		case err != nil:
			return err
		case r == nil:
			d.Delete(name)
		default:
			d.Put(name, r)
		}
		return nil
	})
}

// counted takes note of how many rules there are. The lock is held.
func (e *ruleEngine) counted() { e.active.Store(int64(e.rules.Len())) }

// get returns a rule; nil: there is none.
func (e *ruleEngine) get(name string) *compiledRule {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.rules.Get(name)
}

// Names returns the names of the rules, sorted.
func (h *Rules) Names() []string {
	h.engine.mu.Lock()
	defer h.engine.mu.Unlock()
	return h.engine.rules.Keys()
}

// Get returns a rule.
func (h *Rules) Get(name string) (TopicRule, bool) {
	if c := h.engine.get(name); c != nil {
		return c.TopicRule, true
	}
	return TopicRule{}, false
}

// ruleEngine runs the rules on a goroutine of its own.
type ruleEngine struct {
	functions functions[func(RuleEvent) error] // of Register

	log     *slog.Logger
	clock   *Clock
	publish func(*broker.Message) int
	shadows func(*broker.Client, *broker.Message) // the services for things, for what is republished to them
	cancel  context.CancelFunc
	ctx     context.Context
	done    chan struct{}
	journal *tables.Journal
	active  atomic.Int64 // number of rules: the fast path asks nothing else

	mu      sync.Mutex
	rules   *tables.Table[*compiledRule] // never changed in place
	waiting []ruleWork
	lost    int
	news    chan struct{}           // capacity 1
	hops    map[*broker.Message]int // of what the engine is about to publish
	within  int                     // those of what comes while a service answers the engine
}

// ruleWork is a message that waits for the rules.
type ruleWork struct {
	in   rules.Input
	rule string // of Basic Ingest; "": every rule
	hops int
}

func newRuleEngine(log *slog.Logger, k *Clock, j *tables.Journal) *ruleEngine {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	e := &ruleEngine{log: log, clock: k, journal: j, done: make(chan struct{}), rules: tables.New(kindRule, (*compiledRule).saved), news: make(chan struct{}, 1), hops: map[*broker.Message]int{}}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	return e
}

// start begins to work.
func (e *ruleEngine) start(publish func(*broker.Message) int, things func(*broker.Client, *broker.Message)) {
	e.publish, e.shadows = publish, things
	go e.work()
}

// close ends the work. What waits is not done any more.
func (e *ruleEngine) close() {
	e.cancel()
	if e.publish != nil {
		<-e.done
	}
}

// routed takes note of a message. It is called with the broker locked.
func (e *ruleEngine) routed(clientID string, m *broker.Message) {
	if e.active.Load() == 0 {
		return
	}
	w := ruleWork{in: rules.Input{Topic: m.Topic, ClientID: clientID, QoS: m.QoS, Payload: m.Payload, Time: e.clock.Now()}}
	if rest, ok := strings.CutPrefix(m.Topic, broker.BasicIngest); ok {
		if w.rule, w.in.Topic, _ = strings.Cut(rest, "/"); w.rule == "" {
			return // for no rule
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	w.hops = max(e.hops[m], e.within)
	taken := false
	for _, r := range e.rules.All() {
		if taken = r.takes(w); taken {
			break
		}
	}
	if !taken {
		return
	}
	if len(e.waiting) >= maxWaitingForRules {
		e.lost++
		return
	}
	w.in.Payload = bytes.Clone(w.in.Payload) // the message is ours during the call only
	e.waiting = append(e.waiting, w)
	select {
	case e.news <- struct{}{}:
	default:
	}
}

// takes reports whether a message is one of the rule's.
func (r *compiledRule) takes(w ruleWork) bool {
	switch {
	case r.Disabled:
		return false
	case w.rule != "":
		return w.rule == r.Name
	}
	return topic.MatchAWS(r.statement.Filter(), w.in.Topic)
}

func (e *ruleEngine) work() {
	defer close(e.done)
	for {
		select {
		case <-e.news:
		case <-e.ctx.Done():
			return
		}
		e.mu.Lock()
		waiting, lost := e.waiting, e.lost
		e.waiting, e.lost = nil, 0
		e.mu.Unlock()
		if lost > 0 {
			e.log.Warn("iotlocal: messages lost for the rules: they come faster than rules and their actions work", "messages", lost)
		}
		for _, w := range waiting {
			e.mu.Lock()
			all := slices.Collect(e.rules.Sorted())
			e.mu.Unlock()
			for _, r := range all {
				if e.ctx.Err() != nil {
					return
				}
				if r.takes(w) {
					e.apply(r, w)
				}
			}
		}
	}
}

// apply runs a rule on a message.
func (e *ruleEngine) apply(r *compiledRule, w ruleWork) {
	result, ok, err := r.statement.Apply(w.in)
	if err != nil {
		e.failed(r, w, "SQL", "", err)
	}
	if !ok {
		return
	}
	for i, a := range r.Actions {
		kind, resource, err := e.act(a, r.topics[i], w, RuleEvent{Rule: r.Name, Topic: w.in.Topic, ClientID: w.in.ClientID, Payload: result})
		if err != nil {
			e.failed(r, w, kind, resource, err)
		}
	}
}

// failed reports a failure to the error action (AWS IoT developer guide, "Error handling (error action)").
func (e *ruleEngine) failed(r *compiledRule, w ruleWork, action, resource string, cause error) {
	e.log.Warn("iotlocal: rule failed", "rule", r.Name, "topic", w.in.Topic, "action", action, "resource", resource, "error", cause)
	if r.ErrorAction == nil {
		return
	}
	type failure struct {
		FailedAction   string `json:"failedAction"`
		FailedResource string `json:"failedResource"`
		ErrorMessage   string `json:"errorMessage"`
	}
	report, err := json.Marshal(struct {
		RuleName              string    `json:"ruleName"`
		Topic                 string    `json:"topic"`
		ClientID              string    `json:"clientId"`
		Base64OriginalPayload string    `json:"base64OriginalPayload"`
		Failures              []failure `json:"failures"`
	}{r.Name, w.in.Topic, w.in.ClientID, base64.StdEncoding.EncodeToString(w.in.Payload), []failure{{action, resource, cause.Error()}}})
	if err == nil {
		_, resource, err = e.act(*r.ErrorAction, r.topics[len(r.topics)-1], w, RuleEvent{Rule: r.Name, Topic: w.in.Topic, ClientID: w.in.ClientID, Payload: report})
	}
	if err != nil {
		e.log.Warn("iotlocal: error action failed", "rule", r.Name, "resource", resource, "error", err)
	}
}

// act does an action.
func (e *ruleEngine) act(a RuleAction, to *rules.Template, w ruleWork, event RuleEvent) (kind, resource string, err error) {
	switch {
	case a.Republish != nil:
		resource, err = e.republish(a.Republish, to, w, event.Payload)
		return "RepublishAction", resource, err
	case a.URL != nil:
		return "HttpAction", a.URL.URL, e.post(a.URL, event)
	case a.FunctionARN != "":
		f, err := e.functions.find(a.FunctionARN)
		if err == nil {
			err = callRule(f, event)
		}
		return "LambdaAction", a.FunctionARN, err
	}
	return "LambdaAction", "", callRule(a.Function, event)
}

// callRule calls a function; a panic is its error.
func callRule(f func(RuleEvent) error, event RuleEvent) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the function panicked: %v", p)
		}
	}()
	return f(event)
}

func (e *ruleEngine) republish(a *RepublishAction, to *rules.Template, w ruleWork, payload []byte) (string, error) {
	name, err := to.Expand(w.in)
	if err != nil {
		return a.Topic, err
	}
	if reserved, ok := strings.CutPrefix(name, "$$"); ok {
		name = "$" + reserved
	} else if strings.HasPrefix(name, "$") {
		return name, errors.New("a reserved topic is written with two dollar signs, as $$aws/things")
	}
	if err = topic.ValidateTopic(name); err == nil {
		err = topic.CheckAWSTopic(name)
	}
	switch {
	case err != nil:
		return name, err
	case len(payload) > topic.MaxAWSPayloadBytes:
		return name, fmt.Errorf("a message of %d bytes, more than the %d of AWS IoT Core", len(payload), topic.MaxAWSPayloadBytes)
	case w.hops >= maxRuleHops:
		return name, fmt.Errorf("republished %d times over the output of rules: a circle", w.hops)
	}
	m := &broker.Message{Topic: name, Payload: payload, QoS: a.QoS, ContentType: a.ContentType}
	e.mu.Lock()
	e.hops[m] = w.hops + 1
	e.mu.Unlock()
	e.publish(m)
	e.mu.Lock()
	delete(e.hops, m)
	e.mu.Unlock()
	if strings.HasPrefix(name, thingsPrefix) {
		e.answering(w.hops + 1)
		e.shadows(nil, m)
		e.answering(0)
	}
	return name, nil
}

// answering says that what is published now is an answer to the engine, after so many hops: a circle can lead through a service.
func (e *ruleEngine) answering(hops int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.within = hops
}

func (e *ruleEngine) post(a *URLAction, event RuleEvent) error {
	ctx, cancel := context.WithTimeout(e.ctx, ruleRequestTimeout)
	defer cancel()
	_, err := post(ctx, a.URL, a.Header, event.Payload)
	return err
}
