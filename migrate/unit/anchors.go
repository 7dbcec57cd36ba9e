package unit

// Anchor is a section of MIGRATION.md that reports link to.
type Anchor struct {
	ID    string // the link target, MIGRATION.md#ID
	Title string // the heading; GitHub makes ID from it
	Text  string // one paragraph: what it means and what to do
}

// Anchors are all sections that a Reason or Note may name, in order of their IDs. A test checks that no analyzer
// names another one, and the documentation's test that MIGRATION.md has each.
var Anchors = []Anchor{
	{"acks", "Acks", "An acknowledgement callback becomes OnDone of the future. v1 called it on success only and never at QoS 0, so the rewrite puts the same condition around it. A callback held in a variable may be nil, which v1 ignored: pass a function literal or a declared function, or write nil."},
	{"bridge", "Bridge", "The client was made from a v2 client by v1compat.FromV2, so its options are set there. Use the v2 client directly where the v1-shaped one was used."},
	{"build-constraints", "Build constraints", "A file that build constraints exclude mentions a name whose declaration would change, so the tool cannot see whether it still compiles. Name its system with -goos or its tag with -tags, and the file is rewritten and type-checked with the rest."},
	{"callbacks", "Callbacks", "A message callback that only reads its message is rewritten to take the v2 message. One that uses its client or user data, or hands its message to code that is not followed, stays as it is behind v1compat.Handler, which gives it what v1compat did. A client parameter that flows into a client variable of the program ties that variable to v1: use the variable that the callback can see instead."},
	{"ciphers", "Ciphers", "v1 takes an OpenSSL cipher string. Set opts.TLSConfig to a *tls.Config with CipherSuites; TLS 1.3 suites cannot be chosen in Go."},
	{"comments", "Comments", "A comment stands inside code that would be replaced, at a place where no statement could carry it. Move the comment above the statement and run the tool again."},
	{"computed-options", "Computed options", "The tool has to know the value of a constructor option or drop behavior to write the v2 option. Use a constant, or an if statement with a constant in each branch."},
	{"conditional-constructor", "Conditional constructor", "The client is made on some paths only, and configured after them. Make it in every branch (or return from the others), so that its options are complete when the client is born."},
	{"configure-after-use", "Configure after use", "v2 options are fixed once the client is made. Move the Configure* calls and hooks before the first other use of the client, and literals that use it behind them; to change options later, stop the client and make a new one."},
	{"configure-elsewhere", "Configure elsewhere", "The client is configured in another place than it is made, and not through a function that only configures. Move the Configure* calls next to the constructor, or into a function that takes the client, only configures it, and is called there."},
	{"connect-async", "Connect async", "ConnectAsync has no rule yet. Start begins connecting and returns; OnConnectionSuccess and OnConnectionFailure bring what the callback brought."},
	{"containers", "Containers", "A client used as the key of a map is not followed. Use a name as the key and the client as the value."},
	{"deferred", "Deferred", "A Configure* call in a go or defer statement runs at a time that cannot be told. Call it directly."},
	{"disconnect", "Disconnect", "Stop ends what is queued or unacknowledged with ErrStopped; v1 kept it for the next Connect. Wait for the results before Stop, or use Drain."},
	{"disconnect-async", "Disconnect async", "DisconnectAsync has no rule yet. Call Stop in a goroutine, or use OnStopped."},
	{"discovery", "Discovery", "Greengrass discovery has no rule yet and goes on working through v1compat/discovery."},
	{"does-not-compile", "Does not compile", "The rewritten code did not type-check, so the unit was taken back; the report carries the compiler's message. Often a name is already taken, or a type of the client is spelled in a place that is not followed."},
	{"embedding", "Embedding", "A struct that embeds the client has all its methods, and changing the type would change the struct's own method set. Give the field a name, and call its methods through it."},
	{"evaluation-order", "Evaluation order", "The v2 form would evaluate calls among the arguments in another order. Assign their results to variables first."},
	{"exported-api", "Exported API", "Other packages can reach the client through an exported name, and the tool cannot see whether they could follow. Migrate them together by hand, or keep the v1-shaped client there and use client.V2() for new code."},
	{"function-values", "Function values", "The client goes through a function value (a variable, a field, a literal that is returned), so where it arrives is not known. Call a declared function, or use the variable directly."},
	{"generated-files", "Generated files", "The client's code is in a file that must not be edited: generated, vendored, of another module, or with cgo. Change the generator, or move the code."},
	{"hooks", "Hooks", "OnOnline and OnOffline become options when they are assigned before the first other use of the client, and an Observe call between then and Connect. v1 reads hooks at the next Connect; assign them before it, in the same function. OnMessage is an option only, and OnAsyncError has no v2 form: look at the result of each operation."},
	{"inline-constructor", "Inline constructor", "The client needs options and is made inside a larger expression. Assign it to a variable first."},
	{"interfaces", "Interfaces", "The client becomes a value of an interface or of another type, or comes from one. Which methods are called there is not known. Use the client's own type, or write an adapter with the methods the interface needs."},
	{"jobs", "Jobs", "The jobs client has no rule yet and goes on working through jobscompat; a client it shares has to stay with it."},
	{"keep-alive", "Keep-alive", "v2 has one keep-alive per client, set before it is made. Give every Connect the same constant, or compute the value before the client is made; 0 to 65535 seconds."},
	{"logging", "Logging", "v2 logs to the slog.Logger in opts.Logger. Set it in place of v1compat.SetLogger once no v1-shaped client is left."},
	{"message-fields", "Message fields", "The v2 message has no Mid (packet ids are not the program's business) and no Timestamp: take time.Now() in the handler."},
	{"message-ids", "Message IDs", "v2 gives no message ids: PublishAsync returns a future that stands for the one operation. Keep the future where the id was kept."},
	{"method-values", "Method values", "A method of the client is used as a value. The v2 method has other parameters: write a function literal that calls it."},
	{"no-constructor", "No constructor", "The client comes from outside of the package, so what it is configured with is not known here. Migrate the place that makes it first."},
	{"other-packages", "Other packages", "The client is passed to or made by another package, which expects the v1-shaped one. Migrate both together by hand, or keep the v1-shaped client and use client.V2() for new code."},
	{"payload-types", "Payload types", "v1 takes strings, bytes, numbers and nil; v2 takes []byte. A payload whose static type does not tell goes through awsiot.PayloadV1, which can fail and therefore needs a statement of its own. Convert the payload before the call."},
	{"pointers", "Pointers", "The client's address is taken, or the struct itself is copied. Use the pointer that the constructor returns."},
	{"protocol-type", "Protocol type", "v2 speaks MQTT 5 only; WithProtocolType is dropped."},
	{"qos2", "QoS2", "QoS 2 has no v2 form; AWS IoT Core does not support it. Use QoS 1."},
	{"quirks", "Quirks", "WithQuirks and WithStrictV1 ask for behaviour of v1 that v2 does not have. Remove the option, test, and run the tool again."},
	{"result-use", "Result use", "v1's calls return a bool and an error, v2's a result and an error; the bool is err == nil && !res.Queued. The tool writes that for plain assignments and returns; assign the results to two new variables first."},
	{"shadow", "Shadow", "The shadow client has no rule yet and goes on working through shadowcompat; a client it shares has to stay with it."},
	{"socket-factory", "Socket factory", "With credentials the socket carries TLS, without it plain MQTT. The tool has to see which: call ConfigureCredentials unconditionally next to the constructor, or not at all."},
	{"unknown-use", "Unknown use", "The client is used in a way that the tool does not know. Use a plain variable, field, parameter or result."},
	{"v1-errors", "v1 errors", "The program inspects v1's error types, which v2 does not return. Before the rewrite, test for the v2 error that each wraps: errors.Is(err, awsiot.ErrAckTimeout) for the timeouts, ErrQueueFull and ErrOffline for the queue, errors.As with *awsiot.ReasonError for refusals and *awsiot.ConnectError for Connect. That is true on v1compat too."},
	{"websocket", "Websocket", "MQTT over websockets with IAM credentials is awsauth.Websocket in v2; the rules do not write it yet, and v1compat does not connect by websocket yet: write the v2 client by hand."},
	{"zero-times", "Zero times", "A time or rate of zero or less means the default in v2, and an error or no limit in v1. Write the value that is meant."},
}
