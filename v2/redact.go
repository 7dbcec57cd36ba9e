package awsiot

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"html"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/portage-iot/awsiot/internal/pempath"
	"github.com/portage-iot/awsiot/v2/internal/wire"
)

// secrets are texts that no error may show. Servers and proxies quote what they were sent, as it was or changed: cut, escaped,
// in base64, in other case; and net/http quotes the URL. What they say is cleaned before it becomes an error.
type secrets struct {
	whole  []string // hidden where they stand as a whole, as they are
	pieces []string // hidden also in other case, and where a piece of them stands
}

// minSecret is the length from which a value is taken for a secret: shorter ones are in every text by chance.
const minSecret = 6

// minPiece is the length from which a piece of a secret is hidden. What is left visible of one is shorter.
const minPiece = 12

// hidden stands in the place of a secret.
const hidden = "[hidden]"

// openParameters are query parameters of SigV4 without a secret in them; a server that complains of one should be heard.
var openParameters = []string{"X-Amz-Algorithm", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders"}

// wholeParameter has parts that are no secret either, the region among them.
const wholeParameter = "X-Amz-Credential"

// requestSecrets returns the query of an upgrade request, its values, the headers that the program has set, and the userinfo.
func requestSecrets(req *http.Request) secrets {
	s := secrets{whole: []string{req.URL.RawQuery}}
	for part := range strings.SplitSeq(req.URL.RawQuery, "&") {
		key, value, ok := strings.Cut(part, "=")
		switch {
		case !ok:
			s.pieces = append(s.pieces, key)
		case key == wholeParameter:
			s.whole = append(s.whole, value)
		case !slices.Contains(openParameters, key):
			s.pieces = append(s.pieces, value)
		}
	}
	for _, header := range req.Header {
		for _, value := range header {
			s.whole = append(s.whole, value)
			if _, credentials, ok := strings.Cut(value, " "); ok { // "Bearer xyz"
				value = credentials
			}
			s.pieces = append(s.pieces, strings.Fields(value)...)
		}
	}
	if password, ok := req.URL.User.Password(); ok {
		s.pieces = append(s.pieces, req.URL.User.String(), password, basicAuth(req.URL.User))
	}
	return s
}

// connectSecrets returns what CONNECT carries to prove who the client is.
func (o *ClientOptions) connectSecrets() secrets {
	s := secrets{pieces: []string{string(o.Password)}}
	if _, query, ok := strings.Cut(o.Username, "?"); ok {
		s.pieces = append(s.pieces, query)
	}
	if a, ok := o.Auth.(CustomAuthorizer); ok {
		s.pieces = append(s.pieces, a.Signature, a.TokenValue, string(a.Password))
		if _, value, ok := strings.Cut(a.TokenValue, "="); ok {
			s.pieces = append(s.pieces, value)
		}
	}
	return s
}

// and returns both.
func (s secrets) and(t secrets) secrets {
	return secrets{slices.Concat(s.whole, t.whole), slices.Concat(s.pieces, t.pieces)}
}

// forms returns what a value looks like when a server has escaped or encoded it, each of minSecret or more.
func forms(value string) (list []string) {
	add := func(v string) {
		quoted, _ := json.Marshal(v)
		text := strings.Trim(string(quoted), `"`)
		for _, f := range []string{v, url.QueryEscape(v), url.QueryEscape(url.QueryEscape(v)), url.PathEscape(v), html.EscapeString(v),
			text, strings.ReplaceAll(text, "/", `\/`), hex.EncodeToString([]byte(v))} {
			if len(v) >= minSecret {
				list = append(list, f)
			}
		}
		for at := range 3 { // in base64 a text looks different at each of three places
			for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
				f := enc.EncodeToString(append(make([]byte, at), v...))
				from, to := []int{0, 2, 3}[at], len(f)-4 // what neighbours have no part in
				if to-from >= minPiece {
					list = append(list, f[from:to])
				}
			}
		}
	}
	add(value)
	if u, err := url.QueryUnescape(value); err == nil && u != value {
		add(u)
	}
	return list
}

