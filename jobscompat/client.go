package jobscompat

import (
	"net"

	"github.com/portage-iot/awsiot/v1compat"
)

// AWSIoTMQTTThingJobsClient is v1's AWSIoTMQTTThingJobsClient: the jobs of one
// thing on a connection. Make it with NewAWSIoTMQTTThingJobsClient or
// NewAWSIoTMQTTThingJobsClientWith. Its methods may be called concurrently, also
// inside callbacks.
//
// Deprecated: use iotjobs.Client, or iotjobs.Run.
type AWSIoTMQTTThingJobsClient struct {
	// OnOnline is v1's onOnline. Connect puts it on the connection, in the place
	// of the hook that is there, also when it is nil: as in v1.
	OnOnline func()
	// OnOffline is v1's onOffline; see OnOnline.
	OnOffline func()
	// OmitClientToken is v1's clientID=None: requests have no clientToken. By
	// default they have one, the client id, which may be "". Set it before the
	// first request.
	OmitClientToken bool

	mqtt     *v1compat.AWSIoTMQTTClient
	clientID string
	thing    string
	qos      byte
}

// NewAWSIoTMQTTThingJobsClient is v1's AWSIoTMQTTThingJobsClient(clientID,
// thingName, QoS=0, ...). clientID is the client id of the connection and the
// clientToken of every request; v1's None is "" with OmitClientToken. qos, 0 or 1,
// is that of every publish and subscribe; 0 was v1's default. The connection has
// v1compat's offline queue, without a limit, as in v1. A thing name that cannot be
// one, or another qos, is an error of the requests.
//
// Deprecated: use iotjobs.NewClient on an awsiot.Client.
func NewAWSIoTMQTTThingJobsClient(clientID, thingName string, qos byte, opts ...v1compat.ClientOption) *AWSIoTMQTTThingJobsClient {
	return NewAWSIoTMQTTThingJobsClientWith(v1compat.NewAWSIoTMQTTClient(clientID, opts...), clientID, thingName, qos)
}

// NewAWSIoTMQTTThingJobsClientWith is v1's constructor with awsIoTMQTTClient: it
// uses a connection that is there, and leaves its configuration alone. clientID
// is the clientToken only.
//
// Deprecated: use iotjobs.NewClient.
func NewAWSIoTMQTTThingJobsClientWith(client *v1compat.AWSIoTMQTTClient, clientID, thingName string, qos byte) *AWSIoTMQTTThingJobsClient {
	if client == nil {
		client = v1compat.FromV2(nil) // whose Connect says what is wrong
	}
	return &AWSIoTMQTTThingJobsClient{mqtt: client, clientID: clientID, thing: thingName, qos: qos}
}

// Connect is v1's connect; see v1compat.AWSIoTMQTTClient.Connect.
//
// Deprecated: use awsiot.Client.StartAndWait.
func (c *AWSIoTMQTTThingJobsClient) Connect(keepAliveSeconds ...int) error {
	c.mqtt.SetHooks(c.OnOnline, c.OnOffline)
	return c.mqtt.Connect(keepAliveSeconds...)
}

// Disconnect is v1's disconnect; see v1compat.AWSIoTMQTTClient.Disconnect.
//
// Deprecated: use awsiot.Client.Stop.
func (c *AWSIoTMQTTThingJobsClient) Disconnect() error { return c.mqtt.Disconnect() }

// GetMQTTConnection is v1's getMQTTConnection: the connection underneath, for
// what this client does not offer.
//
// Deprecated: use the awsiot.Client.
func (c *AWSIoTMQTTThingJobsClient) GetMQTTConnection() *v1compat.AWSIoTMQTTClient { return c.mqtt }

// ConfigureEndpoint is v1's configureEndpoint.
//
// Deprecated: use awsiot.ClientOptions.Endpoint and Port.
func (c *AWSIoTMQTTThingJobsClient) ConfigureEndpoint(hostName string, portNumber int) {
	c.mqtt.ConfigureEndpoint(hostName, portNumber)
}

