package v1client

import (
	"go/ast"

	"github.com/portage-iot/awsiot/migrate/internal/edit"
	"github.com/portage-iot/awsiot/migrate/internal/flow"
	"github.com/portage-iot/awsiot/migrate/internal/paths"
	"github.com/portage-iot/awsiot/migrate/internal/rewrite"
)

// members has a row for every method and field of v1's client that has a rule, or a reason of its own for having none.
var members = []rewrite.Member{
	{Name: "ConfigureEndpoint", Takes: "host port", Role: rewrite.Configure, Rule: "configure", Option: rewrite.Tuple("Endpoint", "Port"),
		Docs: []rewrite.Doc{rewrite.Line(6, "", "`opts.Endpoint, opts.Port`", `S`)}},
	{Name: "ConfigureCredentials", Takes: "path path path ciphers?", Role: rewrite.Configure, Rule: "configure", Option: option(credentials),
		Docs: []rewrite.Doc{
			rewrite.Line(6, "`ConfigureCredentials(ca, key, cert)`", "`opts.CAFile`, `opts.Auth = awsiot.MTLSFromPath(cert, key)`: mind the order", `C: no [cipher list](#ciphers)`),
			rewrite.Line(6, "no `ConfigureCredentials`, or not on every path", "`opts.Auth = awsiot.PlainTCP()` at the constructor", `S, with a [note](#plain-tcp)`),
		}},
	{Name: "ConfigureIAMCredentials", Takes: "text text text", Role: rewrite.Configure, Rule: "configure", Option: option(iamCredentials),
		Docs: []rewrite.Doc{rewrite.Line(6, "`ConfigureIAMCredentials(a, s, t)`", "`opts.Auth = awsauth.Websocket(\"\", awsauth.Static(a, s, t))`", `A; [websocket](#websocket)`)}},
	{Name: "ConfigureSocketFactory", Takes: "factory", Role: rewrite.Configure, Rule: "configure", Option: option(socketFactory),
		Docs: []rewrite.Doc{rewrite.Line(6, "`ConfigureSocketFactory(f)`", "`opts.HTTPProxy` where f is a CONNECT or SOCKS5 dial to the endpoint, else `opts.Dialer`", `S, with a [note](#proxy-dial) on a proxy that stays a Dialer`)}},
	{Name: "ConfigureLastWill", Takes: "topic payload qos flag?", Role: rewrite.Configure, Rule: "configure", Option: option(lastWill),
		Docs: []rewrite.Doc{rewrite.Line(5, "`ConfigureLastWill(topic, payload, qos, retain)`, `ClearLastWill()`", "`opts.Will = &awsiot.Will{Topic, Payload, QoS, Retain}`, `opts.Will = nil`", `S`)}},
	{Name: "ClearLastWill", Role: rewrite.Configure, Rule: "configure", Option: rewrite.Fixed("Will", "nil")},
	{Name: "ConfigureUsernamePassword", Takes: "text text?", Role: rewrite.Configure, Rule: "configure", Option: option(usernamePassword),
		Docs: []rewrite.Doc{rewrite.Line(6, "`ConfigureUsernamePassword(name, password)`", "`opts.Username, opts.Password`", `S`)}},
	{Name: "ConfigureAutoReconnectBackoffTime", Takes: "seconds seconds seconds", Role: rewrite.Configure, Rule: "configure", Option: option(backoff),
		Docs: []rewrite.Doc{rewrite.Line(6, "`ConfigureAutoReconnectBackoffTime(base, max, stable)`", "`opts.MinReconnectDelay, opts.MaxReconnectDelay, opts.MinConnectedTimeToResetReconnectDelay`", `S`)}},
	{Name: "ConfigureOfflinePublishQueueing", Takes: "number drop?", Role: rewrite.Configure, Rule: "configure", Option: option(offlineQueue),
		Docs: []rewrite.Doc{rewrite.Line(6, "`ConfigureOfflinePublishQueueing(n, drop)`", "`opts.OfflineQueue.MaxOperations` (n above 0: n; 0: -1; below 0: 0; computed: `awsiot.QueueSizeV1(n)`), `opts.OfflineQueue.WhenFull` (DropNewest is `RejectNew`; computed: an `if`)", `S`)}},
	{Name: "ConfigureDrainingFrequency", Takes: "hertz", Role: rewrite.Configure, Rule: "configure", Option: option(drainRate),
		Docs: []rewrite.Doc{rewrite.Line(6, "`ConfigureDrainingFrequency(hz)`", "`opts.OfflineQueue.DrainRate`", `S`)}},
	{Name: "ConfigureConnectDisconnectTimeout", Takes: "seconds", Role: rewrite.Configure, Rule: "configure", Option: option(seconds("ConnackTimeout")),
		Docs: []rewrite.Doc{rewrite.Line(6, "`ConfigureConnectDisconnectTimeout(s)`, `ConfigureMQTTOperationTimeout(s)`", "`opts.ConnackTimeout`, `opts.AckTimeout`", `S`)}},
	{Name: "ConfigureMQTTOperationTimeout", Takes: "seconds", Role: rewrite.Configure, Rule: "configure", Option: option(seconds("AckTimeout"))},
	{Name: "EnableMetricsCollection", Role: rewrite.Configure, Rule: "configure", Option: rewrite.Fixed("DisableMetrics", "false"),
		Docs: []rewrite.Doc{rewrite.Line(6, "`EnableMetricsCollection()`, `DisableMetricsCollection()`", "`opts.DisableMetrics`", `S`)}},
	{Name: "DisableMetricsCollection", Role: rewrite.Configure, Rule: "configure", Option: rewrite.Fixed("DisableMetrics", "true")},

	{Name: "OnOnline", Role: rewrite.Hook, Rule: "hooks", Operation: hook("OnConnectionSuccess", "ConnectionSuccess"),
		Docs: []rewrite.Doc{rewrite.Line(10, "`OnOnline`, `OnOffline`", "`opts.OnConnectionSuccess`, `opts.OnDisconnection`; once the client is there `client.Observe(...)`", `C: [assigned once](#hooks)`)}},
	{Name: "OnOffline", Role: rewrite.Hook, Rule: "hooks", Operation: hook("OnDisconnection", "Disconnection")},
	{Name: "OnMessage", Role: rewrite.Hook, Rule: "hooks", Operation: hook("OnPublishReceived", ""),
		Docs: []rewrite.Doc{rewrite.Line(11, "", "`opts.OnPublishReceived`, or `client.Observe(...)`", `C: [assigned once](#hooks), and its function can take v2's message`)}},
	{Name: "OnAsyncError", Role: rewrite.Hook, Rule: "hooks"},

	{Name: "GetMQTTConnection", Gives: "client", Rule: "connection", Links: true, Operation: connection,
		Docs: []rewrite.Doc{rewrite.Line(24, "`GetMQTTConnection()` of a shadow or jobs client", "the client itself", "S")}},
	{Name: "V2", Gives: "v2", Rule: "bridge", Operation: back},
	{Name: "Connect", Takes: "keepalive?", Gives: "error", Rule: "connect", Operation: operation((*class).connect), Blocks: true, Variadic: true,
		Docs: []rewrite.Doc{rewrite.Line(8, "`Connect(keepAlive)`", "`client.StartAndWait(ctx)`; the keep-alive becomes `opts.KeepAlive` (0: -1; computed: `awsiot.KeepAliveV1(k)`)", `C: it is [known where the client is made](#keep-alive)`)}},
	{Name: "ConnectAsync", Takes: "keepalive ack", Gives: "mid error", Rule: "connect", Operation: operation((*class).connectAsync), Blocks: true,
		Docs: []rewrite.Doc{rewrite.Line(9, "`ConnectAsync(keepAlive, ack)`", "`client.Observe(...)`, which calls ack at every CONNACK, then `client.StartAndSend(ctx)`", `C: [connect-async](#connect-async)`)}},
	{Name: "Disconnect", Gives: "error", Rule: "disconnect", Operation: operation((*class).disconnect), Blocks: true,
		Docs: []rewrite.Doc{rewrite.Line(17, "", "`client.Stop(context.WithoutCancel(ctx), nil)`", `S, with a [note](#disconnect) where a Connect may follow`)}},
	{Name: "DisconnectAsync", Takes: "ack", Gives: "mid error", Rule: "disconnect", Operation: operation((*class).disconnectAsync), Blocks: true,
		Docs: []rewrite.Doc{rewrite.Line(17, "`DisconnectAsync(ack)`", "`client.Stop(...)` and ack in a goroutine", `C: [disconnect-async](#disconnect-async)`)}},
	{Name: "Publish", Takes: "topic payload qos", Gives: "done error", Rule: "publish", Operation: operation((*class).publish), Request: true, Blocks: true,
		Docs: []rewrite.Doc{rewrite.Line(12, "", "`client.Publish(ctx, &awsiot.PublishPacket{...})`; the bool becomes `err == nil && !res.Queued`; the payload is converted by its static type, else by `awsiot.PayloadV1`", `C: [result-use](#result-use)`)}},
	{Name: "PublishAsync", Takes: "topic payload qos ack", Gives: "mid error", Rule: "publish", Operation: operation((*class).publishAsync), Request: true,
		Docs: []rewrite.Doc{rewrite.Line(13, "", "`client.PublishAsync(&awsiot.PublishPacket{...}).OnDone(...)`, ack inside `if err == nil`; a checked error becomes `.Err()`", `C: [message-ids](#message-ids), [acks](#acks)`)}},
	{Name: "Subscribe", Takes: "topic qos callback", Gives: "done error", Rule: "subscribe", Operation: operation((*class).subscribe), Request: true, Group: sameFilter, Blocks: true,
		Docs: []rewrite.Doc{rewrite.Line(14, "", "`client.Subscribe(ctx, &awsiot.SubscribePacket{Subscriptions: ...})` with the callback as handler, or through `v1compat.Handler`", `S: [callbacks](#callbacks)`)}},
	{Name: "SubscribeAsync", Takes: "topic qos ack callback", Gives: "mid error", Rule: "subscribe", Operation: operation((*class).subscribeAsync), Request: true, Group: sameFilter,
		Docs: []rewrite.Doc{rewrite.Line(15, "`SubscribeAsync`, `UnsubscribeAsync`", "the same name, with `.OnDone(...)`", `C: [message-ids](#message-ids)`)}},
	{Name: "Unsubscribe", Takes: "topic", Gives: "done error", Rule: "unsubscribe", Operation: operation((*class).unsubscribe), Request: true, Blocks: true,
		Docs: []rewrite.Doc{rewrite.Line(16, "", "`client.Unsubscribe(ctx, &awsiot.UnsubscribePacket{...})`; it removes the handler too", `S`)}},
	{Name: "UnsubscribeAsync", Takes: "topic ack", Gives: "mid error", Rule: "unsubscribe", Operation: operation((*class).unsubscribeAsync), Request: true},
}

