package paho

import (
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/portage-iot/awsiot/migrate/internal/edit"
	"github.com/portage-iot/awsiot/migrate/internal/flow"
	"github.com/portage-iot/awsiot/migrate/internal/paths"
	"github.com/portage-iot/awsiot/migrate/internal/rewrite"
)

// facts are what options say that decides about the calls on a client.
type facts struct {
	unordered bool // SetOrderMatters(false)
	retry     bool // SetConnectRetry(true)
	retries   bool // SetConnectRetry of something that is not constant, or only sometimes
	sometimes bool // SetOrderMatters(false) only sometimes
	ends      bool // SetAutoReconnect of something that is not the constant true
	brokers   int  // calls of AddBroker that may follow each other, or 2 for one that may run again
	elsewhere bool // other code can set them, too
	unknown   bool // other code makes them
	made      int  // calls of NewClientOptions
	retrying  int  // SetConnectRetry(true), of which one on a parameter counts for all options
	loosening int  // SetOrderMatters(false) in the same way
	kept      bool // SetCleanSession of something that is not the constant true
}

// setting is one call of a setter, or one assignment to a field, of options.
type setting struct {
	p    *pkg
	name string // of the field, or of the setter without Set
	call bool   // of the setter
	args []ast.Expr
	at   ast.Node // the call, or the assignment
	on   ast.Expr // the options
}

// text writes a statement for the options o; q names a package.
type text func(s *setting, o string, q func(path string) string) []edit.Piece

// row is the rule of a setter or field.
type row struct {
	name  string // as setting has it; a setter and its field are one where they take the same
	write text
	// problem says why a setting has no rule; nil: it always has one.
	problem func(s *setting) rewrite.Why
	form    form
	hook    kind // connected or lost, of a handler that it sets; client: of none
}

// form tells whether a row is about a setter, a field, or both.
type form int

const (
	setter form = 1 << iota
	field
)

// rows are the settings that have a rule; any other leaves the options to NewV2.
var rows = []row{
	{name: "AddBroker", form: setter, write: broker, problem: oneBroker},
	{name: "ClientID", form: setter | field, write: assign("ClientID")},
	{name: "Username", form: setter | field, write: assign("Username")},
	{name: "Password", form: setter | field, write: password},
	{name: "TLSConfig", form: setter | field, write: assign("TLSConfig")},
	{name: "CleanSession", form: setter | field, write: cleanSession},
	{name: "KeepAlive", form: setter, write: keepAlive},
	{name: "PingTimeout", form: setter | field, write: assign("PingTimeout")},
	{name: "ConnectTimeout", form: setter | field, write: connectTimeout, problem: notZero},
	{name: "MaxReconnectInterval", form: setter | field, write: maxReconnect, problem: aSecond},
	{name: "AutoReconnect", form: setter | field, write: nothing, problem: only("true", "v2 connects again always, NewV2 stops the client after a loss")},
	{name: "ConnectRetry", form: setter | field, write: nothing, problem: isConstant},
	{name: "ConnectRetryInterval", form: setter | field, write: retryInterval, problem: retryKnown},
	{name: "OrderMatters", form: setter, write: nothing, problem: isConstant},
	{name: "Order", form: field, write: nothing, problem: isConstant},
	{name: "ResumeSubs", form: setter | field, write: resumeSubs, problem: isConstant},
	{name: "ProtocolVersion", form: setter, write: nothing, problem: only("4", "v2 speaks MQTT 5")},
	{name: "MessageChannelDepth", form: setter, write: nothing},
	{name: "Store", form: setter, write: nothing, problem: forOneProcess},
	{name: "Will", form: setter, write: will, problem: willQoS},
	{name: "BinaryWill", form: setter, write: will, problem: willQoS},
	{name: "UnsetWill", form: setter, write: noWill},
	{name: "DefaultPublishHandler", form: setter | field, write: defaultHandler},
	{name: "OnConnectHandler", form: setter, write: onConnect, hook: connected},
	{name: "OnConnect", form: field, write: onConnect, hook: connected},
	{name: "ConnectionLostHandler", form: setter, write: onLost, hook: lost},
	{name: "OnConnectionLost", form: field, write: onLost, hook: lost},
}

