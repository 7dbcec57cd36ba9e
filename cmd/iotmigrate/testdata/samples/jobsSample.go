// Command jobsSample does the pending jobs of a thing, on the connection of an MQTT client.
//
// verify: -thing device -job 'device:j1:{"op":"one"}' -job 'device:j2:{"op":"two"}'
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"os"
	"strconv"

	"github.com/portage-iot/awsiot/jobscompat"
	"github.com/portage-iot/awsiot/v1compat"
)

type answer struct {
	Execution *struct {
		JobID           string          `json:"jobId"`
		JobDocument     json.RawMessage `json:"jobDocument"`
		VersionNumber   int64           `json:"versionNumber"`
		ExecutionNumber int64           `json:"executionNumber"`
	} `json:"execution"`
}

func main() {
	port, err := strconv.Atoi(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	started, updated := make(chan answer, 4), make(chan bool, 4)
	client := v1compat.NewAWSIoTMQTTClient("jobsSample")
	client.ConfigureEndpoint(os.Args[1], port)
	client.ConfigureCredentials(os.Args[3], os.Args[5], os.Args[4])
	client.ConfigureConnectDisconnectTimeout(10)
	client.ConfigureMQTTOperationTimeout(65)
	jobs := jobscompat.NewAWSIoTMQTTThingJobsClientWith(client, "jobsSample", "device", 1)
	if err := client.Connect(); err != nil {
		log.Fatal(err)
	}
	if _, err := jobs.CreateJobSubscription(func(_ *v1compat.AWSIoTMQTTClient, _ any, message *v1compat.Message) {
		var a answer
		if err := json.Unmarshal(message.Payload, &a); err != nil {
			log.Fatal(err)
		}
		started <- a
	}, jobscompat.JobStartNextTopic, jobscompat.JobAcceptedReplyType, ""); err != nil {
		log.Fatal(err)
	}
	if _, err := jobs.CreateJobSubscription(func(_ *v1compat.AWSIoTMQTTClient, _ any, message *v1compat.Message) {
		updated <- true
	}, jobscompat.JobUpdateTopic, jobscompat.JobAcceptedReplyType, "+"); err != nil {
		log.Fatal(err)
	}
	for {
		if _, err := jobs.SendJobsStartNext(jobscompat.StartNextOptions{StatusDetails: map[string]string{"StartedBy": "jobsSample"}}); err != nil {
			log.Fatal(err)
		}
		a := <-started
		if a.Execution == nil {
			break
		}
		fmt.Println("job", a.Execution.JobID, string(a.Execution.JobDocument))
		if _, err := jobs.SendJobsUpdate(a.Execution.JobID, jobscompat.JobExecutionSucceeded, jobscompat.UpdateOptions{
			StatusDetails: map[string]string{"HandledBy": "jobsSample"}, ExpectedVersion: a.Execution.VersionNumber, ExecutionNumber: a.Execution.ExecutionNumber}); err != nil {
			log.Fatal(err)
		}
		<-updated
	}
	if err := client.Disconnect(); err != nil {
		log.Fatal(err)
	}
}
