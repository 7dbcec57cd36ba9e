package v1client

import (
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
	"regexp"
	"strconv"
	"strings"

	"github.com/portage-iot/awsiot/migrate/internal/edit"
	"github.com/portage-iot/awsiot/migrate/internal/flow"
	"github.com/portage-iot/awsiot/migrate/internal/rewrite"
)

// proxyDial is a socket factory, or a function that one calls, that does nothing but connect to an address through a proxy,
// as far as it could be read.
type proxyDial struct {
	k      *class
	scheme string   // http or socks5
	proxy  ast.Expr // host:port of the proxy
	target ast.Expr // host:port of the endpoint
	// user and password are the credentials for the proxy: expressions, else texts; all empty: none.
	user, password         ast.Expr
	userText, passwordText string

	conn, err, reader, res types.Object // the variables of what is read so far
	dialer                 types.Object // of SOCKS5
	asked                  bool         // CONNECT is written
	checked                bool         // and its status compared

	at  token.Pos // of what could not be read
	why string
}

// connectRequest is what a program writes to a proxy of HTTP; more headers may mean more than HTTPProxy says.
var connectRequest = regexp.MustCompile(`^CONNECT %s HTTP/1\.[01]\r\n(Host: %s\r\n)?(Proxy-Authorization: Basic %s\r\n)?\r\n$`)

// throughProxy writes HTTPProxy for a socket factory that is a CONNECT or SOCKS5 dial to the endpoint; nil when it is not, or
// cannot be read: it stays a Dialer then, with a note when it looks like one.
func (k *class) throughProxy(c *ast.CallExpr, o string) []edit.Piece {
	d := &proxyDial{k: k, at: c.Pos()}
	if !d.read(c) {
		if k.looksLikeProxy(c.Args[0]) {
			k.Note(d.at, "proxy-dial", "the dial through a proxy stays a Dialer: "+d.why)
		}
		return nil
	}
	urlPkg := k.Q(c.Pos(), "net/url")
	out := []edit.Piece{edit.Text("func(*" + k.Q(c.Pos(), "net/http") + ".Request) (*" + urlPkg + ".URL, error) {\nreturn &" + urlPkg + `.URL{Scheme: "` + d.scheme + `", Host: `), d.source(c, d.proxy)}
	switch {
	case d.user != nil:
		out = append(out, edit.Text(", User: "+urlPkg+".UserPassword("), d.source(c, d.user), edit.Text(", "), d.source(c, d.password), edit.Text(")"))
	case d.userText != "":
		out = append(out, edit.Text(", User: "+urlPkg+".UserPassword("+strconv.Quote(d.userText)+", "+strconv.Quote(d.passwordText)+")"))
	}
	out = append(out, edit.Text("}, nil\n}"))
	return rewrite.Assignment(o, []string{"HTTPProxy"}, [][]edit.Piece{out})
}

// source is e as it is written at c: what a function in another file says is written anew.
func (d *proxyDial) source(c *ast.CallExpr, e ast.Expr) edit.Piece {
	if d.k.Pkg.Pos(e.Pos()).Filename != d.k.Pkg.Pos(c.Pos()).Filename {
		return edit.Text(types.ExprString(e))
	}
	return edit.Src(e)
}

// no records why the dial is not read, the first time, and returns false.
func (d *proxyDial) no(n ast.Node, why string) bool {
	if d.why == "" {
		d.at, d.why = n.Pos(), why
	}
	return false
}

// read reads the socket factory that c gives to its client.
func (d *proxyDial) read(c *ast.CallExpr) bool {
	k := d.k
	if len(k.Calls("ConfigureSocketFactory")) != 1 || k.CallsElsewhere("ConfigureSocketFactory", "ConfigureEndpoint") {
		return d.no(c, "the client has more than one factory, or is configured elsewhere too")
	}
	switch f := ast.Unparen(c.Args[0]).(type) {
	case *ast.FuncLit:
		if call := helperCall(f.Body.List); call != nil && d.declared(call) != nil {
			if !d.helper(call) {
				return false
			}
		} else if !d.body(f.Body.List) {
			return false
		}
	case *ast.Ident:
		fn, ok := k.Pkg.Info.Uses[f].(*types.Func)
		decl := k.Pkg.Decls[fn]
		if !ok || decl == nil || decl.Body == nil {
			return d.no(f, "the factory is not a function that is written in this package")
		}
		if !d.body(decl.Body.List) {
			return false
		}
	default:
		return d.no(f, "the factory is computed")
	}
	for _, e := range []ast.Expr{d.proxy, d.user, d.password} {
		if e != nil && !d.visible(e, c.Pos()) {
			return d.no(e, "this means something else, or nothing, where the client is configured")
		}
	}
	if v := valueOf(k, d.proxy); v.Kind() == constant.String && !hostPort.MatchString(constant.StringVal(v)) {
		return d.no(d.proxy, "the address of the proxy is not a host and the number of a port")
	}
	return d.toEndpoint(c)
}