// lower is strings.ToLower for ASCII alone: it keeps the places of what is in text.
func lower(text string) string {
	b := []byte(text)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// redact returns text without the secrets.
func (s secrets) redact(text string) string { return s.hide(text, false) }

// redactCut is redact for a text that was cut off, maybe within a secret.
func (s secrets) redactCut(text string) string { return s.hide(text, true) }

func (s secrets) hide(text string, cut bool) string {
	if len(text) < minSecret {
		return text
	}
	low := lower(text)
	secret := make([]bool, len(text)) // the bytes that are to go
	mark := func(from, to int) {
		for i := from; i < to; i++ {
			secret[i] = true
		}
	}
	grams := map[string]bool{}
	for i, value := range slices.Concat(s.whole, s.pieces) {
		if len(value) < minSecret {
			continue
		}
		in, piece := text, i >= len(s.whole)
		if piece {
			in = low
		}
		for _, f := range forms(value) {
			if piece {
				f = lower(f)
			}
			for at := 0; ; {
				next := strings.Index(in[at:], f)
				if next < 0 {
					break
				}
				mark(at+next, at+next+len(f))
				at += next + 1
			}
			for n := min(len(f)-1, len(in)); cut && n >= minSecret; n-- {
				if strings.HasSuffix(in, f[:n]) {
					mark(len(in)-n, len(in))
					break
				}
			}
			for k := 0; piece && k+minPiece <= len(f); k++ {
				grams[f[k:k+minPiece]] = true
			}
		}
	}
	for at := 0; len(grams) > 0 && at+minPiece <= len(low); at++ {
		if grams[low[at:at+minPiece]] {
			mark(at, at+minPiece)
		}
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if !secret[i] {
			b.WriteByte(text[i])
		} else if i == 0 || !secret[i-1] {
			b.WriteString(hidden)
		}
	}
	return b.String()
}

// clear takes the secrets out of what a broker says in a packet.
func (s secrets) clear(reason *string, user []wire.UserProperty) {
	*reason = s.redact(*reason)
	for i, p := range user {
		user[i] = wire.UserProperty{Name: s.redact(p.Name), Value: s.redact(p.Value)}
	}
}

// clearPacket is clear for every packet but PUBACK.
func (s secrets) clearPacket(packet any) {
	switch p := packet.(type) {
	case *wire.Connack:
		s.clear(&p.Reason, p.User)
		p.ServerReference = s.redact(p.ServerReference)
	case *wire.Suback:
		s.clear(&p.Reason, p.User)
	case *wire.Unsuback:
		s.clear(&p.Reason, p.User)
	case *wire.Disconnect:
		s.clear(&p.Reason, p.User)
		p.ServerReference = s.redact(p.ServerReference)
	}
}

// clean returns err without what net/http says of the URL, and without the secrets: the first error of the chain that
// has none, for errors.Is and errors.As, else its text.
func (s secrets) clean(err error) error {
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err
	}
	last := err
	for e := err; e != nil; e = errors.Unwrap(e) {
		if s.redact(e.Error()) == e.Error() {
			return e
		}
		last = e
	}
	return errors.New(s.redact(last.Error()))
}

// cleanProxy returns an error of ClientOptions.HTTPProxy without the URL in it, which may have user name and password:
// url.Parse and http.ProxyFromEnvironment quote it, and url.Parse takes the password for a port when a slash is in it.
func cleanProxy(err error) error {
	text := err.Error()
	var ue *url.Error
	if errors.As(err, &ue) {
		text = "the URL of the proxy: " + ue.Err.Error()
	} else if !strings.Contains(text, "@") && !strings.Contains(text, "://") {
		return err
	}
	if i := strings.IndexByte(text, '"'); i >= 0 { // what is quoted is from the URL
		text = text[:i] + hidden + text[strings.LastIndexByte(text, '"')+1:]
	}
	if strings.Contains(text, "@") || strings.Contains(text, "://") {
		text = "its error shows a URL, perhaps with a password, and is left out"
	}
	return errors.New(text)
}

// shownEndpoint returns a wrong Endpoint for an error. It may be a whole URL, and then have userinfo or a signed query.
func shownEndpoint(s string) string {
	const most = 300 // a host name has 253 characters at most
	shown := s
	if strings.Contains(s, "@") {
		scheme, _, ok := strings.Cut(s, "://")
		if shown = ""; ok && isName(scheme) {
			shown = scheme + "://"
		}
	} else if i := strings.IndexAny(s, "?#"); i >= 0 {
		shown = s[:i]
	}
	if pempath.Is(shown) {
		shown = ""
	}
	if len(shown) > most {
		shown = shown[:most]
	}
	if shown != s {
		shown += "..."
	}
	return shown
}
