// Package shadowcompat is the device shadow client of the AWS IoT Device SDK for
// Python, v1, in Go case: AWSIoTMQTTShadowClient and its ShadowHandler, on
// package v1compat. It speaks v1's packets: the same topics, QoS 0, one SUBSCRIBE
// per topic, the same JSON.
//
// It knows classic shadows only, as v1 did: what v1 calls the shadow name is the
// name of the thing.
package shadowcompat
