// Package iotjobs is a client of the AWS IoT Jobs service over MQTT: what jobs
// a thing has, starting and describing them, reporting how they fare, and hearing of
// new ones.
//
// It has the calls of both generations of AWS's service clients; see package
// iotshadow for the difference. Run does the whole of it: it hands one job after the other to a function.
//
// The service is described in the AWS IoT developer guide, "Jobs device MQTT API".
package iotjobs