// rule is the rule of a setting, nil when it has none.
func (s *setting) rule() *row {
	f := field
	if s.call {
		f = setter
	}
	for i := range rows {
		if rows[i].name == s.name && rows[i].form&f != 0 {
			return &rows[i]
		}
	}
	return nil
}

// settingOf is the setting that u makes; nil: it makes none.
func (p *pkg) settingOf(u *flow.Use) *setting {
	switch u.Kind {
	case flow.Call:
		f := flow.StaticCallee(p.Info, u.Call)
		if _, ok := method(f, "ClientOptions"); !ok || len(u.Call.Args) != f.Signature().Params().Len() {
			return nil // all arguments come from one call
		}
		name := u.Sel.Sel.Name
		if rest, ok := strings.CutPrefix(name, "Set"); ok {
			name = rest
		}
		return &setting{p: p, name: name, call: true, args: u.Call.Args, at: u.Call, on: u.Expr}
	case flow.FieldSet:
		for c := range u.Cur.Enclosing((*ast.AssignStmt)(nil)) {
			as := c.Node().(*ast.AssignStmt)
			if len(as.Rhs) != 1 {
				return nil
			}
			return &setting{p: p, name: u.Sel.Sel.Name, args: as.Rhs, at: as, on: u.Expr}
		}
	}
	return nil
}

// count finds the facts of a class of options.
func (p *pkg) count(c *class) {
	c.set = &facts{elsewhere: !c.isMade(), unknown: !c.isMade(), made: len(c.flow.Ctors)}
	for _, b := range c.flow.Borders {
		if call := p.callAround(nodeExpr(b)); call == nil || !made(flow.StaticCallee(p.Info, call), "NewClient") {
			c.set.elsewhere = true
		}
	}
	var brokers []*flow.Use
	for _, u := range c.flow.Uses {
		s := p.settingOf(u)
		switch {
		case s == nil:
		case s.name == "AddBroker":
			if c.set.brokers == 0 || p.repeats(u) || slices.ContainsFunc(brokers, func(o *flow.Use) bool { return !p.apart(o, u) }) {
				c.set.brokers++
			}
			if p.repeats(u) {
				c.set.brokers++
			}
			brokers = append(brokers, u)
		case s.name == "ConnectRetry" && s.is(true):
			c.set.retrying += p.counts(u)
		case (s.name == "OrderMatters" || s.name == "Order") && s.is(false):
			c.set.loosening += p.counts(u)
		case s.name == "CleanSession":
			c.set.kept = c.set.kept || s.value() == nil || !constant.BoolVal(s.value())
		}
	}
}

// merge adds what the options of another package say.
func (f *facts) merge(o *facts) {
	f.unordered, f.retry, f.retries = f.unordered || o.unordered, f.retry || o.retry, f.retries || o.retries
	f.elsewhere, f.unknown = f.elsewhere || o.elsewhere, f.unknown || o.unknown
	f.kept, f.sometimes, f.ends = f.kept || o.kept, f.sometimes || o.sometimes, f.ends || o.ends
	f.brokers += o.brokers
	f.made, f.retrying, f.loosening = f.made+o.made, f.retrying+o.retrying, f.loosening+o.loosening
}

// decide finds the facts for which all makers of the options count.
func (p *pkg) decide(c *class) {
	for _, u := range c.flow.Uses {
		s := p.settingOf(u)
		if s == nil {
			continue
		}
		switch s.name {
		case "OrderMatters", "Order":
			c.set.unordered = c.set.unordered || s.is(false)
			c.set.sometimes = c.set.sometimes || s.is(false) && c.set.loosening < c.set.made
		case "ConnectRetry":
			c.set.retries = c.set.retries || s.value() == nil || s.is(true) && c.set.retrying < c.set.made
			c.set.retry = c.set.retry || s.is(true)
		case "AutoReconnect":
			c.set.ends = c.set.ends || !s.is(true)
		}
	}
}

// is reports whether the setting has the constant value v.
func (s *setting) is(v bool) bool { return s.value() != nil && constant.BoolVal(s.value()) == v }

