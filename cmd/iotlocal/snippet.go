package main

import (
	"errors"
	"fmt"
	"go/format"
	"strings"
	"text/template"

	"github.com/portage-iot/awsiot/iotlocal"
)

// style is the API a snippet uses.
type style int

const (
	styleV1 style = iota
	styleV2
)

// String returns the package the snippet is for.
func (s style) String() string {
	if s == styleV1 {
		return "v1compat"
	}
	return "v2"
}

// address is what a snippet fills in.
type address struct {
	Host              string
	TLSPort, TCPPort  int
	CAFile            string
	CertFile, KeyFile string // "": no thing
	ClientID          string
}

// TLS reports whether the snippet can use the TLS port: it needs a certificate.
func (a address) TLS() bool { return a.TLSPort != iotlocal.Off && a.CertFile != "" }

// snippet returns a complete program that subscribes, publishes one message to
// itself and prints it.
func snippet(s style, a address) (string, error) {
	if a.TLSPort == iotlocal.Off && a.TCPPort == iotlocal.Off {
		return "", errors.New("it would use the TLS or the TCP port, and both are off")
	}
	if !a.TLS() && a.TCPPort == iotlocal.Off {
		return "", errors.New("the TLS port needs a certificate, give -thing NAME")
	}
	text := v1Snippet
	if s == styleV2 {
		text = v2Snippet
	}
	t, err := template.New(s.String()).Parse(text)
	if err != nil {
		return "", fmt.Errorf("snippet: %w", err)
	}
	var b strings.Builder
	if err := t.Execute(&b, a); err != nil {
		return "", fmt.Errorf("snippet: %w", err)
	}
	code, err := format.Source([]byte(b.String()))
	if err != nil {
		return "", fmt.Errorf("snippet: %w", err)
	}
	return string(code), nil
}

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
