package awsiot

import (
	"cmp"
	"errors"
	"html"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// secrets are texts that no error may show, longest first. Servers and proxies quote what they were sent, and net/http
// quotes the URL: what they say is cleaned before it becomes an error.
type secrets []string

// minSecret is the length from which a value is taken for a secret: shorter ones are in every text by chance.
const minSecret = 6

// hidden stands in the place of a secret.
const hidden = "[hidden]"

// openParameters are query parameters of SigV4 without a secret in them; a server that complains of one should be heard.
var openParameters = []string{"X-Amz-Algorithm", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders"}

// newSecrets returns the values, and what they look like escaped.
func newSecrets(values ...string) secrets {
	var s secrets
	for _, v := range values {
		forms := []string{v, url.QueryEscape(v), url.PathEscape(v), html.EscapeString(v)}
		if u, err := url.QueryUnescape(v); err == nil {
			forms = append(forms, u, url.QueryEscape(u), url.PathEscape(u), html.EscapeString(u))
		}
		for _, f := range forms {
			if len(f) >= minSecret {
				s = append(s, f)
			}
		}
	}
	slices.SortFunc(s, func(a, b string) int { return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b)) })
	return slices.Compact(s)
}

// requestSecrets returns the query of an upgrade request, its values, the headers that the program has set, and the userinfo.
func requestSecrets(req *http.Request) secrets {
	values := []string{req.URL.RawQuery}
	for part := range strings.SplitSeq(req.URL.RawQuery, "&") {
		if key, value, ok := strings.Cut(part, "="); ok && !slices.Contains(openParameters, key) {
			values = append(values, value)
		} else if !ok {
			values = append(values, key)
		}
	}
	for _, header := range req.Header {
		for _, value := range header {
			values = append(append(values, value), strings.Fields(value)...) // "Bearer xyz": xyz
		}
	}
	if password, ok := req.URL.User.Password(); ok {
		values = append(values, req.URL.User.String(), password, basicAuth(req.URL.User))
	}
	return newSecrets(values...)
}

// redact returns text without the secrets.
func (s secrets) redact(text string) string {
	for _, secret := range s {
		text = strings.ReplaceAll(text, secret, hidden)
	}
	return text
}

// redactCut is redact for a text that was cut off, maybe within a secret.
func (s secrets) redactCut(text string) string {
	text = s.redact(text)
	for _, secret := range s {
		for n := min(len(secret)-1, len(text)); n >= minSecret; n-- {
			if strings.HasSuffix(text, secret[:n]) {
				return text[:len(text)-n] + hidden
			}
		}
	}
	return text
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
	if i := strings.Index(shown, pemBegin); i >= 0 {
		shown = shown[:i]
	}
	if len(shown) > most {
		shown = shown[:most]
	}
	if shown != s {
		shown += "..."
	}
	return shown
}

// pemBegin begins what is in a PEM file.
const pemBegin = "-----BEGIN"

// isPEM reports whether a path is the text of a file instead.
func isPEM(path string) bool {
	return strings.Contains(path, pemBegin) || strings.ContainsAny(path, "\r\n")
}