// counts is for how many options a use counts: none where something decides whether it happens, all where it is on a parameter.
func (p *pkg) counts(u *flow.Use) int {
	switch v, _ := u.Node.(*types.Var); {
	case !p.always(u):
		return 0
	case v != nil && v.Kind() == types.ParamVar:
		return math.MaxInt16
	}
	return 1
}

// examineOptions finds what has no rule in a class of options.
func (p *pkg) examineOptions(c *class) {
	if !c.isMade() {
		p.stays(c, c.flow.First(), "options", "no-constructor", "no NewClientOptions of these options is in the package")
	}
	for _, u := range c.flow.Uses {
		switch u.Kind {
		case flow.Compare:
			par, _ := rewrite.ParentSkippingParens(u.Cur)
			if b, ok := par.Node().(*ast.BinaryExpr); ok && (p.Info.Types[b.X].IsNil() || p.Info.Types[b.Y].IsNil()) {
				continue // a pointer before, a pointer afterwards
			}
			p.stays(c, u.Expr.Pos(), "options", "unknown-use", "the options are compared with others")
		case flow.FieldGet:
			switch u.Sel.Sel.Name {
			case "ClientID", "Username", "TLSConfig":
			default:
				p.stays(c, u.Sel.Sel.Pos(), "options", "computed-options", u.Sel.Sel.Name+" is read from the options")
			}
		case flow.Call, flow.FieldSet:
			p.examineSetting(c, u)
		}
	}
}

func nodeExpr(b flow.Border) ast.Expr {
	if b.Expr == nil {
		return &ast.BadExpr{From: b.Pos, To: b.Pos}
	}
	return b.Expr
}

// repeats reports whether u is in a loop, or in a function literal, that the options are made outside of.
func (p *pkg) repeats(u *flow.Use) bool {
	for c := range u.Cur.Enclosing((*ast.ForStmt)(nil), (*ast.RangeStmt)(nil), (*ast.FuncLit)(nil)) {
		if from := p.optionsCall(u.Expr); from != nil && c.Node().Pos() <= from.Pos() && from.End() <= c.Node().End() {
			continue
		}
		if v, ok := u.Node.(*types.Var); !ok || v.Pos() < c.Node().Pos() || v.Pos() > c.Node().End() {
			return true
		}
	}
	return false
}

func (p *pkg) examineSetting(c *class, u *flow.Use) {
	s := p.settingOf(u)
	if s == nil {
		p.stays(c, u.Sel.Sel.Pos(), "options", "computed-options", u.Sel.Sel.Name+" has no rule here")
		return
	}
	r := s.rule()
	if r == nil {
		p.stays(c, u.Sel.Sel.Pos(), "options", "options", u.Sel.Sel.Name+" has no option of v2")
		return
	}
	if r.problem != nil {
		if why := r.problem(s); why.Text != "" {
			p.stays(c, u.Sel.Sel.Pos(), "options", why.Anchor, why.Text)
		}
	}
}

// write is the statement of a setting for the options o.
func (s *setting) write(o string, q func(string) string) []edit.Piece { return s.rule().write(s, o, q) }

// value is the constant value of the argument, nil when it is none.
func (s *setting) value() constant.Value { return s.p.Info.Types[s.args[0]].Value }

// nothing is for what v2 does anyway.
func nothing(*setting, string, func(string) string) []edit.Piece { return nil }

// assign is the assignment to a field.
func assign(field string) text {
	return func(s *setting, o string, _ func(string) string) []edit.Piece {
		return []edit.Piece{edit.Text(o + "." + field + " = "), edit.Src(s.args[0])}
	}
}

func password(s *setting, o string, _ func(string) string) []edit.Piece {
	if v := s.value(); v != nil && constant.StringVal(v) == "" {
		return []edit.Piece{edit.Text(o + ".Password = nil")}
	}
	return []edit.Piece{edit.Text(o + ".Password = []byte("), edit.Src(s.args[0]), edit.Text(")")}
}

// schemes of AddBroker with the Auth that they become.
var schemes = map[string]string{"tcp": "PlainTCP", "mqtt": "PlainTCP", "ssl": "TLS", "tls": "TLS", "tcps": "TLS", "mqtts": "TLS", "mqtt+ssl": "TLS"}

