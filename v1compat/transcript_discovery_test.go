package v1compat_test

// Greengrass discovery: the recorded calls, the HTTPS server that answers as the recorded one did, and the rules about
// them. The recorder kept the requests and the status lines; what the bodies were follows from the calls.

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/portage-iot/awsiot/v1compat/discovery"
	"github.com/portage-iot/awsiot/v2/greengrass"
)

const (
	discoveryObject     = "DiscoveryInfoProvider"
	discoveryInfoObject = "DiscoveryInfo"
	discoveryPort       = 8443 // for the recorder's <port>
)

// trDiscovery are the objects of a recording.
type trDiscovery struct {
	provider *discovery.DiscoveryInfoProvider
	info     *discovery.DiscoveryInfo
}

// trHTTP is how the recorded server answered a request.
type trHTTP struct {
	status string        // the status line; "": it sent a byte now and then, until the client went
	closes time.Duration // without an answer, after so long
	head   string        // of the length
	body   string
}

// discoveryAnswers takes the server's side out of the packets and puts it to the requests.
func (tr *transcript) discoveryAnswers() {
	for _, c := range tr.Calls {
		if c.Object == discoveryInfoObject && len(c.Returns) > 0 {
			var v any
			if json.Unmarshal(c.Returns, &v) == nil {
				c.Returns = []byte(quote(v)) // its white space was Python's
			}
		}
		if c.Object != discoveryObject || c.Method != "discover" {
			continue
		}
		var request *trPacket
		for _, p := range tr.Packets {
			switch {
			case !c.within(p.Seq):
			case p.Type == "HTTP_REQUEST":
				request = p
				p.http = &trHTTP{head: "content-length"}
			case request == nil:
			case p.Type == "HTTP_RESPONSE":
				request.http.status, request.http.body = p.StatusLine, tr.discoveryBody(c)
				if c.Raises != nil && c.Raises.Type == "AttributeError" {
					request.http.head = "Content-Length" // v1 looked for the lower-case name
				}
			case strings.HasPrefix(p.Type, "SERVER_CLOSES_WITHOUT_ANSWER"):
				request.http.closes = max(seconds(p.T-request.T), time.Millisecond)
			}
		}
		if request != nil {
			request.T = c.T // the recorder noted it when its server, one request at a time, got to it
		}
	}
	tr.dropPackets(func(p *trPacket) bool {
		return p.Type == "HTTP_RESPONSE" || p.Type == "SERVER_ERROR" || strings.HasPrefix(p.Type, "SERVER_CLOSES_WITHOUT_ANSWER")
	})
}

// discoveryBody is a body that explains how discover ended and what the calls on its result returned.
func (tr *transcript) discoveryBody(c *trCall) string {
	if c.Raises != nil && c.Raises.Type != "AttributeError" {
		if c.Raises.Type == "DiscoveryFailure" {
			return c.Raises.Message
		}
		return `{"message":"as recorded"}`
	}
	var ids []string
	cas := map[string][]string{}
	groups, cores, missing := 1, 1, ""
	end := tr.until(c.Seq, "discover")
	for _, o := range tr.Calls {
		if o.Object != discoveryInfoObject || o.Seq < c.Seq || o.Seq > end {
			continue
		}
		if o.Raises != nil && o.Raises.Type == "KeyError" {
			missing = strings.Trim(o.Raises.Message, "'")
			continue
		}
		var list []json.RawMessage
		isList := json.Unmarshal(o.Returns, &list) == nil
		switch {
		case o.Method == "getAllGroups" && isList:
			groups = len(list)
		case o.Method == "getAllCores" && isList:
			cores = len(list)
		case o.Method == "getAllCas":
			var pairs [][2]string
			_ = json.Unmarshal(o.Returns, &pairs) // if it is no list of pairs, the comparison says so
			for _, pair := range pairs {
				if !slices.Contains(ids, pair[0]) {
					ids = append(ids, pair[0])
				}
				cas[pair[0]] = append(cas[pair[0]], pair[1])
			}
		case o.Method == "toObjectAtGroupLevel":
			var byID map[string]any
			_ = json.Unmarshal(o.Returns, &byID)
			for id := range byID {
				if !slices.Contains(ids, id) {
					ids = append(ids, id)
				}
			}
		}
	}
	if missing == "GGGroups" {
		return "{}"
	}
	var all []any
	for i := range groups {
		id := fmt.Sprintf("group%d", i)
		if i < len(ids) {
			id = ids[i]
		}
		n := min(1, cores)
		if i == groups-1 {
			n = cores // the last has the rest
		}
		cores -= n
		list := []any{}
		for j := range n {
			connectivity := map[string]any{"Id": "c", "HostAddress": "10.0.0.1", "PortNumber": 8883}
			core := map[string]any{"thingArn": fmt.Sprintf("%s-core%d", id, j), "Connectivity": []any{connectivity}}
			delete(connectivity, missing)
			delete(core, missing)
			list = append(list, core)
		}
		group := map[string]any{"GGGroupId": id, "CAs": append([]string{}, cas[id]...), "Cores": list}
		delete(group, missing)
		all = append(all, group)
	}
	return quote(map[string]any{"GGGroups": all})
}

