package wsock

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Origin is the scheme and host of a page (RFC 6454), in lower case, without a port that is the
// scheme's own.
type Origin struct{ Scheme, Host string }

// ParseOrigin reads an origin as it stands in the header of that name: SCHEME://HOST[:PORT] and nothing
// after it.
func ParseOrigin(s string) (Origin, error) {
	u, err := url.Parse(s)
	if err != nil {
		return Origin{}, errors.New("it is no URL")
	}
	if u.Scheme == "" || u.Host == "" || u.User != nil || u.Path != "" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return Origin{}, errors.New("want SCHEME://HOST or SCHEME://HOST:PORT")
	}
	o := Origin{strings.ToLower(u.Scheme), strings.ToLower(u.Host)}
	for scheme, port := range map[string]string{"http": ":80", "https": ":443"} {
		if o.Scheme == scheme {
			o.Host = strings.TrimSuffix(o.Host, port)
		}
	}
	return o, nil
}

// CheckOrigin returns nil when a request does not come from a browser, which says so by an Origin
// header (RFC 6455, section 10.2), when it comes from a page of the host and port that is asked, or when
// allowed, valid origins, lists it.
func CheckOrigin(r *http.Request, allowed []string) error {
	header := r.Header.Values("Origin")
	if len(header) == 0 {
		return nil
	}
	o, err := ParseOrigin(header[0])
	if len(header) > 1 || err != nil { // also "null", which a page without an origin sends
		return fmt.Errorf("Origin %q is not one SCHEME://HOST", header)
	}
	// Which of the two ports is the usual one, the request does not say.
	host := strings.ToLower(r.Host)
	if o.Host == host || o.Host == strings.TrimSuffix(strings.TrimSuffix(host, ":443"), ":80") {
		return nil
	}
	if slices.ContainsFunc(allowed, func(s string) bool { a, err := ParseOrigin(s); return err == nil && a == o }) {
		return nil
	}
	return fmt.Errorf("pages of %s://%s may not open websockets here", o.Scheme, o.Host)
}
