package reqresp_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"

	"github.com/portage-iot/awsiot/iotlocal"
	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/reqresp"
)

// A service of one's own: it adds numbers, and answers on TOPIC/accepted with the token of the request.
func Example() {
	server, err := iotlocal.Start(iotlocal.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	client := awsiot.NewClient(awsiot.ClientOptions{Endpoint: server.Host(), Port: server.TCPPort(), ClientID: "sums", Auth: awsiot.PlainTCP()})
	defer client.Close()
	ctx := context.Background()
	if err := client.StartAndWait(ctx); err != nil {
		log.Fatal(err)
	}
	_, err = client.Subscribe(ctx, &awsiot.SubscribePacket{Subscriptions: []awsiot.Subscription{{TopicFilter: "sum", Handler: func(m *awsiot.Message) {
		var q struct {
			Numbers []int
			Token   string
		}
		_ = json.Unmarshal(m.Payload, &q)
		sum := 0
		for _, n := range q.Numbers {
			sum += n
		}
		client.PublishFunc(&awsiot.PublishPacket{Topic: "sum/accepted", QoS: awsiot.AtLeastOnce, Payload: fmt.Appendf(nil, `{"meta":{"token":%q},"sum":%d}`, q.Token, sum)}, nil)
	}}}})
	if err != nil {
		log.Fatal(err)
	}

	requests := reqresp.New(client, reqresp.Options{})
	defer requests.Close()
	token := requests.Token()
	answer, err := requests.Do(ctx, &reqresp.Request{
		Operation: "sum", Topic: "sum", Payload: fmt.Appendf(nil, `{"numbers":[1,2,3],"token":%q}`, token),
		Filters: []string{"sum/+"}, Token: token,
		Replies: []reqresp.Reply{{Topic: "sum/accepted", TokenPath: "meta.token"}},
	})
	if err != nil {
		log.Fatal(err)
	}
	var sum struct{ Sum int }
	fmt.Println(json.Unmarshal(answer.Payload, &sum), sum.Sum)
	// Output:
	// <nil> 6
}

// A stream hears of its own subscription, too.
func ExampleStream() {
	server, err := iotlocal.Start(iotlocal.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	client := awsiot.NewClient(awsiot.ClientOptions{Endpoint: server.Host(), Port: server.TCPPort(), ClientID: "news", Auth: awsiot.PlainTCP()})
	defer client.Close()
	requests := reqresp.New(client, reqresp.Options{})
	defer requests.Close()
	events := make(chan string)
	stream, err := requests.NewStream(reqresp.StreamOptions{TopicFilter: "news/+",
		OnMessage: func(m *awsiot.Message) { events <- string(m.Payload) },
		OnStatus:  func(s reqresp.StreamStatus, err error) { events <- fmt.Sprint(s, " ", err) }})
	if err != nil {
		log.Fatal(err)
	}
	if err := stream.Open(); err != nil { // before the client is started: it waits for the connection
		log.Fatal(err)
	}
	if err := client.Start(); err != nil {
		log.Fatal(err)
	}
	fmt.Println(<-events)
	client.PublishFunc(&awsiot.PublishPacket{Topic: "news/local", Payload: []byte("sunny")}, nil)
	fmt.Println(<-events)
	_ = stream.Close()
	// Output:
	// StreamEstablished <nil>
	// sunny
}
