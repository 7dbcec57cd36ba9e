// Package iotlocal is a local endpoint that behaves as AWS IoT Core does
// towards devices: MQTT 5 and 3.1.1 with mutual TLS or over websockets with AWS
// credentials, the Device Shadow and Jobs services, fleet provisioning, commands,
// AWS's limits, and faults on demand. It runs inside a test or, through cmd/iotlocal, as a program.
//
//	srv := iotlocal.StartT(t, iotlocal.Options{})
//	thing, err := srv.NewThing("thermostat")
//	// connect a client to srv.Host(), srv.TLSPort() with srv.CAFile(),
//	// thing.CertFile, thing.KeyFile
//
// What the client said and heard is in [Server.Recorder], with the reason of what
// was refused; [Server.Faults] makes the endpoint misbehave; [Server.Shadow] looks
// at and changes shadows from Go, [Server.Jobs] creates jobs and watches what
// becomes of them, [Server.Templates] makes provisioning templates, claims and
// hooks, [Server.Commands] sends commands, [Server.Policy] stores policies and says
// what they allow. [Server.APIURL] is where the aws CLI and AWS's SDKs find the REST
// APIs of AWS IoT, to set up and watch devices as they do in the cloud: things,
// types, groups, certificates, policies, provisioning templates, authorizers and
// rules, which are the same that the handles in Go know. ARNs that are given may name
// any region and account.
//
// [Server.Configure] does operations of the control API from a file.
//
// With [Options].StateDir everything survives a restart and a crash: what the control
// API and the handles have made (things, types, groups, certificates and their
// statuses, policies with their versions, provisioning templates, authorizers, topic
// rules, jobs), executions of jobs, shadows and the versions of deleted ones, retained
// messages, and sessions that outlive their connection with subscriptions and queued
// QoS 1 messages. A change is on the disk before it is answered, of shadows, jobs and
// retained messages too; one that cannot be kept is refused. Sessions and their
// queues survive the death of the process; a power failure may take the last second
// of theirs. Their messages come again without DUP, and of a client that was
// connected the session's time begins anew with the server. Not kept are wills that
// wait, commands, the record, faults, the clock's Advance, and whatever is a Go
// function: rules and authorizers with one, and templates with a hook. One server at
// a time uses a directory; a file that is damaged or not its own is an error of Start
// that names it.
//
// Else everything is in memory. Nothing leaves the machine, and the server listens on
// the loopback interface unless told otherwise. As long as no policy is stored,
// every certificate of its CA may do everything under any client id, unless fleet
// provisioning has made it and it is not registered, or it was deleted, and the plain TCP port asks
// for no credentials at all, nor do websockets unless Options.Credentials lists
// some; nor does the API, which is therefore for this machine alone as long as there
// are none. From a browser only pages of the server's own host and port may open
// websockets and use the API, and those of Options.Origins. The faults that refuse or silence
// connections meet a websocket after its upgrade.
package iotlocal