// option is a writer of these rules as a row has it.
func option(f func(*class, *ast.CallExpr, string) []edit.Piece) rewrite.Option {
	return func(k *rewrite.Class, c *ast.CallExpr, o string) []edit.Piece { return f(of(k), c, o) }
}

// operation is a writer of these rules as a row has it.
func operation(f func(*class, *flow.Use)) func(*rewrite.Class, *flow.Use) {
	return func(k *rewrite.Class, u *flow.Use) { f(of(k), u) }
}

// v2 is the name of the package that the rules write, where u stands.
func (k *class) v2(u *flow.Use) string { return k.Q(u.Call.Pos(), paths.V2) }

// connection writes the client in place of the v1 object that has it.
func connection(k *rewrite.Class, u *flow.Use) {
	k.Edit(edit.Replace(u.Call, edit.Src(u.Sel.X), edit.Text(k.UseType(u).Inner)))
}

func (k *class) subscribe(u *flow.Use) {
	k.Pair(u, append(k.subscribePacket(u), edit.Text("}")), "Subscribe", "suback")
}

func (k *class) unsubscribe(u *flow.Use) {
	k.Pair(u, append(unsubscribePacket(u, k.v2(u)), edit.Text("}")), "Unsubscribe", "unsuback")
}

// lasting ends a packet of an asynchronous call: v1 kept it until its acknowledgement came, whatever time that took.
var lasting = edit.Text(", Lasting: true}")

