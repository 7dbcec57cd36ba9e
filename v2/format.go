package awsiot

import (
	"fmt"
	"io"
	"log/slog"
	"reflect"
	"strings"

	"github.com/portage-iot/awsiot/internal/pempath"
)

// Options and credentials are printed and logged by programs, also by accident: every verb of fmt, and slog, shows them
// without passwords, tokens, signatures and keys.

// shown is what has a text of its own for fmt and slog.
type shown interface{ text() string }

// formatText is fmt.Formatter's method for v, whatever the verb.
func formatText(f fmt.State, v shown) { _, _ = io.WriteString(f, v.text()) }

// Format prints the options that are set, without their secrets, with every verb of package fmt.
func (o ClientOptions) Format(f fmt.State, _ rune) { formatText(f, o) }

// LogValue is what slog logs: the same text as Format.
func (o ClientOptions) LogValue() slog.Value { return slog.StringValue(o.text()) }

// shownFields are the fields of ClientOptions that are not shown as they are.
var shownFields = map[string]func(ClientOptions) string{
	"Password":       func(ClientOptions) string { return hidden },
	"Username":       func(o ClientOptions) string { return shownUsername(o.Username) },
	"CAFile":         func(o ClientOptions) string { return shownPath(o.CAFile) },
	"CAPEM":          func(o ClientOptions) string { return fmt.Sprintf("[%d bytes]", len(o.CAPEM)) },
	"Endpoint":       func(o ClientOptions) string { return fmt.Sprintf("%q", shownEndpoint(o.Endpoint)) },
	"UserProperties": func(o ClientOptions) string { return shownProperties(o.UserProperties) },
	"Auth":           func(o ClientOptions) string { return fmt.Sprint(o.Auth) },
}

func (o ClientOptions) text() string {
	v := reflect.ValueOf(o)
	var fields []string
	for i := range v.NumField() {
		field, name := v.Field(i), v.Type().Field(i).Name
		if field.IsZero() || !v.Type().Field(i).IsExported() {
			continue
		}
		value := "[set]"
		if show := shownFields[name]; show != nil {
			value = show(o)
		} else if k := field.Kind(); k == reflect.String {
			value = fmt.Sprintf("%q", field.String())
		} else if k != reflect.Func && k != reflect.Pointer && k != reflect.Interface {
			value = fmt.Sprintf("%+v", field.Interface())
		}
		fields = append(fields, name+":"+value)
	}
	return "awsiot.ClientOptions{" + strings.Join(fields, " ") + "}"
}

// shownUsername returns a user name without its query, where authorizers get tokens and signatures.
func shownUsername(name string) string {
	name, query, ok := strings.Cut(name, "?")
	if ok && query != "" {
		name += "?" + hidden
	}
	return fmt.Sprintf("%q", name)
}

// shownPath returns a path, unless it is the text of a file.
func shownPath(path string) string {
	if pempath.Is(path) {
		return hidden
	}
	return fmt.Sprintf("%q", path)
}

// shownProperties returns the names of user properties.
func shownProperties(list []UserProperty) string {
	var names []string
	for _, p := range list {
		names = append(names, fmt.Sprintf("%q:%s", p.Name, hidden))
	}
	return "[" + strings.Join(names, " ") + "]"
}

// Format prints the authorizer without signature, token and password, with every verb of package fmt.
func (a CustomAuthorizer) Format(f fmt.State, _ rune) { formatText(f, a) }

// LogValue is what slog logs: the same text as Format.
func (a CustomAuthorizer) LogValue() slog.Value { return slog.StringValue(a.text()) }

func (a CustomAuthorizer) text() string {
	var fields []string
	add := func(name, value string, set bool) {
		if set {
			fields = append(fields, name+":"+value)
		}
	}
	add("Name", fmt.Sprintf("%q", a.Name), a.Name != "")
	add("Signature", hidden, a.Signature != "")
	add("TokenKeyName", fmt.Sprintf("%q", a.TokenKeyName), a.TokenKeyName != "")
	add("TokenValue", hidden, a.TokenValue != "")
	add("Username", shownUsername(a.Username), a.Username != "")
	add("Password", hidden, a.Password != nil)
	add("Websocket", "true", a.Websocket)
	return "awsiot.CustomAuthorizer{" + strings.Join(fields, " ") + "}"
}

// The other values of Auth print the call that makes them.

func (p plainTCP) Format(f fmt.State, _ rune)      { formatText(f, p) }
func (p plainTCP) LogValue() slog.Value            { return slog.StringValue(p.text()) }
func (plainTCP) text() string                      { return "awsiot.PlainTCP()" }
func (s serverTLS) Format(f fmt.State, _ rune)     { formatText(f, s) }
func (s serverTLS) LogValue() slog.Value           { return slog.StringValue(s.text()) }
func (serverTLS) text() string                     { return "awsiot.TLS()" }
func (m mutualTLS) Format(f fmt.State, _ rune)     { formatText(f, m) }
func (m mutualTLS) LogValue() slog.Value           { return slog.StringValue(m.text()) }
func (m mutualTLS) text() string                   { return "awsiot." + m.made }
func (w websocketAuth) Format(f fmt.State, _ rune) { formatText(f, w) }
func (w websocketAuth) LogValue() slog.Value       { return slog.StringValue(w.text()) }

func (w websocketAuth) text() string {
	if w.plain {
		return "awsiot.PlainWebsocket(...)"
	}
	return "awsiot.WebsocketHandshake(...)"
}

// Format prints the client's id, the endpoint and the state, with every verb of package fmt: not the options, which
// have secrets.
func (c *Client) Format(f fmt.State, _ rune) { formatText(f, c) }

// LogValue is what slog logs: the same text as Format.
func (c *Client) LogValue() slog.Value { return slog.StringValue(c.text()) }

func (c *Client) text() string {
	if c == nil {
		return "(*awsiot.Client)(nil)"
	}
	o := c.options()
	if o == nil { // not made by NewClient
		return "awsiot.Client{}"
	}
	return fmt.Sprintf("awsiot.Client{ClientID:%q Endpoint:%q State:%v}", o.ClientID, shownEndpoint(o.Endpoint), c.State())
}
