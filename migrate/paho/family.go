// Package paho has the rules that carry code on paho.mqtt.golang, or on pahocompat, to awsiot.Client.
//
// What flows through such a program are clients, options, messages and handlers, each of a type of its own: the rules find the
// flow classes of each, and move those together that depend on each other. A class stays, with its reasons, when one of its
// values goes where it cannot be followed; where a value of a class that moves goes to one that stays, pahocompat's
// FromV2 and its like stand in between. The tokens of calls are rewritten where they are looked at: waited for on the spot they
// become v2's blocking call and an error, else its future.
package paho

import (
	"github.com/portage-iot/awsiot/migrate/internal/paths"
	"github.com/portage-iot/awsiot/migrate/internal/rewrite"
)

// Family is the rules. The API is that of two packages with the same names: paho's types are pahocompat's. Plan is set in
// init, as it needs the rows.
var Family = &rewrite.Family{
	Name:     "paho",
	Packages: []string{paths.Paho, paths.PahoCompat},
	Writes:   []string{"context", "time", paths.V2, paths.IOTShadow, paths.ReqResp, paths.PahoCompat},
	Frees:    []string{"fmt"},
	Bridge:   rewrite.Bridge{Package: paths.PahoCompat, Forward: "FromV2", Back: "V2"},
	Members:  members,
	Shapes:   shapes,
}

func init() { Family.Plan = plan }

// members has a row for every method of the client.
var members = []rewrite.Member{
	{Name: "Connect", Rule: "connect", Blocks: true, Docs: []rewrite.Doc{
		rewrite.Line(3, "`Connect()`, waited for", "`client.StartAndWait(ctx)`; with `SetConnectRetry(true)` `client.StartAndRetry(ctx)`", "S"),
		rewrite.Line(3, "`Connect()`, looked at later or not at all", "`client.StartAsync()`; with `SetConnectRetry(true)` `client.StartRetryAsync()`, or `client.Start()` for a token that is dropped", "S"),
		rewrite.Line(3, "`Connect()` on a client that may be connecting again: in OnConnectionLost and what that calls, on the client of a handler, where `IsConnectionOpen` was asked", "`awsiot.ConnectPaho(client)`, which does nothing then, as paho's", "C: AutoReconnect is on"),
	}},
	{Name: "Publish", Rule: "publish", Blocks: true, Docs: []rewrite.Doc{
		rewrite.Line(4, "`Publish(topic, qos, retained, payload)`", "`client.Publish(ctx, &awsiot.PublishPacket{...})` where it is waited for, else `client.PublishAsync(...)`; a payload of which only its type at run time tells goes through `awsiot.PublishPaho`", "C: no QoS 2 ([the client stays](#qos2))"),
	}},
	{Name: "Subscribe", Rule: "subscribe", Blocks: true, Takes: "topic qos callback", Docs: []rewrite.Doc{
		rewrite.Line(6, "`Subscribe(filter, qos, handler)`", "`client.Subscribe(ctx, &awsiot.SubscribePacket{...})`; the handler takes the message, and `m.Client()` is its client; with `SetOrderMatters(false)` it stands in `awsiot.Unordered`", "S; a handler that cannot change stands in `mqtt.HandlerV2`"),
	}},
	{Name: "SubscribeMultiple", Rule: "subscribe", Blocks: true, Takes: "topics callback", Docs: []rewrite.Doc{
		rewrite.Line(6, "`SubscribeMultiple(filters, handler)`", "the same, with `awsiot.SubscriptionsPaho` for a map that is computed, or has a handler", "S"),
	}},
	{Name: "AddRoute", Rule: "subscribe", Takes: "topic callback", Docs: []rewrite.Doc{
		rewrite.Line(6, "`AddRoute(filter, handler)`", "`client.Handle(filter, handler)`", "S"),
	}},
	{Name: "Unsubscribe", Rule: "unsubscribe", Blocks: true, Docs: []rewrite.Doc{
		rewrite.Line(4, "`Unsubscribe(filters...)`", "`client.Unsubscribe(ctx, &awsiot.UnsubscribePacket{...})`, or `UnsubscribeAsync`", "S"),
	}},
	{Name: "Disconnect", Rule: "disconnect", Docs: []rewrite.Doc{
		rewrite.Line(7, "`Disconnect(ms)`", "`client.DrainFor(ms * time.Millisecond)`", "S"),
	}},
	{Name: "IsConnected", Rule: "state", Docs: []rewrite.Doc{
		rewrite.Line(8, "`IsConnected()`", "`awsiot.ConnectedPaho(client)`; with `SetConnectRetry(true)` `awsiot.StartedPaho(client)`", "S"),
	}},
	{Name: "IsConnectionOpen", Rule: "state", Docs: []rewrite.Doc{
		rewrite.Line(8, "`IsConnectionOpen()`", "`client.State() == awsiot.StateConnected`", "S"),
	}},
	{Name: "OptionsReader", Rule: "options", Docs: []rewrite.Doc{
		rewrite.Line(8, "`OptionsReader()`", "bridged: `mqtt.FromV2(client).OptionsReader()`", "S"),
	}},
}

