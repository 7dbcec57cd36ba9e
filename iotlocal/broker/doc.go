// Package broker is the MQTT side of iotlocal: MQTT 5, 3.1.1 and 3.1 on one
// port, QoS 0 and 1, sessions, retained messages, wills, shared subscriptions,
// with the limits of AWS IoT Core and the faults a test asks for.
//
// It is written against the specification, not against the client of this
// repository: its codecs are paho.golang/packets and paho.mqtt.golang/packets,
// behind its own checks of structure and length, so that a mistake in the
// client is not mirrored here.
//
// # How a packet travels
//
// Every connection has two goroutines. The reader decodes, records, asks the
// fault table and handles; the writer takes packets from the connection's
// outbox, asks the fault table, encodes, records and writes, flushing when the
// outbox is empty. Routing takes place on the publisher's reader under the one
// lock of the Broker and ends in outboxes, so a message needs no goroutine of its
// own, and messages of one publisher keep their order. One more goroutine, the
// janitor, wakes for session expiry and delayed wills.
//
// Lock order: Broker.mu, then outbox.mu. Neither is held across I/O or a Hook.
package broker
