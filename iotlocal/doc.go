// Package iotlocal is a local endpoint that behaves as AWS IoT Core does
// towards devices: MQTT 5 and 3.1.1 with mutual TLS or over websockets with AWS
// credentials, the Device Shadow and Jobs services, AWS's limits, and faults on
// demand. It runs inside a test or, through cmd/iotlocal, as a program.
//
//	srv := iotlocal.StartT(t, iotlocal.Options{})
//	thing, err := srv.NewThing("thermostat")
//	// connect a client to srv.Host(), srv.TLSPort() with srv.CAFile(),
//	// thing.CertFile, thing.KeyFile
//
// What the client said and heard is in [Server.Recorder]; [Server.Faults] makes
// the endpoint misbehave; [Server.Shadow] looks at and changes shadows from Go,
// [Server.Jobs] creates jobs and watches what becomes of them.
//
// Everything is in memory, nothing leaves the machine, and the server listens on
// the loopback interface unless told otherwise. Without policies every
// certificate of its CA may do everything under any client id, and the plain
// TCP port asks for no credentials at all, nor do websockets unless
// Options.Credentials lists some. The faults that refuse or silence connections
// meet a websocket after its upgrade.
package iotlocal