// discoveryCall is a method of a class of discovery.
func (d *trDriver) discoveryCall(c *trCall) (any, error) {
	a := &trArgs{c: c, rec: d.w.rec}
	f := d.providerCall(a)
	if c.Object == discoveryInfoObject {
		f = d.infoCall(a)
	}
	switch {
	case f == nil:
		return inexpressible("the replayer does not know " + c.Object + "." + c.Method), nil
	case a.bad != "":
		return inexpressible(a.bad), nil
	}
	return f()
}

func (d *trDriver) providerCall(a *trArgs) func() (any, error) {
	if d.discovery.provider == nil || a.c.Method == "__init__" {
		d.discovery.provider = discovery.NewDiscoveryInfoProvider()
		d.discovery.provider.ConfigureSocketFactory(d.w.dialDiscovery)
	}
	p := d.discovery.provider
	switch a.c.Method {
	case "__init__":
		return setting(func() {})
	case "configureEndpoint":
		host, port := a.str(0, "host"), discoveryPort
		if v := a.at(1, "port"); v != nil && v != "<port>" {
			port = int(a.num(1, "port"))
		}
		return setting(func() { p.ConfigureEndpoint(host, port) })
	case "configureCredentials":
		var paths [3]string
		for i, name := range []string{"caPath", "certPath", "keyPath"} {
			paths[i] = d.w.certs.path(a.str(i, name))
		}
		return setting(func() { p.ConfigureCredentials(paths[0], paths[1], paths[2]) })
	case "configureTimeout":
		s := a.num(0, "timeoutSec")
		return setting(func() { p.ConfigureTimeout(s) })
	case "discover":
		thing := a.str(0, "thingName")
		return func() (any, error) {
			info, err := p.Discover(thing)
			if err != nil {
				return nil, err
			}
			d.discovery.info = info
			return "<DiscoveryInfo>", nil
		}
	}
	return nil
}

func (d *trDriver) infoCall(a *trArgs) func() (any, error) {
	info := d.discovery.info
	if info == nil {
		return nil
	}
	switch a.c.Method {
	case "getAllGroups":
		return func() (any, error) {
			groups, err := info.GetAllGroups()
			return slices.Repeat([]string{"<GroupConnectivityInfo>"}, len(groups)), err
		}
	case "getAllCores":
		return func() (any, error) {
			cores, err := info.GetAllCores()
			return slices.Repeat([]string{"<CoreConnectivityInfo>"}, len(cores)), err
		}
	case "getAllCas":
		return func() (any, error) {
			cas, err := info.GetAllCas()
			pairs := [][2]string{}
			for _, ca := range cas {
				pairs = append(pairs, [2]string{ca.GroupID, ca.Ca})
			}
			return pairs, err
		}
	case "toObjectAtGroupLevel":
		return func() (any, error) {
			groups, err := info.ToObjectAtGroupLevel()
			named := map[string]string{}
			for id := range groups {
				named[id] = "<GroupConnectivityInfo>"
			}
			return named, err
		}
	}
	return nil
}

// dialDiscovery connects to the server of the recording.
func (w *trWorld) dialDiscovery() (net.Conn, error) {
	client, server := net.Pipe()
	go w.serveDiscovery(server) // ends with the client's end, which the provider closes; the bubble would not end without
	return client, nil
}

