package awsiot_test

import (
	"fmt"
	"log/slog"
	"os"

	awsiot "github.com/portage-iot/awsiot/v2"
)

// Options can be printed, with any verb: what proves who the client is stays out.
func ExampleClientOptions_Format() {
	opts := awsiot.ClientOptions{Endpoint: "a1b2c3-ats.iot.eu-west-1.amazonaws.com", ClientID: "thing-1", Username: "device", Password: []byte("s3cret"),
		Auth: awsiot.CustomAuthorizer{Name: "gate", TokenKeyName: "token", TokenValue: "t0ken", Signature: "c2lnbmF0dXJl"}}
	fmt.Printf("%+v\n", opts)
	// Output:
	// awsiot.ClientOptions{Endpoint:"a1b2c3-ats.iot.eu-west-1.amazonaws.com" ClientID:"thing-1" Auth:awsiot.CustomAuthorizer{Name:"gate" Signature:[hidden] TokenKeyName:"token" TokenValue:[hidden]} Username:"device" Password:[hidden]}
}

// The same holds for what is logged.
func ExampleClientOptions_LogValue() {
	log := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
	log.Info("connecting", "auth", awsiot.CustomAuthorizer{Name: "gate", Password: []byte("s3cret")})
	// Output:
	// level=INFO msg=connecting auth="awsiot.CustomAuthorizer{Name:\"gate\" Password:[hidden]}"
}

// A client prints its id, its endpoint and its state.
func ExampleClient_LogValue() {
	client := awsiot.NewClient(awsiot.ClientOptions{Endpoint: "broker", ClientID: "thing-1", Auth: awsiot.PlainTCP(), Password: []byte("s3cret")})
	defer client.Close()
	fmt.Println(client)
	fmt.Println(client.LogValue())
	// Output:
	// awsiot.Client{ClientID:"thing-1" Endpoint:"broker" State:StateStopped}
	// awsiot.Client{ClientID:"thing-1" Endpoint:"broker" State:StateStopped}
}