// hostPort is an address that means the same as the host of a URL: not that of this machine, nor a port by its name.
var hostPort = regexp.MustCompile(`^([^:@/\[\]]+|\[[0-9a-fA-F:.]+\]):[0-9]+$`)

// looksLikeProxy reports whether f, or what it calls in the package, asks a proxy for a connection.
func (k *class) looksLikeProxy(f ast.Expr) bool {
	seen := map[*ast.FuncDecl]bool{}
	var look func(n ast.Node) bool
	look = func(n ast.Node) (found bool) {
		ast.Inspect(n, func(n ast.Node) bool {
			switch n := n.(type) {
			case ast.Expr:
				v := valueOf(k, n)
				found = found || v.Kind() == constant.String && strings.HasPrefix(constant.StringVal(v), "CONNECT")
			}
			if id, ok := n.(*ast.Ident); ok {
				fn, _ := k.Pkg.Info.Uses[id].(*types.Func)
				found = found || fn != nil && fn.Pkg() != nil && fn.Pkg().Path() == socksPackage
				if decl := k.Pkg.Decls[fn]; decl != nil && decl.Body != nil && !seen[decl] {
					seen[decl] = true
					found = found || look(decl.Body)
				}
			}
			return !found
		})
		return found
	}
	return look(f)
}

// socksPackage is where SOCKS5 dialers come from.
const socksPackage = "golang.org/x/net/proxy"

// helperCall is f(...) when the statements are return f(...).
func helperCall(list []ast.Stmt) *ast.CallExpr {
	if len(list) != 1 {
		return nil
	}
	ret, ok := list[0].(*ast.ReturnStmt)
	if !ok || len(ret.Results) != 1 {
		return nil
	}
	call, _ := ast.Unparen(ret.Results[0]).(*ast.CallExpr)
	return call
}

// declared is the function of the package that is called.
func (d *proxyDial) declared(call *ast.CallExpr) *ast.FuncDecl {
	f := flow.StaticCallee(d.k.Pkg.Info, call)
	if f == nil {
		return nil
	}
	return d.k.Pkg.Decls[f]
}

// helper reads f(proxy, target), where f is declared in the package and its parameters stand for what is given.
func (d *proxyDial) helper(call *ast.CallExpr) bool {
	f := flow.StaticCallee(d.k.Pkg.Info, call)
	decl, params := d.declared(call), f.Signature().Params()
	if decl.Body == nil || decl.Recv != nil || call.Ellipsis.IsValid() || f.Signature().TypeParams().Len() > 0 || params.Len() != len(call.Args) || f.Signature().Variadic() {
		return d.no(call, "this is not a function with one parameter for each argument")
	}
	if !d.body(decl.Body.List) {
		return false
	}
	used := map[int]bool{}
	for _, part := range []*ast.Expr{&d.proxy, &d.target, &d.user, &d.password} {
		id, ok := ast.Unparen(*part).(*ast.Ident)
		if !ok {
			continue
		}
		for i := range params.Len() {
			if v := params.At(i); d.k.Pkg.Info.Uses[id] == v && d.k.Pkg.Constant(v) {
				*part, used[i] = call.Args[i], true
			}
		}
	}
	if len(used) != params.Len() {
		return d.no(call, "not every argument is the address of the proxy, that of the endpoint, or a part of the credentials")
	}
	return true
}

// visible reports whether every name in e means the same at pos.
func (d *proxyDial) visible(e ast.Expr, pos token.Pos) bool {
	ok := true
	scope := d.k.Pkg.Types.Scope().Innermost(pos)
	if scope == nil {
		return false
	}
	ast.Inspect(e, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit, *ast.CompositeLit:
			ok = false
		case *ast.SelectorExpr:
			ok = ok && d.visible(n.X, pos)
			return false
		case *ast.Ident:
			_, o := scope.LookupParent(n.Name, pos)
			ok = ok && o != nil && o == d.object(n)
		}
		return ok
	})
	return ok
}

