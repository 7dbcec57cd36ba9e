package wirediff

import (
	"bytes"
	"encoding/json"
	"io"
	"slices"
	"strings"

	"github.com/portage-iot/awsiot/iotlocal/record"
	"github.com/portage-iot/awsiot/iotlocal/wire"
)

// awsTimes are members whose numbers the service takes from its clock (rule aws-time).
var awsTimes = []string{"timestamp", "queuedAt", "startedAt", "lastUpdatedAt"}

// payload is the content of a PUBLISH in normal form: see the rules aws-json, aws-token, aws-time and ignored.
func (r *reader) payload(p record.Packet) string {
	raw := string(p.Payload)
	aws := strings.HasPrefix(p.Topic, "$aws/")
	if !aws && len(r.o.Ignore) == 0 {
		return raw
	}
	v, ok := decode(p.Payload)
	if !ok {
		return raw
	}
	changed := false
	v = r.normal(v, aws, p.Dir == wire.ClientToServer, &changed)
	if !aws && !changed {
		return raw // nothing ignored in it: bytes it is
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return raw
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// decode reads one JSON value that is the whole of b; numbers keep their text.
func decode(b []byte) (any, bool) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return nil, false
	}
	_, err := d.Token()
	return v, err == io.EOF
}

// normal rewrites a JSON value in place. sent tells whose packet it is.
func (r *reader) normal(v any, aws, sent bool, changed *bool) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = r.normal(v[i], aws, sent, changed)
		}
	case map[string]any:
		for name, member := range v {
			token, isString := member.(string)
			_, isNumber := member.(json.Number)
			switch {
			case slices.Contains(r.o.Ignore, name):
				v[name], *changed = "<ignored>", true
			case aws && name == "clientToken" && isString:
				v[name] = r.token(token, sent)
			case aws && isNumber && slices.Contains(awsTimes, name):
				v[name] = "<time>"
			default:
				v[name] = r.normal(member, aws, sent, changed)
			}
		}
	}
	return v
}

// token is the normal form of a client token: a random text, of which it matters only whether it was used before.
func (r *reader) token(t string, sent bool) string {
	known := r.tokens[t]
	switch {
	case sent && known:
		return "<token again>"
	case sent:
		r.tokens[t] = true
		return "<token>"
	case known:
		return "<token>"
	}
	return "<foreign token>"
}
