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
// # What is not compared, by name
//
//   - packet-id: paired with its acknowledgement instead.
//   - user-suffix: the "?SDK=..." part of the user name, which names the SDK.
//   - protocol-level: MQTT 3.1.1 and 5 say "clean session" and "clean start, session expiry"; both become "new or
//     resumed" and "kept or not". The seconds of the expiry, codes of UNSUBACK and refusals by number are compared
//     between two MQTT 5 programs only.
//   - client-limits: receive maximum, maximum packet size and topic alias maximum, which v1 cannot say; topic aliases.
//   - ping: PINGREQ and PINGRESP depend on time alone.
//   - aws-json: payloads on topics that begin with $aws/ are compared as JSON values, since AWS's services read and
//     write them as such: the order of members and white space mean nothing there. All other payloads are bytes.
//   - aws-token: in those, a clientToken becomes <token>, or <token again> when the client used the value before, or
//     <foreign token> in an answer to nobody's question.
//   - aws-time: in those, the numbers of timestamp, queuedAt, startedAt, lastUpdatedAt become <time>.
//   - ignored: members of JSON payloads that the user named.
//   - server-ack: a server acknowledgement that is missing in one record because the client left without waiting.
//   - leaving: deliveries that reached a client after its last packet but DISCONNECT, and the client's acknowledgement
//     of the last delivery of a connection; a note says so.
package wirediff
