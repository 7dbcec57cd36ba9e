package jobscompat_test

import (
	"net"

	"github.com/portage-iot/awsiot/jobscompat"
	"github.com/portage-iot/awsiot/v1compat"
)

// The exported names and types that programs outside this repository use: this
// compiles or the contract is broken.
var (
	_ func(clientID, thingName string, qos byte, opts ...v1compat.ClientOption) *jobscompat.AWSIoTMQTTThingJobsClient     = jobscompat.NewAWSIoTMQTTThingJobsClient
	_ func(client *v1compat.AWSIoTMQTTClient, clientID, thingName string, qos byte) *jobscompat.AWSIoTMQTTThingJobsClient = jobscompat.NewAWSIoTMQTTThingJobsClientWith
	_ interface {
		Connect(...int) error
		Disconnect() error
		GetMQTTConnection() *v1compat.AWSIoTMQTTClient
		ConfigureEndpoint(string, int)
		ConfigureCredentials(string, string, string)
		ConfigureIAMCredentials(string, string, string)
		ConfigureLastWill(string, any, byte)
		ClearLastWill()
		ConfigureAutoReconnectBackoffTime(float64, float64, float64)
		ConfigureConnectDisconnectTimeout(float64)
		ConfigureMQTTOperationTimeout(float64)
		ConfigureUsernamePassword(string, ...string)
		ConfigureSocketFactory(func() (net.Conn, error))
		EnableMetricsCollection()
		DisableMetricsCollection()
		CreateJobSubscription(v1compat.MessageCallback, jobscompat.JobExecutionTopicType, jobscompat.JobExecutionTopicReplyType, string) (*jobscompat.JobSubscription, error)
		CreateJobSubscriptionAsync(func(v1compat.Mid, []byte), v1compat.MessageCallback, jobscompat.JobExecutionTopicType, jobscompat.JobExecutionTopicReplyType, string) (v1compat.Mid, error)
		SendJobsQuery(jobscompat.JobExecutionTopicType, string) (bool, error)
		SendJobsDescribe(string, int64, bool) (bool, error)
		SendJobsStartNext(jobscompat.StartNextOptions) (bool, error)
		SendJobsUpdate(string, jobscompat.JobExecutionStatus, jobscompat.UpdateOptions) (bool, error)
	} = (*jobscompat.AWSIoTMQTTThingJobsClient)(nil)
	_ interface {
		Topic() string
		Queued() bool
		Unsubscribe() (bool, error)
	} = (*jobscompat.JobSubscription)(nil)
	_ = jobscompat.AWSIoTMQTTThingJobsClient{OnOnline: func() {}, OnOffline: func() {}}
	_ = jobscompat.StartNextOptions{StatusDetails: map[string]string{}, StepTimeoutInMinutes: new(int64)}
	_ = jobscompat.UpdateOptions{StatusDetails: map[string]string{}, ExpectedVersion: 1, ExecutionNumber: 1, IncludeJobExecutionState: true, IncludeJobDocument: true, StepTimeoutInMinutes: new(int64)}
)
