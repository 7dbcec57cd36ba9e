// Package reqresp makes requests to services that answer over MQTT, as those of
// AWS IoT do: a request is published on one topic, and its answer arrives on
// another one, with the correlation token that the request had. The service
// clients iotshadow, iotjobs, iotidentity and iotcommands stand on it; use it
// directly for services of your own that answer in this way.
//
// A Client subscribes to the answers when the first request needs them, shares
// and keeps these subscriptions within a budget, and counts their users together with the
// program's own (awsiot.Client.Attach), so that nobody takes a subscription away
// from somebody else. Requests may be made at any time, also before the first
// connection and while there is none: they wait for it, until their time is
// over. Every request ends exactly once: with its answer, or with an *Error that
// names the operation and the topic.
//
// Answers are recognised on the goroutine that reads the connection, so a
// request may be made, and waited for, inside every callback of the
// awsiot.Client, its message handlers included.
package reqresp
