// Package mqtt311 is the MQTT 3.1.1 connection of the AWS IoT Device SDKs v2 (mqtt_connection_builder and
// mqtt.Connection), for brokers and fleets that have not moved to MQTT 5. It connects with the same Auth values as package
// awsiot, and speaks through the codec of paho.mqtt.golang. New code should use awsiot.Client: there the broker says why
// it refused something, and it is much faster.
//
//	c := mqtt311.NewConnection(mqtt311.Options{Endpoint: endpoint, ClientID: "pump", Auth: awsiot.MTLSFromPath(cert, key)})
//	if _, err := c.Connect(ctx); err != nil { ... }
//	defer c.Disconnect(ctx)
//	granted, err := c.Subscribe(ctx, "pump/commands", awsiot.AtLeastOnce, func(m *mqtt311.Message) { ... })
//	err = c.Publish(ctx, &mqtt311.PublishPacket{Topic: "pump/state", Payload: state, QoS: awsiot.AtLeastOnce})
//
// As in those SDKs: a first attempt that fails ends Connect, a lost connection is made again; operations without a
// connection wait for one, at every QoS; subscriptions are not made again by themselves when the broker has forgotten the
// session (OnResumed says so; ResubscribeExistingTopics). Otherwise than there: Disconnect ends what is pending with
// awsiot.ErrStopped; what was under way when a connection was lost is sent again, also with CleanSession; subscribing
// again takes at most eight filters per packet, AWS IoT Core's limit, beyond which it ends the connection; a publish that
// the broker ends connections over, again and again, ends with awsiot.ErrEndsConnection.
//
// Callbacks run one at a time, in order, and any method may be called in one.
package mqtt311
