package v1compat_test

import (
	"net"
	"time"

	"github.com/portage-iot/awsiot/v1compat"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// The exported names and types that programs outside this repository use: this
// compiles or the contract is broken.
var (
	_ func(string, ...v1compat.ClientOption) *v1compat.AWSIoTMQTTClient         = v1compat.NewAWSIoTMQTTClient
	_ func(v1compat.ProtocolType) v1compat.ClientOption                         = v1compat.WithProtocolType
	_ func(bool) v1compat.ClientOption                                          = v1compat.WithWebsocket
	_ func(bool) v1compat.ClientOption                                          = v1compat.WithCleanSession
	_ func(v1compat.Quirks) v1compat.ClientOption                               = v1compat.WithQuirks
	_ func() v1compat.ClientOption                                              = v1compat.WithStrictV1
	_ func(*awsiot.Client, ...v1compat.ClientOption) *v1compat.AWSIoTMQTTClient = v1compat.FromV2
	_ func(*awsiot.Client, v1compat.MessageCallback) awsiot.MessageHandler      = v1compat.Handler
	_ interface {
		ConfigureEndpoint(string, int)
		ConfigureCredentials(string, string, string, ...string)
		ConfigureIAMCredentials(string, string, string)
		ConfigureLastWill(string, any, byte, ...bool)
		ClearLastWill()
		ConfigureAutoReconnectBackoffTime(float64, float64, float64)
		ConfigureOfflinePublishQueueing(int, ...v1compat.DropBehavior)
		ConfigureDrainingFrequency(float64)
		ConfigureConnectDisconnectTimeout(float64)
		ConfigureMQTTOperationTimeout(float64)
		ConfigureUsernamePassword(string, ...string)
		ConfigureSocketFactory(func() (net.Conn, error))
		EnableMetricsCollection()
		DisableMetricsCollection()
		Connect(...int) error
		ConnectAsync(int, func(v1compat.Mid, int)) (v1compat.Mid, error)
		Disconnect() error
		DisconnectAsync(func(v1compat.Mid, int)) (v1compat.Mid, error)
		Publish(string, any, byte) (bool, error)
		PublishAsync(string, any, byte, func(v1compat.Mid)) (v1compat.Mid, error)
		Subscribe(string, byte, v1compat.MessageCallback) (bool, error)
		SubscribeAsync(string, byte, func(v1compat.Mid, []byte), v1compat.MessageCallback) (v1compat.Mid, error)
		Unsubscribe(string) (bool, error)
		UnsubscribeAsync(string, func(v1compat.Mid)) (v1compat.Mid, error)
		V2() *awsiot.Client
	} = (*v1compat.AWSIoTMQTTClient)(nil)
	_ v1compat.MessageCallback = func(client *v1compat.AWSIoTMQTTClient, userdata any, message *v1compat.Message) {}
	_                          = v1compat.Message{Topic: "", Payload: nil, QoS: 0, Retain: false, Dup: false, Mid: v1compat.MidQueued, Timestamp: time.Time{}}
	_                          = v1compat.AWSIoTMQTTClient{OnOnline: func() {}, OnOffline: func() {}, OnMessage: func(*v1compat.Message) {}, OnAsyncError: func(op, topic string, err error) {}}
	_                          = []v1compat.Mid{v1compat.MidQueued, v1compat.MidConnected, v1compat.MidDisconnected}
	_                          = []v1compat.DropBehavior{v1compat.DropOldest, v1compat.DropNewest}
	_                          = []v1compat.ProtocolType{v1compat.MQTTv31, v1compat.MQTTv311}
	_                          = []error{&v1compat.SubackError{Suback: 0x80}, &v1compat.ConnectError{Code: 5}, &v1compat.PublishError{Code: 4}}
)
