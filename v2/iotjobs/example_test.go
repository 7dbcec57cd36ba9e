package iotjobs_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"

	"github.com/portage-iot/awsiot/iotlocal"
	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/iotjobs"
	"github.com/portage-iot/awsiot/v2/reqresp"
)

// connect connects to an AWS-IoT-Core-shaped endpoint in this process, on which two jobs wait for the thing lamp.
func connect() (client *awsiot.Client, stop func()) {
	server, err := iotlocal.Start(iotlocal.Options{})
	if err != nil {
		log.Fatal(err)
	}
	thing, err := server.NewThing("lamp")
	if err != nil {
		log.Fatal(err)
	}
	if err := server.Jobs("lamp").Create("update-42", `{"version":"2.0"}`, iotlocal.JobOptions{}); err != nil {
		log.Fatal(err)
	}
	if err := server.Jobs("lamp").Create("update-43", `{"last":true}`, iotlocal.JobOptions{}); err != nil {
		log.Fatal(err)
	}
	client = awsiot.NewClient(awsiot.ClientOptions{Endpoint: server.Host(), Port: server.TLSPort(), ClientID: "lamp",
		CAFile: server.CAFile(), Auth: awsiot.MTLSFromPath(thing.CertFile, thing.KeyFile)})
	if err := client.StartAndWait(context.Background()); err != nil {
		log.Fatal(err)
	}
	return client, func() { _ = client.Close(); _ = server.Close() }
}

// A device that asks for its next job, and reports its end.
func Example() {
	client, stop := connect()
	defer stop()
	ctx := context.Background()
	jobs := iotjobs.NewClient(client, reqresp.Options{})
	defer jobs.Close()

	next, err := jobs.StartNextPendingJobExecution(ctx, &iotjobs.StartNextPendingJobExecutionRequest{ThingName: "lamp"})
	if err != nil {
		log.Fatal(err)
	}
	job := next.Execution
	fmt.Println(job.JobID, job.Status, string(job.JobDocument))
	update := &iotjobs.UpdateJobExecutionRequest{ThingName: "lamp", JobID: job.JobID, Status: iotjobs.StatusSucceeded,
		ExpectedVersion: new(job.VersionNumber), StatusDetails: map[string]string{"installed": "2.0"}}
	_, err = jobs.UpdateJobExecution(ctx, update)
	fmt.Println(err)
	_, err = jobs.UpdateJobExecution(ctx, update)
	refused, _ := errors.AsType[*iotjobs.RejectedError](err)
	fmt.Println(refused.Code)
	// Output:
	// update-42 IN_PROGRESS {"version":"2.0"}
	// <nil>
	// VersionMismatch
}

// Run takes one job after the other, those that come later included.
func ExampleRun() {
	client, stop := connect()
	defer stop()
	jobs := iotjobs.NewClient(client, reqresp.Options{})
	defer jobs.Close()
	ctx, cancel := context.WithCancelCause(context.Background())
	err := iotjobs.Run(ctx, jobs, "lamp", func(ctx context.Context, j *iotjobs.Job) error {
		var document struct {
			Version string
			Last    bool
		}
		if err := json.Unmarshal(j.JobDocument, &document); err != nil {
			return fmt.Errorf("%w: %w", iotjobs.ErrReject, err)
		}
		if document.Last { // the first one has been reported by now
			cancel(errors.New("one job is enough"))
			return nil
		}
		if err := j.Progress(ctx, map[string]string{"step": "download"}); err != nil {
			return err
		}
		fmt.Println("installing", document.Version)
		return nil
	})
	fmt.Println(err)
	// Output:
	// installing 2.0
	// one job is enough
}
