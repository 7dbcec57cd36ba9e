// Command jobs has a jobs client on a connection that is there: requests with and without answers, callbacks that ask on.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"

	"github.com/portage-iot/awsiot/jobscompat"
	"github.com/portage-iot/awsiot/v1compat"
)

type worker struct {
	jobs    *jobscompat.AWSIoTMQTTThingJobsClient
	answers chan string
}

// heard tells of an answer: its topic and whose request it is for.
func (w *worker) heard(_ *v1compat.AWSIoTMQTTClient, _ any, m *v1compat.Message) {
	var body struct{ ClientToken string }
	err := json.Unmarshal(m.Payload, &body)
	w.answers <- fmt.Sprint(m.Topic, " ", body.ClientToken, " ", err)
}

func (w *worker) ask(request func() (bool, error)) {
	sent, err := request()
	fmt.Println(sent, err, <-w.answers)
}

func main() {
	port, err := strconv.Atoi(os.Args[2])
	if err != nil {
		panic(err)
	}
	client := v1compat.NewAWSIoTMQTTClient("jobs")
	client.ConfigureEndpoint(os.Args[1], port)
	client.ConfigureCredentials(os.Args[3], os.Args[5], os.Args[4])
	w := &worker{jobscompat.NewAWSIoTMQTTThingJobsClientWith(client, "jobs", "corpus", 1), make(chan string, 1)}
	w.jobs.OnOnline = func() { fmt.Println("online") }
	fmt.Println(w.jobs.Connect(45))
	if _, err := w.jobs.CreateJobSubscription(w.heard, jobscompat.JobGetPendingTopic, jobscompat.JobAcceptedReplyType, ""); err != nil {
		fmt.Println(err)
	}
	_, err = w.jobs.CreateJobSubscription(w.heard, jobscompat.JobUpdateTopic, jobscompat.JobRejectedReplyType, "+")
	fmt.Println(err)
	w.jobs.CreateJobSubscription(w.heard, jobscompat.JobDescribeTopic, jobscompat.JobRejectedReplyType, "none")
	w.jobs.CreateJobSubscription(nil, jobscompat.JobNotifyTopic, jobscompat.JobRequestType, "")
	w.jobs.CreateJobSubscription(w.heard, jobscompat.JobStartNextTopic, jobscompat.JobAcceptedReplyType, "")
	w.ask(func() (bool, error) { return w.jobs.SendJobsQuery(jobscompat.JobGetPendingTopic, "") })
	w.ask(func() (bool, error) { return w.jobs.SendJobsDescribe("none", 2, false) })
	version := int64(3)
	w.ask(func() (bool, error) {
		return w.jobs.SendJobsUpdate("none", jobscompat.JobExecutionFailed, jobscompat.UpdateOptions{ExpectedVersion: version, IncludeJobDocument: true})
	})
	w.ask(func() (bool, error) {
		return w.jobs.SendJobsStartNext(jobscompat.StartNextOptions{StatusDetails: map[string]string{"by": "corpus"}})
	})
	fmt.Println(w.jobs.Disconnect())
}