// body reads the statements of a dial, one after the other.
func (d *proxyDial) body(list []ast.Stmt) bool {
	for i, st := range list {
		if last := i == len(list)-1; last && !d.last(st) || !last && !d.statement(st) {
			return d.no(st, "this is not a step of a plain CONNECT or SOCKS5 dial")
		}
	}
	return len(list) > 0
}

func (d *proxyDial) statement(st ast.Stmt) bool {
	switch st := st.(type) {
	case *ast.AssignStmt:
		return d.assign(st)
	case *ast.IfStmt:
		return d.check(st)
	case *ast.ExprStmt:
		return d.writes(st.X)
	}
	return false
}

// assign reads conn, err := net.Dial("tcp", proxy), d, err := proxy.SOCKS5("tcp", proxy, auth, proxy.Direct),
// r := bufio.NewReader(conn), and res, err := http.ReadResponse(r, ...).
func (d *proxyDial) assign(st *ast.AssignStmt) bool {
	if len(st.Rhs) != 1 {
		return false
	}
	call, ok := ast.Unparen(st.Rhs[0]).(*ast.CallExpr)
	if !ok {
		return false
	}
	v := d.local(st.Lhs[0])
	if len(st.Lhs) == 1 {
		if v == nil || d.reader != nil || !d.readsConn(call) {
			return false
		}
		d.reader = v
		return true
	}
	err := d.local(st.Lhs[1])
	if len(st.Lhs) != 2 || err == nil {
		return false
	}
	d.err = err
	name := d.callee(call)
	if name == "fmt.Fprintf" {
		return d.writes(call)
	}
	if v == nil {
		return false
	}
	switch name {
	case "net.DialTimeout":
		return d.no(call, "it has a timeout of its own, and the proxy of HTTPProxy has ConnectTimeout")
	case "net.Dial":
		if d.conn != nil || d.dialer != nil || !d.isText(call.Args[0], "tcp") {
			return false
		}
		d.conn, d.proxy, d.scheme = v, call.Args[1], "http"
		return true
	case socksPackage + ".SOCKS5":
		if d.conn != nil || d.dialer != nil || !d.isText(call.Args[0], "tcp") || !d.direct(call.Args[3]) {
			return false
		}
		d.dialer, d.proxy, d.scheme = v, call.Args[1], "socks5"
		return d.isNil(call.Args[2]) || d.auth(call.Args[2])
	case "net/http.ReadResponse":
		reader := call.Args[0]
		inner, isCall := ast.Unparen(reader).(*ast.CallExpr)
		if !d.asked || d.res != nil || (!isCall || !d.readsConn(inner)) && (d.reader == nil || d.object(reader) != d.reader) {
			return false
		}
		d.res = v
		return true
	}
	return false
}

// readsConn reports whether call is bufio.NewReader(conn).
func (d *proxyDial) readsConn(call *ast.CallExpr) bool {
	return d.callee(call) == "bufio.NewReader" && d.conn != nil && d.object(call.Args[0]) == d.conn
}

// check reads what ends the dial: if err != nil, with or without the writing of CONNECT before it, and a comparison of the
// status of the answer.
func (d *proxyDial) check(st *ast.IfStmt) bool {
	cond, ok := ast.Unparen(st.Cond).(*ast.BinaryExpr)
	if !ok || cond.Op != token.NEQ || st.Else != nil {
		return false
	}
	err := d.err
	if st.Init != nil {
		init, ok := st.Init.(*ast.AssignStmt)
		if !ok || len(init.Lhs) != 2 || len(init.Rhs) != 1 || !d.writes(init.Rhs[0]) {
			return false
		}
		err = d.local(init.Lhs[1])
	}
	if !d.gives(st.Body.List, err) {
		return false
	}
	if sel, ok := ast.Unparen(cond.X).(*ast.SelectorExpr); ok && st.Init == nil {
		n, exact := constant.Int64Val(constant.ToInt(valueOf(d.k, cond.Y)))
		d.checked = d.res != nil && d.object(sel.X) == d.res && sel.Sel.Name == "StatusCode" && exact && n == 200
		return d.checked
	}
	return err != nil && d.isNil(cond.Y) && d.object(cond.X) == err
}

