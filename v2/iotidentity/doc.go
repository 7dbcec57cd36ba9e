// Package iotidentity is a client of AWS IoT fleet provisioning over MQTT: a
// device that has a claim certificate gets a certificate of its own and is
// registered with a template.
//
// It has the calls of both generations of AWS's service clients; see package
// iotshadow for the difference. The service has no correlation tokens: requests of one kind are made one at a
// time.
//
// The service is described in the AWS IoT developer guide, "Device provisioning MQTT
// API".
package iotidentity
