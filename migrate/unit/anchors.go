package unit

// Anchor is a section of MIGRATION.md that reports link to.
type Anchor struct {
	ID    string // the link target, MIGRATION.md#ID
	Title string // the heading; GitHub makes ID from it. What it means and what to do stands there, and only there
}

// Anchors are all sections that a Reason or Note may name, in order of their IDs. A test checks that no analyzer
// names another one, and the documentation's test that MIGRATION.md has each.
var Anchors = []Anchor{
	{"acks", "Acks"},
	{"bridge", "Bridge"},
	{"build-constraints", "Build constraints"},
	{"callbacks", "Callbacks"},
	{"ciphers", "Ciphers"},
	{"comments", "Comments"},
	{"computed-options", "Computed options"},
	{"conditional-constructor", "Conditional constructor"},
	{"configure-after-use", "Configure after use"},
	{"configure-elsewhere", "Configure elsewhere"},
	{"connect-again", "Connect again"},
	{"connect-async", "Connect async"},
	{"containers", "Containers"},
	{"deferred", "Deferred"},
	{"disconnect", "Disconnect"},
	{"disconnect-async", "Disconnect async"},
	{"discovery", "Discovery"},
	{"does-not-compile", "Does not compile"},
	{"drop-oldest", "Drop oldest"},
	{"embedding", "Embedding"},
	{"evaluation-order", "Evaluation order"},
	{"exported-api", "Exported API"},
	{"function-values", "Function values"},
	{"generated-files", "Generated files"},
	{"hooks", "Hooks"},
	{"interfaces", "Interfaces"},
	{"jobs", "Jobs"},
	{"keep-alive", "Keep-alive"},
	{"logging", "Logging"},
	{"message-fields", "Message fields"},
	{"message-ids", "Message IDs"},
	{"method-values", "Method values"},
	{"no-constructor", "No constructor"},
	{"options", "Options"},
	{"other-packages", "Other packages"},
	{"payload-types", "Payload types"},
	{"plain-tcp", "Plain TCP"},
	{"pointers", "Pointers"},
	{"protocol-type", "Protocol type"},
	{"protocol-version", "Protocol version"},
	{"proxy-dial", "Proxy dial"},
	{"qos2", "QoS2"},
	{"quirks", "Quirks"},
	{"result-use", "Result use"},
	{"shadow", "Shadow"},
	{"store", "Store"},
	{"token-types", "Token types"},
	{"tokens", "Tokens"},
	{"unknown-use", "Unknown use"},
	{"v1-errors", "v1 errors"},
	{"websocket", "Websocket"},
	{"zero-times", "Zero times"},
}