// writes reads fmt.Fprintf(conn, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", target, target), perhaps with credentials.
func (d *proxyDial) writes(e ast.Expr) bool {
	call, ok := ast.Unparen(e).(*ast.CallExpr)
	if !ok || d.callee(call) != "fmt.Fprintf" || d.asked || d.conn == nil || len(call.Args) < 3 || call.Ellipsis.IsValid() || d.object(call.Args[0]) != d.conn {
		return false
	}
	format := valueOf(d.k, call.Args[1])
	if format.Kind() != constant.String {
		return false
	}
	m := connectRequest.FindStringSubmatch(constant.StringVal(format))
	args := call.Args[2:]
	if m == nil || len(args) != strings.Count(m[0], "%s") {
		return d.no(call.Args[1], "the request says more than CONNECT, Host and Proxy-Authorization")
	}
	if m[2] != "" {
		if !d.basic(args[len(args)-1]) {
			return d.no(args[len(args)-1], "these are not base64 of a user name, a colon and a password")
		}
		args = args[:len(args)-1]
	}
	for _, a := range args {
		if !d.isString(a) || !d.alike(a, args[0]) {
			return d.no(a, "CONNECT and Host may not be the same address")
		}
	}
	d.target, d.asked = args[0], true
	return true
}

// basic reads base64.StdEncoding.EncodeToString([]byte(user + ":" + password)), or of a constant.
func (d *proxyDial) basic(e ast.Expr) bool {
	call, ok := ast.Unparen(e).(*ast.CallExpr)
	if !ok || len(call.Args) != 1 {
		return false
	}
	f := flow.StaticCallee(d.k.Pkg.Info, call)
	fun, ok := ast.Unparen(call.Fun).(*ast.SelectorExpr)
	if !ok || f == nil || f.FullName() != "(*encoding/base64.Encoding).EncodeToString" {
		return false
	}
	encoding, ok := ast.Unparen(fun.X).(*ast.SelectorExpr)
	if !ok || encoding.Sel.Name != "StdEncoding" {
		return false
	}
	bytes, ok := ast.Unparen(call.Args[0]).(*ast.CallExpr)
	if !ok || len(bytes.Args) != 1 || !d.k.Pkg.Info.Types[ast.Unparen(bytes.Fun)].IsType() || !d.isString(bytes.Args[0]) {
		return false
	}
	if v := valueOf(d.k, bytes.Args[0]); v.Kind() == constant.String {
		user, password, ok := strings.Cut(constant.StringVal(v), ":")
		d.userText, d.passwordText = user, password
		return ok && user != ""
	}
	outer, ok := ast.Unparen(bytes.Args[0]).(*ast.BinaryExpr)
	if !ok {
		return false
	}
	inner, ok := ast.Unparen(outer.X).(*ast.BinaryExpr)
	if !ok || !d.isText(inner.Y, ":") {
		return false
	}
	d.user, d.password = inner.X, outer.Y
	return true
}

// gives reads a body that closes the connection, if anything, and returns an error that tells no more than err does, or a new
// one: a program can compare it with nothing that it has.
func (d *proxyDial) gives(list []ast.Stmt, err types.Object) bool {
	for i, st := range list {
		if ret, ok := st.(*ast.ReturnStmt); ok {
			if i != len(list)-1 || len(ret.Results) != 2 || !d.isNil(ret.Results[0]) {
				return false
			}
			return d.plainError(ret.Results[1], err) || d.no(ret.Results[1], "this error may be one that the program looks for")
		}
		e, ok := st.(*ast.ExprStmt)
		if !ok {
			return false
		}
		call, ok := e.X.(*ast.CallExpr)
		if !ok {
			return false
		}
		sel, ok := ast.Unparen(call.Fun).(*ast.SelectorExpr)
		if !ok || sel.Sel.Name != "Close" || d.conn == nil || d.object(sel.X) != d.conn {
			return false
		}
	}
	return false
}

// plainError reports whether e is err, or is made by fmt.Errorf or errors.New of what is no other error.
func (d *proxyDial) plainError(e ast.Expr, err types.Object) bool {
	if o := d.object(e); o != nil {
		return o == err && !d.isNil(e)
	}
	call, ok := ast.Unparen(e).(*ast.CallExpr)
	if name := d.callee(call); !ok || name != "fmt.Errorf" && name != "errors.New" || call.Ellipsis.IsValid() {
		return false
	}
	for _, a := range call.Args {
		t := d.k.Pkg.Info.TypeOf(a)
		if _, basic := t.Underlying().(*types.Basic); !d.k.Pkg.Pure(a) || !basic && d.object(a) != err {
			return false
		}
	}
	return true
}

