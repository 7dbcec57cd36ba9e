package jobscompat_test

import (
	"encoding/json"
	"fmt"
	"log"

	"github.com/portage-iot/awsiot/iotlocal"
	"github.com/portage-iot/awsiot/jobscompat"
	"github.com/portage-iot/awsiot/v1compat"
)

// A device that starts the next job and says that it has succeeded: the core of
// the v1 sample jobsSample.
func Example() {
	srv, err := iotlocal.Start(iotlocal.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	thing, err := srv.NewThing("lamp")
	if err != nil {
		log.Fatal(err)
	}

	jobs := jobscompat.NewAWSIoTMQTTThingJobsClient("lamp", "lamp", 1)
	jobs.ConfigureEndpoint(srv.Host(), srv.TLSPort())
	jobs.ConfigureCredentials(srv.CAFile(), thing.KeyFile, thing.CertFile)
	if err := jobs.Connect(); err != nil {
		log.Fatal(err)
	}
	if err := srv.Jobs("lamp").Create("firmware", `{"url":"https://example.com/1.bin"}`, iotlocal.JobOptions{}); err != nil {
		log.Fatal(err)
	}
	type execution struct {
		JobID         string `json:"jobId"`
		VersionNumber int64  `json:"versionNumber"`
	}
	started, updated := make(chan execution, 1), make(chan bool, 1)
	sub, err := jobs.CreateJobSubscription(func(_ *v1compat.AWSIoTMQTTClient, _ any, m *v1compat.Message) {
		var answer struct{ Execution execution }
		if err := json.Unmarshal(m.Payload, &answer); err != nil {
			log.Fatal(err)
		}
		started <- answer.Execution
	}, jobscompat.JobStartNextTopic, jobscompat.JobAcceptedReplyType, "")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(sub.Topic())
	jobs.CreateJobSubscription(func(*v1compat.AWSIoTMQTTClient, any, *v1compat.Message) { updated <- true },
		jobscompat.JobUpdateTopic, jobscompat.JobAcceptedReplyType, "+")

	jobs.SendJobsStartNext(jobscompat.StartNextOptions{StatusDetails: map[string]string{"StartedBy": "lamp"}})
	e := <-started
	fmt.Println(e.JobID, e.VersionNumber)
	jobs.SendJobsUpdate(e.JobID, jobscompat.JobExecutionSucceeded, jobscompat.UpdateOptions{ExpectedVersion: e.VersionNumber})
	<-updated
	job, err := srv.Jobs("lamp").Describe("firmware")
	fmt.Println(job.Status, job.StatusDetails["StartedBy"], err)
	fmt.Println(jobs.Disconnect())
	// Output:
	// $aws/things/lamp/jobs/start-next/accepted
	// firmware 2
	// SUCCEEDED lamp <nil>
	// <nil>
}