// shapes are the rows that are about options, tokens and messages.
var shapes = []rewrite.Doc{
	rewrite.Line(1, "`mqtt.NewClient(opts)`", "`awsiot.NewClient(*opts)`; where the options stay, `mqtt.NewV2(opts)`", "C: the client is not seen by other packages (with `-whole` it may be), no store of the program's own"),
	rewrite.Line(2, "`mqtt.NewClientOptions()`, its setters and fields, one by one or in chains", "`opts := awsiot.OptionsPaho()`, one assignment per setter in place", "C: every use of the options [has a rule](#options)"),
	rewrite.Line(2, "`AddBroker(url)`", "`opts.Endpoint, opts.Port, opts.Auth`, or `awsiot.BrokerPaho(opts, url)` for a URL that is computed", "C: one broker"),
	rewrite.Line(2, "`SetOnConnectHandler(h)`, `SetConnectionLostHandler(h)` and their fields", "`opts.OnConnectionSuccess`, `opts.OnDisconnection` with `go h(e.Client)`", "S; a value that may be nil, or change, stands in `awsiot.OnConnectPaho` and `awsiot.OnConnectionLostPaho`, which read it where paho did"),
	rewrite.Line(2, "`SetConnectRetryInterval(d)`", "`opts.InitialReconnectDelay = d`, which doubles up to MaxReconnectDelay where paho's stays; nothing without ConnectRetry, as under paho", "C: ConnectRetry is a constant, and the same for all"),
	rewrite.Line(2, "`SetStore(mqtt.NewFileStore(dir))`", "bridged: `mqtt.NewV2(opts)` uses `awsiot.NewFileStore(dir)` and takes over what paho has left there; nothing with a clean session, where paho empties it", "S, [reported](#store)"),
	rewrite.Line(2, "`SetAutoAckDisabled(true)` and `Ack()` of messages", "bridged: `mqtt.NewV2(opts)`, and handlers in `mqtt.HandlerV2`, which keep paho's shape", "S, [reported](#acks)"),
	rewrite.Line(2, "`SetAutoReconnect(false)`, and any other option without a form of v2", "bridged: `mqtt.NewV2(opts)`", "S, [reported](#options)"),
	rewrite.Line(2, "`SetDefaultPublishHandler(h)`", "`opts.OnPublishReceived = awsiot.Unhandled(h)`", "S"),
	rewrite.Line(5, "a token that is waited for right behind the call", "the call that waits, and its error", "S"),
	rewrite.Line(5, "`WaitTimeout`, `Done`, `Error`, or `Wait` later", "`WaitTimeout`, `Done`, `Err` of v2's future, and `<-f.Done()`", "S"),
	rewrite.Line(5, "a token that is dropped", "the call that does not wait", "S"),
	rewrite.Line(5, "a token that is returned, passed on or stored: variables, fields, parameters, results, containers", "`awsiot.Pending`, which is any future; `Wait` in an expression becomes `awsiot.WaitPaho(t)`", "C: it is followed everywhere, and all calls that it comes from are of clients that move"),
	rewrite.Line(5, "any other token that is returned, passed on or stored", "bridged: `mqtt.TokenFromV2(...)`", "S, [reported](#tokens)"),
	rewrite.Line(6, "`fmt.Sprintf(\"$aws/things/%s/shadow/update\", thing)`, the same by `+` or as a literal, named shadows, the other topics of a shadow", "with `-idioms` `iotshadow.TopicUpdate(thing, \"\")` and its like: the same string", "C: `-idioms`; the operation is constant, names are strings and no wildcards; a named constant stays"),
	rewrite.Line(6, "`Publish(` such a topic of an update, get or delete `, qos, false, body)`, waited for", "with `-idioms` `iotshadow.NewClient(client, reqresp.Options{}).PublishUpdateShadow(ctx, &iotshadow.UpdateShadowRequest{ThingName: thing, Document: body}, qos)` and its like: the same bytes, no client token", "C: `-idioms`; the body is a constant JSON object, or what `json.Marshal` makes of a struct or of a map that is written out"),
	rewrite.Line(6, "`Topic()`, `Payload()`, `Qos()`, `Retained()`, `Duplicate()`, `MessageID()` of a message", "`m.Topic`, `m.Payload`, `byte(m.QoS)`, `m.Retain`, `m.Duplicate`, `m.PacketID()`", "S"),
}
