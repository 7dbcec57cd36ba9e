// Package conformance holds what is known of AWS IoT Core as devices see it: one table of facts, each with its source, how
// sure it is, and a probe that asks an endpoint about it over MQTT 5, MQTT 3.1.1, websockets or HTTPS. Everything is in its
// tests.
//
// In an ordinary test run the endpoint is iotlocal, a new one for every fact, and a fact that it does not behave by is a
// failure. With the build tag aws it is AWS IoT Core itself: see TestAWS for the environment variables. That run says of every
// fact whether AWS agrees, differs, was not asked or did not permit to ask; what differs is a mistake of the table, and of
// iotlocal with it.
//
// Probes speak through packet codecs that neither iotlocal's writer nor the client of this repository has a hand in choosing:
// they send what the fact is about, also where a well-behaved client would not.
package conformance
