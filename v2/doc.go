// Package awsiot is an MQTT 5 client for AWS IoT Core and for every other MQTT 5
// broker: the options, sessions, offline queue, reconnection and lifecycle events
// of the AWS IoT Device SDKs v2, with per-filter handlers, bounded queues, a
// context on every blocking call and errors that carry the reason code.
//
// A client is made by [NewClient], which does no I/O and cannot fail, and begins to
// connect with [Client.Start] or [Client.StartAndWait]:
//
//	c := awsiot.NewClient(awsiot.ClientOptions{
//		Endpoint: "xxxx-ats.iot.eu-west-1.amazonaws.com",
//		ClientID: "sensor-1",
//		Auth:     awsiot.MTLSFromPath("cert.pem", "key.pem"),
//		CAFile:   "AmazonRootCA1.pem",
//	})
//	if err := c.StartAndWait(ctx); err != nil {
//		return err
//	}
//	defer c.Close()
//	_, err := c.Publish(ctx, &awsiot.PublishPacket{
//		Topic: "sensors/1", Payload: []byte("21.5"), QoS: awsiot.AtLeastOnce,
//	})
//
// The package clause is awsiot while the folder is v2, so import it by name:
//
//	import awsiot "github.com/portage-iot/awsiot/v2"
//
// # Promises
//
// Every operation completes exactly once. Packets leave in the order of the calls.
// Callbacks run one at a time and in order, in two lanes: messages, and events
// (lifecycle, completions, resubscription results), so that a slow message handler
// never delays the news of a dead link; [ClientOptions.SerialCallbacks] joins the
// two. No callback runs on the goroutine that reads the connection, none with a
// lock held, none begins after [Client.Close] has returned, and every method may be
// called from every callback. A panic in a callback is recovered and logged. Memory
// is bounded by options, and a limit that is hit is an error with a name.
package awsiot
