package jobscompat_test

import (
	"fmt"
	"log"

	"github.com/portage-iot/awsiot/iotlocal"
	"github.com/portage-iot/awsiot/jobscompat"
	"github.com/portage-iot/awsiot/v1compat"
)

// A device that starts the next job and says that it has succeeded: the core of
// the v1 sample jobsSample. The program answers for the Jobs service itself.
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
	started, requests := make(chan string, 1), make(chan string, 1)
	sub, err := jobs.CreateJobSubscription(func(_ *v1compat.AWSIoTMQTTClient, _ any, m *v1compat.Message) {
		started <- string(m.Payload)
	}, jobscompat.JobStartNextTopic, jobscompat.JobAcceptedReplyType, "")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(sub.Topic())
	jobs.CreateJobSubscription(func(_ *v1compat.AWSIoTMQTTClient, _ any, m *v1compat.Message) {
		requests <- string(m.Payload) // what the service gets
	}, jobscompat.JobUpdateTopic, jobscompat.JobRequestType, "+")

	jobs.SendJobsStartNext(jobscompat.StartNextOptions{StatusDetails: map[string]string{"StartedBy": "lamp"}})
	srv.Publish(iotlocal.Message{Topic: sub.Topic(), Payload: []byte(`{"execution":{"jobId":"firmware","versionNumber":2}}`)})
	fmt.Println(<-started)
	jobs.SendJobsUpdate("firmware", jobscompat.JobExecutionSucceeded, jobscompat.UpdateOptions{ExpectedVersion: 2})
	fmt.Println(<-requests)
	fmt.Println(jobs.Disconnect())
	// Output:
	// $aws/things/lamp/jobs/start-next/accepted
	// {"execution":{"jobId":"firmware","versionNumber":2}}
	// {"status": "SUCCEEDED", "expectedVersion": "2", "clientToken": "lamp"}
	// <nil>
}