// serveDiscovery reads one request and answers it as the recorded one was.
func (w *trWorld) serveDiscovery(raw net.Conn) {
	defer raw.Close()
	conn := tls.Server(raw, w.certs.server())
	if conn.Handshake() != nil {
		return // the client's call says why
	}
	var request bytes.Buffer
	r := bufio.NewReader(io.TeeReader(conn, &request))
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		if line == "\r\n" {
			break
		}
	}
	p := &trPacket{Dir: "c2s", Type: "HTTP_REQUEST", Raw: strings.ReplaceAll(request.String(), fmt.Sprintf(":%d\r\n", discoveryPort), ":<port>\r\n")}
	w.mu.Lock()
	rec := w.counterpart(p)
	if rec != nil {
		w.matched[rec] = true
	}
	w.sent = append(w.sent, trSeen{fmt.Sprintf("%d %s %s", p.Conn, p, p.MidRef), time.Now(), rec})
	w.mu.Unlock()
	if rec == nil || rec.http == nil {
		return
	}
	w.mark(rec.Seq)
	gone := make(chan struct{})
	go func() { defer close(gone); _, _ = io.Copy(io.Discard, conn) }() // until the client goes, which gone says
	defer func() { raw.Close(); <-gone }()
	h := rec.http
	switch {
	case h.status != "":
		_, _ = fmt.Fprintf(conn, "%s\r\n%s: %d\r\n\r\n%s", h.status, h.head, len(h.body), h.body)
		<-gone
	case h.closes > 0:
		select {
		case <-time.After(h.closes):
		case <-gone:
		}
	default:
		for _, b := range []byte("HTTP/1.1 200 X\r\n" + strings.Repeat("x", 1<<10)) {
			select {
			case <-time.After(50 * time.Millisecond):
			case <-gone:
				return
			}
			if _, err := conn.Write([]byte{b}); err != nil {
				return
			}
		}
	}
}

// discoveryRaised is the exception that an error of discovery stands for.
func discoveryRaised(err error) (trRaise, bool) {
	text := func(name string, bare error) (trRaise, bool) { return trRaise{name, bare.Error()}, true }
	var failure *discovery.DiscoveryFailure
	switch {
	case asDiscovery[*discovery.DiscoveryTimeoutError](err):
		return text("DiscoveryTimeoutException", &discovery.DiscoveryTimeoutError{})
	case asDiscovery[*discovery.DiscoveryInvalidRequestError](err):
		return text("DiscoveryInvalidRequestException", &discovery.DiscoveryInvalidRequestError{})
	case asDiscovery[*discovery.DiscoveryUnauthorizedError](err):
		return text("DiscoveryUnauthorizedException", &discovery.DiscoveryUnauthorizedError{})
	case asDiscovery[*discovery.DiscoveryDataNotFoundError](err):
		return text("DiscoveryDataNotFoundException", &discovery.DiscoveryDataNotFoundError{})
	case asDiscovery[*discovery.DiscoveryThrottlingError](err):
		return text("DiscoveryThrottlingException", &discovery.DiscoveryThrottlingError{})
	case errors.As(err, &failure):
		return trRaise{"DiscoveryFailure", failure.Message}, true
	case asDiscovery[*greengrass.Error](err) && errors.Is(err, io.ErrUnexpectedEOF):
		return trRaise{"EOFError", "the server closed the connection"}, true
	}
	return trRaise{}, false
}

func asDiscovery[T error](err error) bool {
	var e T
	return errors.As(err, &e)
}

// discoveryClosed is what v1 made of a server that closed the connection without an answer.
var discoveryClosed = regexp.MustCompile(`cannot be interpreted as an integer$`)

