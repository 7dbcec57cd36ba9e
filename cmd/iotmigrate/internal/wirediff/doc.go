// Package wirediff compares what two programs said on the wire: the records of an iotlocal server for each.
//
// # What is compared
//
// Per client: CONNECT with its outcome (client id, session, keep alive, user, password, will, certificate), SUBSCRIBE
// and UNSUBSCRIBE with filters, options and the answer, every PUBLISH in both directions (topic, payload, QoS, retain,
// dup, properties, acknowledgement), and how each connection ended.
//
// # In which order
//
// MQTT keeps order per topic [MQTT5-4.6.0], and two goroutines that publish to two topics have none between them. So a
// client's packets are compared in lanes, each in order: one for CONNECT and the end of connections, one per first
// filter for SUBSCRIBE and UNSUBSCRIBE, one per direction and topic for PUBLISH. Every packet also carries the number
// of its client's connection, so nothing moves across a CONNECT or DISCONNECT. Acknowledgements belong to the packet they
// acknowledge, wherever they stand: their place between other packets is the network's. When the lanes are equal but
// the operations of a client stood in another order, that is a note; with Strict it is a difference.
//
// # What is not compared
//
// Normalisations, a closed list: whatever else differs is a difference. Differences that a rule of the rewrite makes on
// purpose are Expected; they are reported, and do not count.
package wirediff