func broker(s *setting, o string, q func(string) string) []edit.Piece {
	if v := s.value(); v != nil {
		if scheme, rest, ok := strings.Cut(constant.StringVal(v), "://"); ok && schemes[scheme] != "" {
			host, port, ok := strings.Cut(rest, ":")
			n, err := strconv.ParseUint(port, 10, 16)
			if ok && err == nil && host != "" && !strings.ContainsAny(host, "@/[%?#") {
				return []edit.Piece{edit.Text(o + ".Endpoint, " + o + ".Port, " + o + ".Auth = " + strconv.Quote(host) + ", " + strconv.FormatUint(n, 10) + ", " + q(paths.V2) + "." + schemes[scheme] + "()")}
			}
		}
	}
	return []edit.Piece{edit.Text(q(paths.V2) + ".BrokerPaho(" + o + ", "), edit.Src(s.args[0]), edit.Text(")")}
}

func oneBroker(s *setting) rewrite.Why {
	if c := s.p.classOf(options, s.on); c != nil && c.set.brokers > 1 {
		return rewrite.Why{Anchor: "options", Text: "AddBroker may be called more than once, and v2 has one endpoint"}
	}
	return rewrite.Why{}
}

func cleanSession(s *setting, o string, q func(string) string) []edit.Piece {
	clean := o + ".SessionBehavior, " + o + ".SessionExpiry = " + q(paths.V2) + ".CleanSession, 0"
	keep := o + ".SessionBehavior, " + o + ".SessionExpiry = " + q(paths.V2) + ".RejoinAlways, " + q(paths.V2) + ".SessionExpiryPaho"
	if v := s.value(); v != nil {
		if constant.BoolVal(v) {
			return []edit.Piece{edit.Text(clean)}
		}
		return []edit.Piece{edit.Text(keep)}
	}
	return []edit.Piece{edit.Text("if "), edit.Src(s.args[0]), edit.Text(" {\n" + clean + "\n} else {\n" + keep + "\n}")}
}

func keepAlive(s *setting, o string, q func(string) string) []edit.Piece {
	if v := s.value(); v != nil {
		if n, ok := constant.Int64Val(v); ok && n >= 1e9 && n%1e9 == 0 {
			return assign("KeepAlive")(s, o, q)
		}
	}
	return []edit.Piece{edit.Text(o + ".KeepAlive = " + q(paths.V2) + ".KeepAlivePaho("), edit.Src(s.args[0]), edit.Text(")")}
}

func connectTimeout(s *setting, o string, _ func(string) string) []edit.Piece {
	return []edit.Piece{edit.Text(o + ".ConnectTimeout = "), edit.Src(s.args[0]), edit.Text("\n" + o + ".ConnackTimeout = " + o + ".ConnectTimeout")}
}

func notZero(s *setting) rewrite.Why {
	if v := s.value(); v == nil || constant.Sign(v) > 0 {
		return rewrite.Why{}
	}
	return rewrite.Why{Anchor: "options", Text: "a ConnectTimeout of 0 is no limit under paho"}
}

func maxReconnect(s *setting, o string, q func(string) string) []edit.Piece {
	return assign("MaxReconnectDelay")(s, o, q)
}

func aSecond(s *setting) rewrite.Why {
	if v := s.value(); v != nil {
		if n, ok := constant.Int64Val(v); ok && n < 1e9 {
			return rewrite.Why{Anchor: "options", Text: "the delays between attempts begin at 1 s, above this MaxReconnectInterval"}
		}
	}
	return rewrite.Why{}
}

// retryInterval is the first delay of a client that tries again until it is connected. paho takes it without ConnectRetry, and
// does not look at it.
func retryInterval(s *setting, o string, q func(string) string) []edit.Piece {
	if c := s.p.classOf(options, s.on); !c.set.retry {
		return nil
	}
	return assign("InitialReconnectDelay")(s, o, q)
}

func retryKnown(s *setting) rewrite.Why {
	switch c := s.p.classOf(options, s.on); {
	case c == nil || c.set.retries || c.set.elsewhere:
		return rewrite.Why{Anchor: "computed-options", Text: "whether ConnectRetryInterval counts is up to ConnectRetry, which is not known here"}
	case !c.set.retry && s.value() == nil:
		return rewrite.Why{Anchor: "options", Text: "ConnectRetryInterval has no option of v2 without ConnectRetry"}
	}
	return rewrite.Why{}
}