// last reads return conn, nil after a CONNECT, or return d.Dial("tcp", target) of SOCKS5.
func (d *proxyDial) last(st ast.Stmt) bool {
	ret, ok := st.(*ast.ReturnStmt)
	if !ok {
		return false
	}
	if d.dialer == nil {
		return len(ret.Results) == 2 && d.checked && d.object(ret.Results[0]) == d.conn && d.isNil(ret.Results[1])
	}
	if len(ret.Results) != 1 {
		return false
	}
	call, ok := ast.Unparen(ret.Results[0]).(*ast.CallExpr)
	if !ok || len(call.Args) != 2 || !d.isText(call.Args[0], "tcp") {
		return false
	}
	sel, ok := ast.Unparen(call.Fun).(*ast.SelectorExpr)
	if !ok || sel.Sel.Name != "Dial" || d.object(sel.X) != d.dialer {
		return false
	}
	d.target = call.Args[1]
	return true
}

// local is the variable of a function that e names; nil for others.
func (d *proxyDial) local(e ast.Expr) types.Object {
	v, ok := d.object(e).(*types.Var)
	if !ok || v.Name() == "_" || v.IsField() || v.Parent() == d.k.Pkg.Types.Scope() {
		return nil
	}
	return v
}

// object is what a name stands for; nil for other expressions.
func (d *proxyDial) object(e ast.Expr) types.Object {
	id, ok := ast.Unparen(e).(*ast.Ident)
	if !ok {
		return nil
	}
	return d.k.Pkg.Info.ObjectOf(id)
}

// callee is the path and name of the function that is called.
func (d *proxyDial) callee(c *ast.CallExpr) string {
	if c == nil {
		return ""
	}
	f := flow.StaticCallee(d.k.Pkg.Info, c)
	if f == nil || f.Pkg() == nil || f.Signature().Recv() != nil {
		return ""
	}
	return f.Pkg().Path() + "." + f.Name()
}

// direct reports whether e is proxy.Direct, or nil.
func (d *proxyDial) direct(e ast.Expr) bool {
	if d.isNil(e) {
		return true
	}
	sel, ok := ast.Unparen(e).(*ast.SelectorExpr)
	if !ok {
		return false
	}
	o := d.object(sel.Sel)
	return o != nil && o.Pkg() != nil && o.Pkg().Path() == socksPackage && o.Name() == "Direct"
}

// auth reads &proxy.Auth{User: ..., Password: ...}.
func (d *proxyDial) auth(e ast.Expr) bool {
	const unread = "these are not credentials written as &proxy.Auth{User: ..., Password: ...}"
	u, ok := ast.Unparen(e).(*ast.UnaryExpr)
	if !ok || u.Op != token.AND {
		return d.no(e, unread)
	}
	lit, ok := ast.Unparen(u.X).(*ast.CompositeLit)
	if !ok {
		return d.no(e, unread)
	}
	for _, el := range lit.Elts {
		kv, ok := el.(*ast.KeyValueExpr)
		if !ok {
			return d.no(e, unread)
		}
		switch name, _ := kv.Key.(*ast.Ident); {
		case name != nil && name.Name == "User":
			d.user = kv.Value
		case name != nil && name.Name == "Password":
			d.password = kv.Value
		}
	}
	return d.user != nil && d.password != nil || d.no(e, unread)
}

// isString reports whether e has the type string, which %s writes as it is.
func (d *proxyDial) isString(e ast.Expr) bool {
	b, ok := d.k.Pkg.Info.TypeOf(e).(*types.Basic)
	return ok && b.Info()&types.IsString != 0
}

func (d *proxyDial) isNil(e ast.Expr) bool { return d.k.Pkg.Info.Types[ast.Unparen(e)].IsNil() }

func (d *proxyDial) isText(e ast.Expr, want string) bool {
	v := valueOf(d.k, e)
	return v.Kind() == constant.String && constant.StringVal(v) == want
}

// valueOf is the value of a constant expression, of kind Unknown for others.
func valueOf(k *class, e ast.Expr) constant.Value {
	if v := k.Pkg.Info.Types[ast.Unparen(e)].Value; v != nil {
		return v
	}
	return constant.MakeUnknown()
}
