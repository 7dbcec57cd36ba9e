// Command basicPubSub_CognitoSTS is a port of the v1 sample of that name: it gets
// an identity and temporary credentials from an Amazon Cognito identity pool and
// connects with them by websocket.
//
//	go run ./examples/v1-style/basicPubSub_CognitoSTS -e ENDPOINT -r CA -C REGION:POOL
//
// The SDK's variable AWS_ENDPOINT_URL_COGNITO_IDENTITY points it at another Cognito;
// both connections go through the proxy of HTTPS_PROXY, where that is set.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/portage-iot/awsiot/examples/v1-style/internal/sample"
	"github.com/portage-iot/awsiot/v1compat"
	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/awsauth"
)

func main() {
	p := sample.New("basicPubSub_CognitoSTS")
	p.ClientIDFlag()
	pool := p.RequiredFlag("id of the Cognito identity pool", "C", "CognitoIdentityPoolID")
	topic := p.TopicFlag()
	p.LoopFlags("n", "count")
	p.Rule(func() error {
		_, err := region(p.Endpoint)
		return err
	})
	p.Main(func(ctx context.Context) error { return run(ctx, p, *pool, *topic) })
}

// region is the third label of an endpoint, ACCOUNT.iot.REGION.amazonaws.com.
func region(endpoint string) (string, error) {
	labels := strings.Split(endpoint, ".")
	if len(labels) < 4 || labels[2] == "" {
		return "", fmt.Errorf("endpoint %q does not tell its region: want ACCOUNT.iot.REGION.amazonaws.com", endpoint)
	}
	return labels[2], nil
}

// open is a socket factory that takes the environment's proxy, as the tools of AWS do.
func open(endpoint string) func() (net.Conn, error) {
	raw := awsiot.ClientOptions{Endpoint: endpoint, Port: 443, Auth: awsiot.PlainTCP(), HTTPProxy: http.ProxyFromEnvironment}
	return func() (net.Conn, error) {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		return raw.Dial(ctx)
	}
}

func run(ctx context.Context, p *sample.Program, pool, topic string) error {
	in, err := region(p.Endpoint)
	if err != nil {
		return err
	}
	limit, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	guest, err := awsauth.Cognito(awsauth.CognitoOptions{IdentityPoolID: pool, Region: in}).Retrieve(limit)
	if err != nil {
		if errors.Is(ctx.Err(), context.Canceled) {
			return nil // Ctrl-C
		}
		return fmt.Errorf("credentials: %w", err)
	}
	fmt.Printf("credentials of pool %s\n", pool)

	client := v1compat.NewAWSIoTMQTTClient(p.ClientID, v1compat.WithWebsocket(true))
	client.ConfigureEndpoint(p.Endpoint, 443)
	client.ConfigureCredentials(p.RootCA, "", "")
	client.ConfigureIAMCredentials(guest.AccessKeyID, guest.SecretAccessKey, guest.SessionToken)
	client.ConfigureSocketFactory(open(p.Endpoint))
	client.ConfigureAutoReconnectBackoffTime(1, 32, 20)
	client.ConfigureOfflinePublishQueueing(-1)
	client.ConfigureDrainingFrequency(2)
	client.ConfigureConnectDisconnectTimeout(10)
	client.ConfigureMQTTOperationTimeout(5)
	if err := client.Connect(); err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	received := sample.NewTally()
	if _, err := client.Subscribe(topic, 1, func(_ *v1compat.AWSIoTMQTTClient, _ any, message *v1compat.Message) {
		fmt.Printf("received %s from %s\n", message.Payload, message.Topic)
		received.Add()
	}); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	p.Pause(ctx, 2)
	sent := 0
	for i := range p.Messages(ctx) {
		if _, err := client.Publish(topic, fmt.Sprintf("New Message %d", i), 1); err != nil {
			return fmt.Errorf("publish: %w", err)
		}
		sent++
	}
	if err := received.Await(ctx, sent, "messages came back"); err != nil {
		return err
	}
	return client.Disconnect()
}
