// Command jobs takes the jobs of a thing, one after the other: it prints the
// document of each, and reports its progress and its end. Without -endpoint it starts an
// iotlocal server of its own, with as many jobs as -n says.
//
//	go run ./examples/v2-style/jobs -n 4
//	go run ./examples/v2-style/jobs -e ENDPOINT -r CA -c CERT -k KEY -thing THING
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/portage-iot/awsiot/examples/internal/local"
	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/iotjobs"
	"github.com/portage-iot/awsiot/v2/reqresp"
)

func main() {
	target := local.Setup(local.Target{ClientID: "jobsRunner", Thing: "Bot"})
	err := run(target)
	target.Close()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

var errDone = errors.New("done")

func run(target *local.Target) error {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	client := awsiot.NewClient(awsiot.ClientOptions{
		ClientID: target.ClientID, Endpoint: target.Endpoint, Port: target.Port,
		CAFile: target.CA, Auth: awsiot.MTLSFromPath(target.Cert, target.Key),
	})
	defer client.Close()
	jobs := iotjobs.NewClient(client, reqresp.Options{})
	defer jobs.Close()
	for i := range target.Count {
		if err := target.CreateJob(fmt.Sprintf("job-%d", i), fmt.Sprintf(`{"firmware":"1.%d"}`, i)); err != nil {
			return err
		}
	}
	if err := client.StartAndWait(ctx); err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	pending, err := jobs.GetPendingJobExecutions(ctx, &iotjobs.GetPendingJobExecutionsRequest{ThingName: target.Thing})
	if err != nil {
		return err
	}
	fmt.Println("jobs that wait:", len(pending.InProgressJobs)+len(pending.QueuedJobs))

	go func() {
		select {
		case <-target.Interrupted:
			cancel(errDone) // the job in progress goes on with the next run
		case <-ctx.Done():
		}
	}()
	// Of each job that has ended, the service tells; this is how the example knows when its last one is reported.
	ended, err := jobs.SubscribeToJobExecutionsChangedEvents(ctx, &iotjobs.JobExecutionsChangedSubscriptionRequest{ThingName: target.Thing},
		awsiot.AtLeastOnce, func(e *iotjobs.JobExecutionsChangedEvent) {
			if len(e.Jobs) == 0 && target.Count > 0 {
				cancel(errDone)
			}
		})
	if err != nil {
		return err
	}
	defer ended.Close()
	err = iotjobs.Run(ctx, jobs, target.Thing, func(ctx context.Context, j *iotjobs.Job) error {
		var document struct{ Firmware string }
		if err := json.Unmarshal(j.JobDocument, &document); err != nil {
			return fmt.Errorf("%w: %w", iotjobs.ErrReject, err)
		}
		fmt.Println(j.JobID+":", "firmware", document.Firmware)
		return j.Progress(ctx, map[string]string{"installed": document.Firmware})
	})
	if !errors.Is(err, errDone) {
		return err
	}
	fmt.Println("no job is left")
	return client.Stop(context.WithoutCancel(ctx), nil)
}
