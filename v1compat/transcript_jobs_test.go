package v1compat_test

// The jobs client in the replay: its calls. Most recordings name no constructor: the thing, the QoS and the client token
// that it was given are in the packets of its calls.

import (
	"encoding/json"
	"slices"
	"strings"
	"sync"

	"github.com/portage-iot/awsiot/jobscompat"
	"github.com/portage-iot/awsiot/v1compat"
)

const jobsObject = "AWSIoTMQTTThingJobsClient"

// trJobs is the jobs client of the recorded program.
type trJobs struct {
	mu     sync.Mutex // calls are made in callbacks too
	client *jobscompat.AWSIoTMQTTThingJobsClient
	with   trJobsWith
	told   bool   // by a recorded constructor, so there is nothing to find in packets
	id     string // client id of its connection
	used   bool   // connected, or was
	taken  map[*trPacket]bool
}

// trJobsWith are the constructor's arguments.
type trJobsWith struct {
	token    string
	tokenNil bool // None
	thing    string
	qos      byte
}

func (w trJobsWith) on(mqtt *v1compat.AWSIoTMQTTClient) *jobscompat.AWSIoTMQTTThingJobsClient {
	c := jobscompat.NewAWSIoTMQTTThingJobsClientWith(mqtt, w.token, w.thing, w.qos)
	c.OmitClientToken = w.tokenNil
	return c
}

// jobsCall makes a call of a jobs client.
func (d *trDriver) jobsCall(c *trCall) (any, error) {
	d.jobs.mu.Lock()
	d.jobsClient(c)
	d.uses(c)
	j := d.jobs.client
	want := d.jobsPacket(c)
	if c.Assign != "" {
		hook := func() { d.callback(callbackName(c.Value), nil, nil, 0) }
		switch c.Assign {
		case "onOnline":
			j.OnOnline = hook
		case "onOffline":
			j.OnOffline = hook
		}
		d.jobs.mu.Unlock()
		return nil, nil
	}
	a := &trArgs{c: c, rec: d.w.rec}
	f := d.jobsMethod(j, a, want)
	d.jobs.mu.Unlock()
	switch {
	case c.Method == "__init__":
		return nil, nil
	case a.bad != "":
		return inexpressible(a.bad), nil
	case f == nil:
		return inexpressible("the replayer does not know " + c.Object + "." + c.Method), nil
	}
	return f()
}

// jobsClient makes sure that the client of call c is there. The caller holds the lock.
func (d *trDriver) jobsClient(c *trCall) {
	j := &d.jobs
	id := d.nextID(c.Seq)
	if randomID.MatchString(id) {
		id = ""
	}
	with := j.with
	switch {
	case c.Method == "__init__":
		with.token, with.tokenNil = "", true
		a := &trArgs{c: c}
		if s, ok := a.at(0, "clientID").(string); ok {
			with.token, with.tokenNil, id = s, false, s
		}
		with.thing, with.qos = a.str(1, "thingName"), 0
		if a.at(2, "QoS") != nil {
			with.qos = byte(a.num(2, "QoS"))
		}
		j.told = true
	case !j.told:
		with = d.jobsWith(c)
	}
	switch {
	case j.client == nil, c.Method == "__init__", c.Method == "connect" && j.used && j.id != id && !j.told:
		d.jobsConnection(id, c, with)
	case with != j.with:
		former := j.client
		j.client = with.on(former.GetMQTTConnection())
		j.client.OnOnline, j.client.OnOffline = former.OnOnline, former.OnOffline
	}
	j.with = with
	j.used = j.used || c.Method == "connect"
}

// jobsConnection makes the jobs client and, unless a client was made for it, its connection.
func (d *trDriver) jobsConnection(id string, c *trCall, with trJobsWith) {
	j := &d.jobs
	j.id = id
	if _, given := c.Kwargs["awsIoTMQTTClient"]; d.client != nil && (given || !j.used && !d.connected) {
		j.client = with.on(d.client)
		return
	}
	j.client = jobscompat.NewAWSIoTMQTTThingJobsClient(id, with.thing, with.qos, d.options(c)...)
	mqtt := j.client.GetMQTTConnection()
	if with.tokenNil || with.token != id {
		j.client = with.on(mqtt)
	}
	d.all = append(d.all, mqtt)
	d.prepare(mqtt, c.Seq)
}

