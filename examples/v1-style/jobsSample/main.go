// Command jobsSample is a port of the v1 sample of that name: it starts the
// pending jobs of a thing one after the other, says that each has succeeded, and
// ends when there is none left.
//
//	go run ./examples/v1-style/jobsSample -e ENDPOINT -r CA -c CERT -k KEY -n THING
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/portage-iot/awsiot/examples/v1-style/internal/sample"
	"github.com/portage-iot/awsiot/jobscompat"
	"github.com/portage-iot/awsiot/v1compat"
)

func main() {
	p := sample.New("jobsSample")
	p.ConnectionFlags()
	thing := p.ThingFlag()
	p.Main(func(ctx context.Context) error { return run(ctx, p, *thing) })
}

func run(ctx context.Context, p *sample.Program, thing string) error {
	client := p.MQTTClient()
	client.ConfigureMQTTOperationTimeout(10)
	jobs := jobscompat.NewAWSIoTMQTTThingJobsClientWith(client, p.ClientID, thing, 1)
	if err := jobs.Connect(); err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	j := &processor{jobs: jobs, clientID: p.ClientID, done: make(chan struct{})}
	err := j.subscribe()
	if err == nil {
		j.startNext()
		select {
		case <-j.done:
		case <-ctx.Done():
		}
		err = j.report()
	}
	if e := jobs.Disconnect(); err == nil {
		err = e
	}
	j.requests.Wait()
	return err
}

// counts are what the sample prints in the end.
type counts struct {
	Started   int `json:"jobsStarted"`
	Succeeded int `json:"jobsSucceeded"`
	Rejected  int `json:"jobsRejected"`
}

// processor works through the jobs. Its callbacks leave the requests to other
// goroutines, as v1 had to.
type processor struct {
	jobs     *jobscompat.AWSIoTMQTTThingJobsClient
	clientID string
	requests sync.WaitGroup
	done     chan struct{} // closed when there is nothing left to do

	mu      sync.Mutex
	counts  counts
	updates int  // without an answer
	empty   bool // no job is pending
	ended   bool // done is closed
}

// execution is what the messages of the service say of one.
type execution struct {
	JobID           string          `json:"jobId"`
	VersionNumber   int64           `json:"versionNumber"`
	ExecutionNumber int64           `json:"executionNumber"`
	JobDocument     json.RawMessage `json:"jobDocument"`
}

func (j *processor) subscribe() error {
	_, err1 := j.jobs.CreateJobSubscription(j.onNotifyNext, jobscompat.JobNotifyNextTopic, jobscompat.JobRequestType, "")
	_, err2 := j.jobs.CreateJobSubscription(j.onStarted, jobscompat.JobStartNextTopic, jobscompat.JobAcceptedReplyType, "")
	_, err3 := j.jobs.CreateJobSubscription(j.onStartRejected, jobscompat.JobStartNextTopic, jobscompat.JobRejectedReplyType, "")
	_, err4 := j.jobs.CreateJobSubscription(j.onUpdated, jobscompat.JobUpdateTopic, jobscompat.JobAcceptedReplyType, "+")
	_, err5 := j.jobs.CreateJobSubscription(j.onUpdateRejected, jobscompat.JobUpdateTopic, jobscompat.JobRejectedReplyType, "+")
	if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	return nil
}

// request sends a request from another goroutine. One that cannot be sent is the
// end, since nothing will answer it.
func (j *processor) request(what string, send func() (bool, error)) {
	j.requests.Go(func() {
		if _, err := send(); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", what, err)
			j.change(func() { j.updates, j.empty = 0, true })
		}
	})
}

func (j *processor) startNext() {
	details := map[string]string{"StartedBy": fmt.Sprintf("ClientToken: %s on %s", j.clientID, time.Now().Format(time.RFC3339))}
	j.request("start-next", func() (bool, error) {
		return j.jobs.SendJobsStartNext(jobscompat.StartNextOptions{StatusDetails: details})
	})
}

// pending is the execution in a message; ok is false when there is none.
func pending(m *v1compat.Message) (e execution, ok bool) {
	var body struct{ Execution execution }
	if err := json.Unmarshal(m.Payload, &body); err != nil {
		fmt.Fprintf(os.Stderr, "%s with %q: %v\n", m.Topic, m.Payload, err)
		return e, false
	}
	return body.Execution, body.Execution.JobID != ""
}

func (j *processor) onNotifyNext(_ *v1compat.AWSIoTMQTTClient, _ any, m *v1compat.Message) {
	if e, ok := pending(m); ok {
		fmt.Println("next is", e.JobID)
		j.startNext()
		return
	}
	fmt.Println("no job is next")
	j.change(func() { j.empty = true })
}

func (j *processor) onStarted(_ *v1compat.AWSIoTMQTTClient, _ any, m *v1compat.Message) {
	e, ok := pending(m)
	if !ok {
		fmt.Println("no job is pending")
		j.change(func() { j.empty = true })
		return
	}
	fmt.Printf("started %s: version %d, execution %d, document %s\n", e.JobID, e.VersionNumber, e.ExecutionNumber, e.JobDocument)
	j.change(func() { j.counts.Started++; j.updates++ })
	j.request("update", func() (bool, error) {
		return j.jobs.SendJobsUpdate(e.JobID, jobscompat.JobExecutionSucceeded, jobscompat.UpdateOptions{
			StatusDetails:   map[string]string{"HandledBy": "ClientToken: " + j.clientID},
			ExpectedVersion: e.VersionNumber,
			ExecutionNumber: e.ExecutionNumber,
		})
	})
}

func (j *processor) onStartRejected(_ *v1compat.AWSIoTMQTTClient, _ any, m *v1compat.Message) {
	fmt.Printf("start-next rejected: %s\n", m.Payload)
	j.change(func() { j.counts.Rejected++; j.empty = true })
}

func (j *processor) onUpdated(_ *v1compat.AWSIoTMQTTClient, _ any, m *v1compat.Message) {
	fmt.Println("updated")
	j.change(func() { j.counts.Succeeded++; j.updates-- })
}

// onUpdateRejected: the job is still the next one, so that going on would come
// to the same end.
func (j *processor) onUpdateRejected(_ *v1compat.AWSIoTMQTTClient, _ any, m *v1compat.Message) {
	fmt.Printf("update rejected: %s\n", m.Payload)
	j.change(func() { j.counts.Rejected++; j.updates--; j.empty = true })
}

// change notes what happened, and whether that was all.
func (j *processor) change(note func()) {
	j.mu.Lock()
	defer j.mu.Unlock()
	note()
	if j.empty && j.updates <= 0 && !j.ended {
		j.ended = true
		close(j.done)
	}
}

// report prints the counts as JSON.
func (j *processor) report() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	text, err := json.Marshal(j.counts)
	fmt.Printf("%s\n", text)
	return err
}
