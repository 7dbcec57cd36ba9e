package awsiot_test

import (
	"context"
	"fmt"
	"time"

	awsiot "github.com/portage-iot/awsiot/v2"
)

// A running client takes other timeouts at once, and another keep-alive with its next connection; what cannot change is
// refused, and then nothing changes.
func ExampleClient_Update() {
	options, stop := local("updated")
	defer stop()
	client := awsiot.NewClient(options)
	defer client.Close()
	client.Observe(awsiot.Observer{OnDisconnection: func(d *awsiot.Disconnection) {
		fmt.Println("end of attempt", d.Attempt, "in a callback:", client.InCallback())
	}})
	if err := client.StartAndWait(context.Background()); err != nil {
		fmt.Println(err)
	}
	fmt.Println(client.Update(func(o *awsiot.ClientOptions) {
		o.AckTimeout = 5 * time.Second
		o.OfflineQueue.MaxOperations = 100
		o.KeepAlive = time.Minute
	}))
	fmt.Println(client.Update(func(o *awsiot.ClientOptions) { o.ClientID = "another" }))
	_ = client.Stop(context.Background(), nil)
	// Output:
	// <nil>
	// awsiot: ClientID: cannot be changed on a client
	// end of attempt 1 in a callback: true
}