// only is for settings that have a rule for one constant.
func only(value, text string) func(*setting) rewrite.Why {
	return func(s *setting) rewrite.Why {
		if v := s.value(); v != nil && v.ExactString() == value {
			return rewrite.Why{}
		}
		return rewrite.Why{Anchor: "options", Text: text}
	}
}

// isConstant is the problem of a setting whose value only the run of the program tells.
func isConstant(s *setting) rewrite.Why {
	if s.value() != nil {
		if c := s.p.classOf(options, s.on); c != nil && s.name == "ConnectRetry" && c.set.retries {
			return rewrite.Why{Anchor: "computed-options", Text: "ConnectRetry is set for some of these options only, or in a branch"}
		}
		return rewrite.Why{}
	}
	return rewrite.Why{Anchor: "computed-options", Text: "the value of " + s.name + " is not constant"}
}

func resumeSubs(s *setting, o string, q func(string) string) []edit.Piece {
	if constant.BoolVal(s.value()) {
		return []edit.Piece{edit.Text(o + ".OfflineQueue.Behavior = " + q(paths.V2) + ".FailQoS0")}
	}
	return []edit.Piece{edit.Text(o + ".OfflineQueue.Behavior = " + q(paths.V2) + ".FailNonQoS1")}
}

// inMemory is the problem of a Store that is not paho's own in memory, which v2 has anyway.
func inMemory(s *setting) rewrite.Why {
	if c, ok := ast.Unparen(s.args[0]).(*ast.CallExpr); ok {
		if f := flow.StaticCallee(s.p.Info, c); made(f, "NewMemoryStore") || made(f, "NewOrderedMemoryStore") {
			return rewrite.Why{}
		}
	}
	if s.p.fileStore(s.args[0]) {
		return rewrite.Why{Anchor: "store", Text: "NewV2 makes v2's file store of paho's, in the same directory, and takes over what paho has left there"}
	}
	return rewrite.Why{Anchor: "store", Text: "v2's Store is another one than paho's"}
}

// forOneProcess is inMemory, which a file store is, too, with a clean session: paho empties it at Connect.
func forOneProcess(s *setting) rewrite.Why {
	if c := s.p.classOf(options, s.on); c != nil && !c.set.kept && !c.set.elsewhere && s.p.fileStore(s.args[0]) {
		if call, ok := ast.Unparen(s.args[0]).(*ast.CallExpr); ok && s.p.Info.Types[call.Args[0]].Value != nil {
			return rewrite.Why{}
		}
	}
	return inMemory(s)
}

// fileStore reports whether e is paho's NewFileStore, or a variable that is that and nothing else.
func (p *pkg) fileStore(e ast.Expr) bool { return p.storeOf(e, "NewFileStore") }

// storeOf reports whether e is a call of one of the functions, or a variable that is that and nothing else.
func (p *pkg) storeOf(e ast.Expr, names ...string) bool {
	e = ast.Unparen(e)
	if id, ok := e.(*ast.Ident); ok {
		if v, ok := p.Info.Uses[id].(*types.Var); ok && p.Constant(v) {
			e = ast.Unparen(p.Defs[v])
		}
	}
	c, ok := e.(*ast.CallExpr)
	return ok && slices.ContainsFunc(names, func(name string) bool { return made(flow.StaticCallee(p.Info, c), name) })
}

func will(s *setting, o string, q func(string) string) []edit.Piece {
	v2 := q(paths.V2)
	out := []edit.Piece{edit.Text(o + ".Will = &" + v2 + ".Will{Topic: "), edit.Src(s.args[0]), edit.Text(", Payload: ")}
	if s.name == "Will" {
		out = append(out, edit.Text("[]byte("), edit.Src(s.args[1]), edit.Text(")"))
	} else {
		out = append(out, edit.Src(s.args[1]))
	}
	return append(append(append(out, edit.Text(", QoS: ")), s.p.qos(s.args[2], v2)...), edit.Text(", Retain: "), edit.Src(s.args[3]), edit.Text("}"))
}

