// Package broker is the MQTT side of iotlocal: MQTT 5, 3.1.1 and 3.1 on one
// port, QoS 0 and 1, sessions, retained messages, wills, shared subscriptions,
// with the limits of AWS IoT Core and the faults a test asks for.
//
// It is written against the specification, not against the client of this
// repository: its codecs are paho.golang/packets and paho.mqtt.golang/packets,
// behind its own checks of structure and length, so that a mistake in the
// client is not mirrored here. PUBLISH and PUBACK, of which there are many, it reads
// and writes itself (fast.go); a test holds them against those codecs.
//
// # How a packet travels
//
// Every connection has a goroutine, the reader. It takes all packets that have come
// whole, and for each of them decodes, records, asks the fault table and handles; that
// is a turn. Routing takes place on the publisher's reader under the one lock of the
// Broker and ends in outboxes, so a message needs no goroutine of its own, and messages
// of one publisher keep their order. A payload lies in the reader's buffer until
// somebody keeps the message: a subscriber, a retained topic, a service.
//
// At the end of its turn the reader writes what waits for it and for others it has
// delivered to, as far as their transports take it without waiting (conn.flush): a
// packet costs neither a system call nor a change of goroutines, but a turn does. What
// a transport does not take at once, and everything over TLS or websockets or while
// there are fault rules, is for the writer, a second goroutine of the connection that
// there is only when it is needed: it takes packets from the outbox, asks the fault
// table, encodes, records and writes. Before a reader waits for anything but packets,
// as a service or a fault, it writes what there is.
//
// One more goroutine, the janitor, wakes for session expiry and delayed wills.
//
// Lock order: Broker.mu, then outbox.mu. Neither is held across I/O or a Hook.
package broker
