// Package v1compat is the MQTT client of the AWS IoT Device SDK for Python, v1,
// in Go case, on the MQTT 5 client of package awsiot. A line-by-line port of v1
// code compiles against it and behaves as it did: the same calls, argument
// orders, units (seconds as float64, hertz), results and errors; AWSIoTMQTTClient
// says what differs.
//
// # Results
//
// A call that v1 answered with True, False or an exception answers here with
// (true, nil): acknowledged, or written for QoS 0; (false, nil): put into the
// offline queue; (false, err). A call that v1 answered with a packet id or the
// word "QUEUED" answers with a Mid. Configure calls return nothing, as in v1;
// what is wrong with them is reported by Connect, all of it at once.
//
// # Logging
//
// Nothing is logged until SetLogger has been called, as nothing was in v1 without a
// handler; then the clients log through logrus, with v1's logger names in the field
// "logger".
//
// # Moving on
//
// V2 gives the client underneath, for code that is new; FromV2 and Handler give
// v1's shape to a client that is already awsiot's. Everything here is marked
// deprecated in the sense of "has a better successor": the command iotmigrate
// rewrites it.
package v1compat