// ConfigureCredentials is v1's configureCredentials; mind the order: CA, key,
// certificate.
//
// Deprecated: use awsiot.ClientOptions.CAFile and awsiot.MTLSFromPath.
func (c *AWSIoTMQTTThingJobsClient) ConfigureCredentials(caFilePath, keyPath, certificatePath string) {
	c.mqtt.ConfigureCredentials(caFilePath, keyPath, certificatePath)
}

// ConfigureIAMCredentials is v1's configureIAMCredentials.
//
// Deprecated: use awsauth.Websocket with awsauth.Static.
func (c *AWSIoTMQTTThingJobsClient) ConfigureIAMCredentials(accessKeyID, secretAccessKey, sessionToken string) {
	c.mqtt.ConfigureIAMCredentials(accessKeyID, secretAccessKey, sessionToken)
}

// ConfigureLastWill is v1's configureLastWill, without retain as there.
//
// Deprecated: use awsiot.ClientOptions.Will.
func (c *AWSIoTMQTTThingJobsClient) ConfigureLastWill(topic string, payload any, qos byte) {
	c.mqtt.ConfigureLastWill(topic, payload, qos)
}

// ClearLastWill is v1's clearLastWill.
//
// Deprecated: leave awsiot.ClientOptions.Will nil.
func (c *AWSIoTMQTTThingJobsClient) ClearLastWill() { c.mqtt.ClearLastWill() }

// ConfigureAutoReconnectBackoffTime is v1's configureAutoReconnectBackoffTime, in
// seconds.
//
// Deprecated: use awsiot.ClientOptions.MinReconnectDelay, MaxReconnectDelay and
// MinConnectedTimeToResetReconnectDelay.
func (c *AWSIoTMQTTThingJobsClient) ConfigureAutoReconnectBackoffTime(base, maximum, stable float64) {
	c.mqtt.ConfigureAutoReconnectBackoffTime(base, maximum, stable)
}

// ConfigureConnectDisconnectTimeout is v1's configureConnectDisconnectTimeout, in
// seconds.
//
// Deprecated: use awsiot.ClientOptions.ConnackTimeout.
func (c *AWSIoTMQTTThingJobsClient) ConfigureConnectDisconnectTimeout(timeoutSeconds float64) {
	c.mqtt.ConfigureConnectDisconnectTimeout(timeoutSeconds)
}

// ConfigureMQTTOperationTimeout is v1's configureMQTTOperationTimeout, in seconds.
//
// Deprecated: use awsiot.ClientOptions.AckTimeout or a context.
func (c *AWSIoTMQTTThingJobsClient) ConfigureMQTTOperationTimeout(timeoutSeconds float64) {
	c.mqtt.ConfigureMQTTOperationTimeout(timeoutSeconds)
}

// ConfigureUsernamePassword is v1's configureUsernamePassword.
//
// Deprecated: use awsiot.ClientOptions.Username and Password.
func (c *AWSIoTMQTTThingJobsClient) ConfigureUsernamePassword(username string, password ...string) {
	c.mqtt.ConfigureUsernamePassword(username, password...)
}

// ConfigureSocketFactory is v1's configureSocketFactory.
//
// Deprecated: use awsiot.ClientOptions.Dialer.
func (c *AWSIoTMQTTThingJobsClient) ConfigureSocketFactory(f func() (net.Conn, error)) {
	c.mqtt.ConfigureSocketFactory(f)
}

// EnableMetricsCollection is v1's enableMetricsCollection.
//
// Deprecated: use awsiot.ClientOptions.DisableMetrics.
func (c *AWSIoTMQTTThingJobsClient) EnableMetricsCollection() { c.mqtt.EnableMetricsCollection() }

// DisableMetricsCollection is v1's disableMetricsCollection.
//
// Deprecated: use awsiot.ClientOptions.DisableMetrics.
func (c *AWSIoTMQTTThingJobsClient) DisableMetricsCollection() { c.mqtt.DisableMetricsCollection() }
