// Package iotcommands is a client of AWS IoT Device Management commands over
// MQTT: it hears of the commands to a device and reports how they fare.
//
// It has the calls of the second generation of AWS's service clients, in which alone this service
// exists; see package iotshadow. Answers carry no token: reports about one execution
// are made one at a time. Work on a command outside the function that gets the event: while that runs, no other message
// is handed out.
//
// The service is described in the AWS IoT developer guide, "Remote commands".
package iotcommands
