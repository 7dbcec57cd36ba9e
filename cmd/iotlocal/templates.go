package main

// The templates of the snippets; an address fills them in.

const v1Snippet = `package main

import (
	"fmt"
	"log"
	{{if not .TLS}}"net"{{end}}

	"github.com/portage-iot/awsiot/v1compat"
)

func main() {
	client := v1compat.NewAWSIoTMQTTClient({{printf "%q" .ClientID}})
{{- if .TLS}}
	client.ConfigureEndpoint({{printf "%q" .Host}}, {{.TLSPort}})
	client.ConfigureCredentials({{printf "%q" .CAFile}}, {{printf "%q" .KeyFile}}, {{printf "%q" .CertFile}})
{{- else}}
	client.ConfigureEndpoint({{printf "%q" .Host}}, {{.TCPPort}})
	client.ConfigureSocketFactory(func() (net.Conn, error) { return net.Dial("tcp", net.JoinHostPort({{printf "%q" .Host}}, "{{.TCPPort}}")) })
{{- end}}
	if err := client.Connect(); err != nil {
		log.Fatal(err)
	}
	got := make(chan string, 1)
	if _, err := client.Subscribe("sample/topic", 1, func(_ *v1compat.AWSIoTMQTTClient, _ any, m *v1compat.Message) {
		got <- string(m.Payload)
	}); err != nil {
		log.Fatal(err)
	}
	if _, err := client.Publish("sample/topic", "hello", 1); err != nil {
		log.Fatal(err)
	}
	fmt.Println(<-got)
	if err := client.Disconnect(); err != nil {
		log.Fatal(err)
	}
}
`

const v2Snippet = `package main

import (
	"context"
	"fmt"
	"log"

	awsiot "github.com/portage-iot/awsiot/v2"
)

func main() {
	ctx := context.Background()
	client := awsiot.NewClient(awsiot.ClientOptions{
{{- if .TLS}}
		Endpoint: {{printf "%q" .Host}},
		Port: {{.TLSPort}},
		CAFile: {{printf "%q" .CAFile}},
		Auth: awsiot.MTLSFromPath({{printf "%q" .CertFile}}, {{printf "%q" .KeyFile}}),
{{- else}}
		Endpoint: {{printf "%q" .Host}},
		Port: {{.TCPPort}},
		Auth: awsiot.PlainTCP(),
{{- end}}
		ClientID: {{printf "%q" .ClientID}},
	})
	defer client.Close()
	if err := client.StartAndWait(ctx); err != nil {
		log.Fatal(err)
	}
	got := make(chan string, 1)
	if _, err := client.Subscribe(ctx, &awsiot.SubscribePacket{Subscriptions: []awsiot.Subscription{{"{{"}}
		TopicFilter: "sample/topic", QoS: awsiot.AtLeastOnce,
		Handler: func(m *awsiot.Message) { got <- string(m.Payload) },
	{{"}}"}}}); err != nil {
		log.Fatal(err)
	}
	if _, err := client.Publish(ctx, &awsiot.PublishPacket{Topic: "sample/topic", Payload: []byte("hello"), QoS: awsiot.AtLeastOnce}); err != nil {
		log.Fatal(err)
	}
	fmt.Println(<-got)
	if err := client.Stop(ctx, nil); err != nil {
		log.Fatal(err)
	}
}
`

const mosquittoSnippet = `{{define "to"}}-h {{sh .Host}} -p {{.Port}}{{if .TLS}} --cafile {{sh .CAFile}} --cert {{sh .CertFile}} --key {{sh .KeyFile}}{{end}}{{end -}}
mosquitto_sub {{template "to" .}} -i {{sh .ClientID}} -q 1 -t sample/topic -C 1 -W 10 &
sleep 1
mosquitto_pub {{template "to" .}} -q 1 -t sample/topic -m hello
wait
`

const pythonSnippet = `import queue

from AWSIoTPythonSDK.MQTTLib import AWSIoTMQTTClient

client = AWSIoTMQTTClient({{js .ClientID}})
client.configureEndpoint({{js .Host}}, {{.Port}})
{{- if .TLS}}
client.configureCredentials({{js .CAFile}}, {{js .KeyFile}}, {{js .CertFile}})
{{- end}}
got = queue.Queue()
client.connect()
client.subscribe("sample/topic", 1, lambda client, userdata, message: got.put(message.payload))
client.publish("sample/topic", "hello", 1)
print(got.get(timeout=10).decode())
client.disconnect()
`

const nodeSnippet = `const { mqtt5{{if .TLS}}, iot{{end}} } = require("aws-iot-device-sdk-v2");

{{if .TLS -}}
const builder = iot.AwsIotMqtt5ClientConfigBuilder.newDirectMqttBuilderWithMtlsFromPath(
  {{js .Host}}, {{js .CertFile}}, {{js .KeyFile}});
builder.withCertificateAuthorityFromPath(undefined, {{js .CAFile}});
builder.withPort({{.Port}});
builder.withConnectProperties({ clientId: {{js .ClientID}}, keepAliveIntervalSeconds: 60 });
const client = new mqtt5.Mqtt5Client(builder.build());
{{- else -}}
const client = new mqtt5.Mqtt5Client({
  hostName: {{js .Host}}, port: {{.Port}},
  connectProperties: { clientId: {{js .ClientID}}, keepAliveIntervalSeconds: 60 },
});
{{- end}}
client.on("messageReceived", (event) => {
  console.log(Buffer.from(event.message.payload).toString());
  client.stop();
});
client.on("connectionSuccess", async () => {
  await client.subscribe({ subscriptions: [{ topicFilter: "sample/topic", qos: mqtt5.QoS.AtLeastOnce }] });
  await client.publish({ topicName: "sample/topic", payload: "hello", qos: mqtt5.QoS.AtLeastOnce });
});
client.on("connectionFailure", (event) => console.error(String(event.error)));
client.on("stopped", () => client.close());
client.start();
`