// ruleDiscoveryTimeout: the timeout of discover holds, and a connection that ends without an answer is an error that
// says so. v1 looked at the clock between received bytes only, waited for a silent server until that closed, and then
// raised a TypeError.
func ruleDiscoveryTimeout(tr *transcript, _ bool) bool {
	limit, fired := 120.0, false
	for _, c := range tr.Calls {
		if c.Object != discoveryObject {
			continue
		}
		if s, ok := c.Args0().(float64); ok && c.Method == "configureTimeout" {
			limit = s
		}
		if c.Method != "discover" || c.Raises == nil || c.Raises.Type != "TypeError" || !discoveryClosed.MatchString(c.Raises.Message) {
			continue
		}
		fired = true
		request := tr.packet(func(p *trPacket) bool { return p.Type == "HTTP_REQUEST" && c.within(p.Seq) })
		if request == nil || request.http.closes <= seconds(limit) {
			c.fails("EOFError", "the server closed the connection")
			continue
		}
		c.fails("DiscoveryTimeoutException", "Discovery request timed out")
		tr.shift(c.EndSeq-0.001, limit-c.Blocked)
	}
	return fired
}

// ruleDiscoveryHeader: header names have no case. v1 looked for content-length in lower case, and raised an
// AttributeError without it.
func ruleDiscoveryHeader(tr *transcript, _ bool) bool {
	fired := false
	for _, c := range tr.Calls {
		if c.Object == discoveryObject && c.Method == "discover" && c.Raises != nil && c.Raises.Type == "AttributeError" {
			c.becomes(`"<DiscoveryInfo>"`)
			fired = true
		}
	}
	return fired
}

// TestTranscriptSeesDiscovery changes one thing in the recording of discovery, and expects the difference, or none where
// a rule has to bend to it.
func TestTranscriptSeesDiscovery(t *testing.T) {
	certs := newTrCerts(t)
	files, err := loadTranscripts("testdata/transcripts")
	require.NoError(t, err)
	discover := func(tr *transcript, raises string) (*trCall, *trPacket) {
		for _, c := range tr.Calls {
			if c.Method == "discover" && (c.Raises == nil && raises == "" || c.Raises != nil && c.Raises.Type == raises) {
				return c, tr.packet(func(p *trPacket) bool { return p.Type == "HTTP_REQUEST" && c.within(p.Seq) })
			}
		}
		require.Fail(t, fmt.Sprintf("no discover that raises %q", raises))
		return nil, nil
	}
	for _, tt := range []struct {
		name   string
		change func(*transcript)
		want   string // in the differences; "": equal all the same
	}{
		{"unchanged", func(*transcript) {}, ""},
		{"request", func(tr *transcript) {
			_, p := discover(tr, "")
			p.Raw = strings.Replace(p.Raw, "MyGGAD", "Other", 1)
		}, "packets of the client"},
		{"a header", func(tr *transcript) {
			_, p := discover(tr, "")
			p.Raw = strings.Replace(p.Raw, "\r\n\r\n", "\r\nAccept: */*\r\n\r\n", 1)
		}, "packets of the client"},
		{"status", func(tr *transcript) {
			_, p := discover(tr, "DiscoveryUnauthorizedException")
			p.http.status = "HTTP/1.1 404 X"
		}, "got raises DiscoveryDataNotFoundException"},
		{"message", func(tr *transcript) {
			_, p := discover(tr, "DiscoveryFailure")
			p.http.body = "other"
		}, "got raises DiscoveryFailure: other"},
		{"authorities", func(tr *transcript) {
			_, p := discover(tr, "")
			p.http.body = strings.Replace(p.http.body, "CA-PEM-2", "CA-PEM-9", 1)
		}, "CA-PEM-9"},
		{"duration", func(tr *transcript) {
			c, _ := discover(tr, "DiscoveryTimeoutException")
			c.Blocked = 3
		}, "blocked 1.00 s, want 3.00 s"},
		{"no timeout", func(tr *transcript) { // the server closes in time: not a timeout, but an error that says so
			_, p := discover(tr, "TypeError")
			p.http.closes = 500 * time.Millisecond
			c, _ := discover(tr, "TypeError")
			tr.shift(c.EndSeq-0.001, 0.5-c.Blocked)
		}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rec, err := parseTranscript(files["greengrass_discovery"])
			require.NoError(t, err)
			tt.change(rec)
			applyRules(rec, false)
			diffs, _ := replay(t, rec, trQuirks{}, certs)
			all := strings.Join(diffs, "\n")
			assert.False(t, tt.want == "" && len(diffs) > 0, "differences, want")
			assert.Contains(t, all, tt.want, "differences, want")
		})
	}
}
