// Command shared has a shadow and jobs on the connection of one client.
//
// verify: -thing device -job 'device:j1:{"op":"x"}'
package main

import (
	"fmt"
	"os"
	"strconv"

	"github.com/portage-iot/awsiot/jobscompat"
	"github.com/portage-iot/awsiot/shadowcompat"
	"github.com/portage-iot/awsiot/v1compat"
)

// port is the third word of the command line.
func port() int {
	n, err := strconv.Atoi(os.Args[2])
	if err != nil {
		panic(err)
	}
	return n
}

type device struct {
	client *v1compat.AWSIoTMQTTClient
	shadow *shadowcompat.ShadowHandler
	jobs   *jobscompat.AWSIoTMQTTThingJobsClient
	heard  chan string
}

func newDevice() *device {
	d := &device{client: v1compat.NewAWSIoTMQTTClient("shared"), heard: make(chan string, 4)}
	d.client.ConfigureEndpoint(os.Args[1], port())
	d.client.ConfigureCredentials(os.Args[3], os.Args[5], os.Args[4])
	d.client.ConfigureMQTTOperationTimeout(65)
	d.shadow = shadowcompat.NewAWSIoTMQTTShadowClientWith(d.client).CreateShadowHandlerWithName("device", true)
	d.jobs = jobscompat.NewAWSIoTMQTTThingJobsClientWith(d.client, "shared", "device", 1)
	return d
}

func (d *device) started(_ *v1compat.AWSIoTMQTTClient, _ any, m *v1compat.Message) {
	d.heard <- fmt.Sprint("job ", len(m.Payload) > 0)
}

func main() {
	d := newDevice()
	fmt.Println(d.client.Connect())
	_, err := d.jobs.CreateJobSubscription(d.started, jobscompat.JobStartNextTopic, jobscompat.JobAcceptedReplyType, "")
	fmt.Println(err)
	fmt.Println(d.jobs.SendJobsStartNext(jobscompat.StartNextOptions{}))
	fmt.Println(<-d.heard)
	_, err = d.shadow.ShadowUpdate(`{"state":{"reported":{"job":1}}}`, func(_, status, _ string) { d.heard <- status }, 60)
	fmt.Println(err, <-d.heard)
	fmt.Println(d.client.Publish("shapes/shared", "done", 1))
	fmt.Println(d.client.Disconnect())
}
