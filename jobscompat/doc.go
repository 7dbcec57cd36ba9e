// Package jobscompat is the jobs client of the AWS IoT Device SDK for Python, v1,
// in Go case: AWSIoTMQTTThingJobsClient, on package v1compat. It speaks v1's
// packets: the same topics, QoS, order of the JSON members and clientToken.
//
// As in v1 nothing pairs an answer with its request: answers are messages of the
// topics that CreateJobSubscription subscribes to, and requests are publishes,
// which wait in the offline queue while there is no connection.
//
// Differences from v1, beside those of package v1compat: a combination of topic
// type, reply type and job id that has no topic is an error of the call and
// harms nothing (v1 ended all callbacks at the next message); so is a status
// that stands for none (v1 published an empty message); so is a name that would
// change the levels of the topic; statusDetails are sent in the order of their
// names (a Go map has none; a Python dict had that of its making).
package jobscompat