func (k *class) subscribeAsync(u *flow.Use) {
	SubscribeAsync(k.Class, u, k.subscribePacket(u), u.Call.Args[2])
}

func (k *class) unsubscribeAsync(u *flow.Use) {
	q := k.v2(u)
	packet := append(unsubscribePacket(u, q), lasting)
	k.async(u, packet, "UnsubscribeAsync", u.Call.Args[1], ackForm{arg: "unsuback *" + q + ".UnsubackPacket, _ error", cond: "unsuback != nil", name: "unsuback"})
}

// shapes are the rows of the table that are about constructors, or about more than one member.
var shapes = []rewrite.Doc{
	rewrite.Line(1, "`NewAWSIoTMQTTClient(id)` with the Configure calls behind it", "`opts := awsiot.OptionsV1(id)`, one assignment per call, `awsiot.NewClient(opts)` after the last", `S`),
	rewrite.Line(1, "`NewAWSIoTMQTTClient` inside a larger expression", "the options before the statement, `awsiot.NewClient(opts)` in its place; a function literal around both where there is no place for statements, or where the order of effects would change", `S`),
	rewrite.Line(2, `the same with other statements between, or in branches and loops`, `the same; every assignment stays where its call stood`, `C: the client is not used, stored or passed on before it is complete ([conditional-constructor](#conditional-constructor)), else row 4`),
	rewrite.Line(3, `Configure calls in a helper function`, "the helper takes `*awsiot.ClientOptions`", `C: it only configures, else row 4`),
	rewrite.Line(3, `Configure calls in a function or method that reaches the client through its receiver, a parameter or a package variable`, "it takes `opts *awsiot.ClientOptions` as its first parameter", `C: it only configures, and is called only where the client is made, else row 4`),
	rewrite.Line(4, "Configure calls after another use of the client, or in another function", "`client.Update(func(o *awsiot.ClientOptions) { ... })`, one for calls that follow each other, the assignments inside", "S, with a [note](#configure-after-use)"),
	rewrite.Line(7, "`WithCleanSession(false)`", "`opts.SessionBehavior = awsiot.RejoinAlways`, `opts.SessionExpiry = time.Hour`; computed: in an `if`", `S`),
	rewrite.Line(7, "`WithProtocolType(...)`", `dropped, with a [note](#protocol-type)`, `S`),
	rewrite.Line(7, "`WithWebsocket(true)`", "`opts.Auth = awsauth.Websocket(\"\", awsauth.V1Chain())`; computed: in an `if`", `A; [websocket](#websocket)`),
	rewrite.Line(7, "options in a list, `list...`", "as if they were written out; the list goes", `C: a literal that is used for nothing else ([computed-options](#computed-options))`),
	rewrite.Line(18, "`v1compat.SetLogger(logger)`", "`logruslog.SetDefault(logger)`, and `opts.Logger = logruslog.Default()` with v1's name for every client", "S: [logging](#logging)"),
}
