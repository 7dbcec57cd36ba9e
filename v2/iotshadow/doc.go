// Package iotshadow is a client of the AWS IoT Device Shadow service: the
// classic shadow of a thing and its named shadows, over MQTT.
//
// It has the calls of both generations of AWS's service clients. The second
// one makes requests: GetShadow waits for its answer, GetShadowAsync returns a
// future, and ShadowDeltaUpdated and CreateShadowDeltaUpdatedStream give the
// events as an iterator and as a handle. The first one subscribes and publishes:
// SubscribeToGetShadowAccepted, PublishGetShadow and so on; what answer belongs to
// what request is then the program's business.
//
// Sections of a document are json.RawMessage in answers, so that absent, null and
// zero differ and numbers keep their digits; Decode makes a struct or a map of them.
// Requests take whatever encoding/json takes, and Null to clear.
//
// The service is described in the AWS IoT developer guide, "AWS IoT Device Shadow
// service".
package iotshadow