// jobsWith finds the constructor's arguments in the packet of call c; what it does not show is as before or, at first,
// as in the next packet that shows it.
func (d *trDriver) jobsWith(c *trCall) trJobsWith {
	with := d.jobs.with
	packets := []*trPacket{d.jobsPacket(c)}
	if d.jobs.client == nil {
		packets = append(slices.DeleteFunc(slices.Clone(d.w.rec.Packets), func(p *trPacket) bool { return p.Dir != "c2s" || p.Seq < c.Seq }), packets...)
		slices.Reverse(packets)
	}
	for _, p := range packets {
		if p == nil || !strings.HasPrefix(p.Topic, "$aws/things/") {
			continue
		}
		with.thing, with.qos = strings.Split(p.Topic, "/")[2], byte(p.QoS)
		var members map[string]any
		if text, _ := p.Payload.(string); p.Type == "PUBLISH" && json.Unmarshal([]byte(text), &members) == nil {
			token, there := members["clientToken"].(string)
			with.token, with.tokenNil = token, !there
		}
	}
	return with
}

// jobsTail is what the topic of call c ends with, from the recorded enum values, or "" for a call without a topic.
func jobsTail(c *trCall) string {
	a := &trArgs{c: c}
	value := func(v any, i int, none string) string {
		if list, _ := v.([]any); len(list) > i {
			s, _ := list[i].(string)
			return s
		}
		return none
	}
	job, first := "", 1
	level := func(i int, name string) string {
		if s, ok := a.at(i, name).(string); ok {
			return "/" + s
		}
		return ""
	}
	switch c.Method {
	case "createJobSubscriptionAsync":
		first = 2
		fallthrough
	case "createJobSubscription":
		op := value(a.at(first, "jobExecutionType"), 2, "+")
		if op == "+" {
			return "/jobs/#"
		}
		job = level(first+2, "jobId")
		return "/jobs" + job + "/" + op + value(a.at(first+1, "jobReplyType"), 1, "")
	case "sendJobsQuery":
		return "/jobs" + level(1, "jobId") + "/" + value(a.at(0, "jobExecTopicType"), 2, "")
	case "sendJobsStartNext":
		return "/jobs/start-next"
	case "sendJobsUpdate":
		return "/jobs" + level(0, "jobId") + "/update"
	case "sendJobsDescribe":
		return "/jobs" + level(0, "jobId") + "/get"
	}
	return ""
}

// jobsPacket is the packet that call c sends, at once or later, or nil.
func (d *trDriver) jobsPacket(c *trCall) *trPacket {
	tail := jobsTail(c)
	if tail == "" {
		return nil
	}
	if d.jobs.taken == nil {
		d.jobs.taken = map[*trPacket]bool{}
	}
	kind := "PUBLISH"
	if strings.HasPrefix(c.Method, "create") {
		kind = "SUBSCRIBE"
	}
	return d.w.rec.packet(func(p *trPacket) bool {
		return p.Dir == "c2s" && p.Type == kind && p.Seq > c.Seq && strings.HasPrefix(p.Topic, "$aws/things/") && strings.HasSuffix(p.Topic, tail) && !d.jobs.taken[p]
	})
}