func willQoS(s *setting) rewrite.Why {
	if v := s.p.Info.Types[s.args[2]].Value; v != nil && constant.Compare(constant.ToInt(v), token.GTR, constant.MakeInt64(1)) {
		return rewrite.Why{Anchor: "qos2", Text: "a will with QoS 2 has no v2 form"}
	}
	return rewrite.Why{}
}

func noWill(_ *setting, o string, _ func(string) string) []edit.Piece {
	return []edit.Piece{edit.Text(o + ".Will = nil")}
}

func defaultHandler(s *setting, o string, q func(string) string) []edit.Piece {
	if s.p.Info.Types[s.args[0]].IsNil() {
		return []edit.Piece{edit.Text(o + ".OnPublishReceived = nil")}
	}
	v2 := q(paths.V2)
	h := s.p.handlerArg(s.args[0], s.p.classOf(options, s.on).set.unordered, q)
	return append(append([]edit.Piece{edit.Text(o + ".OnPublishReceived = " + v2 + ".Unhandled(")}, h...), edit.Text(")"))
}

// varies reports whether the handler that s, which has a hook, sets is a value that may be nil, or change before it is called.
func (s *setting) varies() bool {
	e := ast.Unparen(s.args[0])
	_, lit := e.(*ast.FuncLit)
	return !lit && !s.p.Info.Types[e].IsNil() && !s.p.steady(e)
}

// steady reports whether e names a function that is the same whenever it is evaluated, and not nil.
func (p *pkg) steady(e ast.Expr) bool {
	if !p.Pure(e) {
		return false
	}
	switch x := ast.Unparen(e).(type) {
	case *ast.Ident:
		o := p.Info.Uses[x]
		if _, ok := o.(*types.Func); ok {
			return true
		}
		v, ok := o.(*types.Var)
		if _, lit := p.Defs[o].(*ast.FuncLit); ok && lit {
			return p.Constant(v)
		}
	case *ast.SelectorExpr:
		if _, ok := p.Info.Uses[x.Sel].(*types.Func); !ok {
			return false
		}
		if id, ok := ast.Unparen(x.X).(*ast.Ident); ok {
			_, isPkg := p.Info.Uses[id].(*types.PkgName)
			return isPkg || p.Constant(p.Info.Uses[id])
		}
	}
	return false
}

func onConnect(s *setting, o string, q func(string) string) []edit.Piece {
	if s.p.Info.Types[s.args[0]].IsNil() {
		return []edit.Piece{edit.Text(o + ".OnConnectionSuccess = nil")}
	}
	v2 := q(paths.V2)
	if s.varies() {
		return []edit.Piece{edit.Text(o + ".OnConnectionSuccess = " + v2 + ".OnConnectPaho("), edit.Src(s.args[0]), edit.Text(")")}
	}
	out := []edit.Piece{edit.Text(o + ".OnConnectionSuccess = func(e *" + v2 + ".ConnectionSuccess) { go ")}
	if !s.p.classOf(connected, s.args[0]).moves() {
		return append(append(out, edit.Src(s.args[0])), edit.Text("("+q(paths.PahoCompat)+".FromV2(e.Client)) }"))
	}
	return append(append(out, edit.Src(s.args[0])), edit.Text("(e.Client) }"))
}

func onLost(s *setting, o string, q func(string) string) []edit.Piece {
	if s.p.Info.Types[s.args[0]].IsNil() {
		return []edit.Piece{edit.Text(o + ".OnDisconnection = nil")}
	}
	v2 := q(paths.V2)
	if s.varies() {
		return []edit.Piece{edit.Text(o + ".OnDisconnection = " + v2 + ".OnConnectionLostPaho("), edit.Src(s.args[0]), edit.Text(")")}
	}
	out := []edit.Piece{edit.Text(o + ".OnDisconnection = func(e *" + v2 + ".Disconnection) {\nif !e.Requested() {\ngo "), edit.Src(s.args[0])}
	if !s.p.classOf(lost, s.args[0]).moves() {
		return append(out, edit.Text("("+q(paths.PahoCompat)+".FromV2(e.Client), e.Err)\n}\n}"))
	}
	return append(out, edit.Text("(e.Client, e.Err)\n}\n}"))
}
