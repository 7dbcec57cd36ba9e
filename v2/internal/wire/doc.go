// Package wire is the MQTT 5 codec of the client: bytes to structs and back, no state, no I/O.
//
// PUBLISH and PUBACK, of which there may be millions, are written by hand, with their properties, and cost no
// allocation when they have none. Everything else stands on github.com/eclipse/paho.golang/packets, of which nothing
// shows outside.
//
// That codec (v0.23.0) trusts its input. What it gets wrong, and what is done about it here:
//   - it reserves what a length field says and reads length fields of any size: [Next] bounds both first, and paho
//     never reads from a connection, only from a whole frame;
//   - it takes property blocks that are cut off, repeated properties, a subscription identifier that is cut off,
//     reserved bits, bytes after the end, SUBACK without codes, packet identifier 0, zero where it is forbidden, and
//     strings that are not UTF-8: Decode checks all that before;
//   - it refuses the two-byte DISCONNECT, which is legal;
//   - it spends over a kilobyte on each user property, however short: they are decoded here;
//   - it keeps only the last subscription identifier of a PUBLISH, and does not encode empty correlation data;
//   - it leaves the properties of a will out (all but delay and user properties), cuts strings above 65,535 bytes and
//     panics in packets above 256 MiB: the encoders here write the first themselves and refuse the others.
package wire