// jobsMethod is a method of the jobs client. want is the packet it sends.
func (d *trDriver) jobsMethod(j *jobscompat.AWSIoTMQTTThingJobsClient, a *trArgs, want *trPacket) func() (any, error) {
	if want != nil {
		d.jobs.taken[want] = true
	}
	switch a.c.Method {
	case "connect":
		if v := a.at(0, "keepAliveIntervalSecond"); v == nil {
			return acting(func() error { return j.Connect() })
		}
		k := int(a.num(0, "keepAliveIntervalSecond"))
		return acting(func() error { return j.Connect(k) })
	case "disconnect":
		return acting(j.Disconnect)
	case "getMQTTConnection":
		d.client = j.GetMQTTConnection()
		d.connected = true
		return func() (any, error) { return "<AWSIoTMQTTClient>", nil }
	case "createJobSubscription":
		cb, topicType, reply, job := d.messageCallback(a.at(0, "callback")), a.topicType(1), a.replyType(2), a.jobID(3)
		return func() (any, error) {
			sub, err := j.CreateJobSubscription(cb, topicType, reply, job)
			if err != nil {
				return false, err
			}
			if want != nil && sub.Topic() != want.Topic {
				d.w.diff("%v: the subscription is that of %s, want %s", a.c, sub.Topic(), want.Topic)
			}
			return !sub.Queued(), nil
		}
	case "createJobSubscriptionAsync":
		ack, cb := d.ackData(a.at(0, "ackCallback")), d.messageCallback(a.at(1, "callback"))
		topicType, reply, job := a.topicType(2), a.replyType(3), a.jobID(4)
		return func() (any, error) { return j.CreateJobSubscriptionAsync(ack, cb, topicType, reply, job) }
	case "sendJobsQuery":
		topicType, job := jobscompat.JobExecutionTopicType(a.enum(0, "jobExecTopicType", 0)), a.jobID(1)
		return func() (any, error) { return j.SendJobsQuery(topicType, job) }
	case "sendJobsStartNext":
		o := jobscompat.StartNextOptions{StatusDetails: a.details(0), StepTimeoutInMinutes: a.minutes(1)}
		return func() (any, error) { return j.SendJobsStartNext(o) }
	case "sendJobsUpdate":
		job, status := a.named("jobId", 0), jobscompat.JobExecutionStatus(a.enum(1, "status", 0))
		o := jobscompat.UpdateOptions{StatusDetails: a.details(2), ExpectedVersion: a.whole(3, "expectedVersion"), ExecutionNumber: a.whole(4, "executionNumber"),
			IncludeJobExecutionState: a.flagOr(5, "includeJobExecutionState", false), IncludeJobDocument: a.flagOr(6, "includeJobDocument", false), StepTimeoutInMinutes: a.minutes(7)}
		return func() (any, error) { return j.SendJobsUpdate(job, status, o) }
	case "sendJobsDescribe":
		job, number, document := a.named("jobId", 0), a.whole(1, "executionNumber"), a.flagOr(2, "includeJobDocument", true)
		return func() (any, error) { return j.SendJobsDescribe(job, number, document) }
	}
	former := d.client
	d.client = j.GetMQTTConnection() // the rest is forwarded
	defer func() { d.client = former }()
	return d.clientCall(a)
}

// enum is the number of a member of one of v1's enums, which are recorded as tuples.
func (a *trArgs) enum(i int, name string, none int) int {
	v := a.at(i, name)
	if v == nil {
		return none
	}
	if list, _ := v.([]any); len(list) > 0 {
		if n, ok := list[0].(float64); ok {
			return int(n)
		}
	}
	a.wrong(i, v, "member of an enum")
	return none
}

func (a *trArgs) topicType(i int) jobscompat.JobExecutionTopicType {
	return jobscompat.JobExecutionTopicType(a.enum(i, "jobExecutionType", int(jobscompat.JobWildcardTopic)))
}

func (a *trArgs) replyType(i int) jobscompat.JobExecutionTopicReplyType {
	return jobscompat.JobExecutionTopicReplyType(a.enum(i, "jobReplyType", int(jobscompat.JobRequestType)))
}

// named is a string whose None is "".
func (a *trArgs) named(name string, i int) string {
	if a.at(i, name) == nil {
		return ""
	}
	return a.str(i, name)
}

func (a *trArgs) jobID(i int) string { return a.named("jobId", i) }

func (a *trArgs) whole(i int, name string) int64 {
	if a.at(i, name) == nil {
		return 0
	}
	f := a.num(i, name)
	if f != float64(int64(f)) {
		a.wrong(i, f, "whole number")
	}
	return int64(f)
}

func (a *trArgs) minutes(i int) *int64 {
	if a.at(i, "stepTimeoutInMinutes") == nil {
		return nil
	}
	return new(a.whole(i, "stepTimeoutInMinutes"))
}

func (a *trArgs) flagOr(i int, name string, none bool) bool {
	if a.at(i, name) == nil {
		return none
	}
	return a.flag(i, name)
}

// details are the texts in a dict.
func (a *trArgs) details(i int) map[string]string {
	v := a.at(i, "statusDetails")
	if v == nil {
		return nil
	}
	dict, ok := v.(map[string]any)
	texts := map[string]string{}
	for name, value := range dict {
		if texts[name], ok = value.(string); !ok {
			break
		}
	}
	if !ok {
		a.wrong(i, v, "dict of texts")
	}
	return texts
}
