package awsiot_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/eclipse/paho.golang/packets"
	"github.com/portage-iot/awsiot/internal/memnet"
	"github.com/portage-iot/awsiot/iotlocal/record"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// FuzzUsername: whatever the parts of the user name are, Validate refuses it or the CONNECT can be
// encoded and read by another codec; the name that the program gave is a prefix, a question mark
// is put in only where there is none, the metrics fill in what the query has not, and AWS's own parser gets the
// parts back.
func FuzzUsername(f *testing.F) {
	f.Add("", "", "", "", "", "", true)
	f.Add("bob", "", "", "", "", "", false)
	f.Add("bob?a=b", "carol?x=y", "Auth", "aa+b/=", "token", "123", true)
	f.Add("bob", "", "x-amz-customauthorizer-name=Auth", "aa%2Bb", "k", "k=v", true)
	f.Add("?", "??", "a&b", "=", "?", "&", true)
	f.Add("bob?SDK=Python&Version=1.5", "", "", "", "", "", true)
	f.Add("ключ", "\u0001", "\xff", "", "", "", true)
	f.Fuzz(func(t *testing.T, name, authName, authorizer, signature, key, value string, metrics bool) {
		o := awsiot.ClientOptions{Endpoint: "e", ClientID: "c", Username: name, DisableMetrics: !metrics,
			Auth: awsiot.CustomAuthorizer{Username: authName, Name: authorizer, Signature: signature, TokenKeyName: key, TokenValue: value}}
		base := name
		if authName != "" {
			base = authName
		}
		b, err := awsiot.ConnectOf(o)
		if invalid := o.Validate(); invalid != nil || err != nil {
			if invalid == nil {
				t.Fatalf("Validate takes what cannot be sent: %v", err)
			}
			return
		}
		cp, err := packets.ReadPacket(bytes.NewReader(b))
		if err != nil {
			t.Fatalf("% x: %v", b, err)
		}
		got := cp.Content.(*packets.Connect).Username
		o.DisableMetrics = true
		bare := userOf(t, o)
		rest, ok := strings.CutPrefix(bare, base)
		if !ok || (rest == "") != (authorizer == "" && signature == "" && value == "") {
			t.Fatalf("%q in %q", base, bare)
		}
		for from, to := range map[string]string{base: bare, bare: got} {
			want := "&"
			if !strings.Contains(from, "?") {
				want = "?"
			} else if strings.HasSuffix(from, "?") || strings.HasSuffix(from, "&") {
				want = ""
			}
			doubled := want == "" && strings.HasPrefix(to, from+"&") && !strings.HasPrefix(authorizer, "&") && !strings.HasPrefix(signature, "&")
			if from != to && !strings.HasPrefix(to, from+want) || doubled {
				t.Errorf("%q follows %q, want %q", to[len(from):], from, want)
			}
		}
		suffix, ok := strings.CutPrefix(got, bare)
		if !ok || !metrics && suffix != "" {
			t.Fatalf("%q does not begin with %q", got, bare)
		}
		query := ""
		if i := strings.LastIndex(bare, "?"); i >= 0 {
			query = "&" + bare[i+1:] + "&"
		}
		for i, key := range []string{"SDK", "Version", "Platform"} { // each is there once, and stays what it was
			given := strings.Contains(query, "&"+key+"=") || strings.Contains(query, "&"+key+"&")
			added := strings.Contains("&"+strings.TrimLeft(suffix, "?&"), "&"+key+"="+[]string{"PortageGo", "", runtime.GOOS}[i])
			if metrics && given == added {
				t.Errorf("%q: %s was there %v, is added %v", got, key, given, added)
			}
		}
		if n := record.NormalUsername(got); metrics && authorizer+signature+value == "" && !strings.ContainsAny(base, "?&") && n != base {
			t.Errorf("%q: what AWS leaves of it is %q", got, n)
		}
		plain := func(s string) bool { return s != "" && !strings.ContainsAny(s, "?&=%+;") }
		if signature != "" && !strings.Contains(signature, "%") && plain(key) && plain(value) && (authorizer == "" || plain(authorizer)) && !strings.ContainsAny(signature, " ") && !strings.HasPrefix(signature, "x-amz-customauthorizer-signature=") {
			q, err := url.ParseQuery(strings.Trim(rest, "?&"))
			if err != nil || q.Get("x-amz-customauthorizer-signature") != signature || q.Get("x-amz-customauthorizer-name") != authorizer || key != "x-amz-customauthorizer-name" && key != "x-amz-customauthorizer-signature" && q.Get(key) != value {
				t.Errorf("%q: %v, %v", got, q, err)
			}
		}
	})
}

// userOf returns the user name of the CONNECT of a client.
func userOf(t *testing.T, o awsiot.ClientOptions) string {
	t.Helper()
	b, err := awsiot.ConnectOf(o)
	if err != nil {
		t.Fatal(err)
	}
	cp, err := packets.ReadPacket(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return cp.Content.(*packets.Connect).Username
}

// A user name that is too long only with what is added to it is refused by Validate, not by every attempt to connect.
func TestUsernameTooLong(t *testing.T) {
	for _, tt := range []struct {
		length    int
		noMetrics bool
		ok        bool
	}{{65535, true, true}, {65536, true, false}, {65535, false, false}, {65400, false, true}} {
		o := awsiot.ClientOptions{Endpoint: "e", Auth: awsiot.TLS(), Username: strings.Repeat("x", tt.length), DisableMetrics: tt.noMetrics}
		err := o.Validate()
		var ve *awsiot.ValidationError
		if (err == nil) != tt.ok || err != nil && (!errors.As(err, &ve) || ve.Field != "Username") {
			t.Errorf("%d bytes, metrics %v: %v", tt.length, !tt.noMetrics, err)
		}
	}
}

// FuzzErrorText: an error with anything in it that a broker can send has a text that says which
// operation, on what, and the code in hex; it can be found again behind every wrapping.
func FuzzErrorText(f *testing.F) {
	f.Add("publish", "a/b", "policy", byte(0x87))
	f.Add("connect", "", "", byte(0))
	f.Add("connection", "", "line\nbreak", byte(0xEE))
	f.Fuzz(func(t *testing.T, op, topic, reason string, code byte) {
		re := &awsiot.ReasonError{Op: op, Topic: topic, Code: awsiot.ReasonCode(code), Reason: reason}
		err := error(&awsiot.ConnectError{Connack: &awsiot.ConnackPacket{Code: re.Code}, Err: fmt.Errorf("wrapped: %w", re)})
		text := re.Error()
		if !strings.HasPrefix(text, "awsiot: "+op) || !strings.Contains(text, fmt.Sprintf(": %s (0x%02X)", re.Code, code)) || !strings.HasSuffix(text, reason) {
			t.Errorf("%q", text)
		}
		if topic != "" && !strings.Contains(text, fmt.Sprintf("%q", topic)) {
			t.Errorf("%q does not name %q", text, topic)
		}
		var found *awsiot.ReasonError
		got, ok := awsiot.ReasonOf(err)
		if !ok || byte(got) != code || !errors.As(err, &found) || found != re || !strings.Contains(err.Error(), text) {
			t.Errorf("%v", err)
		}
		if re.Code.String() == "" || utf8.ValidString(op) && utf8.ValidString(reason) && !utf8.ValidString(text) {
			t.Errorf("%q", text)
		}
	})
}

// maxAnnounced is the maximum packet size that the client of FuzzBroker announces.
const maxAnnounced = 4 << 10

// FuzzBroker: arbitrary bytes from the broker, behind the CONNACK or in its place, in pieces of any
// size. The client does not panic, does not hang (the bubble would not end, or the clock run on),
// completes every operation once, and allocates in proportion to what was sent and the
// maximum it announced, whatever the length fields say.
func FuzzBroker(f *testing.F) {
	for _, b := range everyPacket(f) {
		f.Add(b, byte(0), false)
		f.Add(b, byte(1), true)
	}
	for _, b := range [][]byte{
		{0x30, 0xFF, 0xFF, 0xFF, 0x7F}, {0x32, 0xFF, 0xFF, 0xFF, 0xFF, 0x01}, {0x40, 2, 0, 1, 0x40, 2, 0, 2, 0x40, 2, 0, 2},
		{0x90, 5, 0, 1, 0, 0, 0}, {0x90, 4, 0, 3, 0, 0x87}, {0xB0, 4, 0, 4, 0, 0x11}, {0xE0, 0}, {0xD0, 0, 0xD0, 0},
		{0x20, 0xFF, 0xFF, 0x7F}, {0x30, 10, 0, 1, 't', 6, 0x26, 0xFF, 0xFF, 0xFF, 0xFF, 0}, {0x30, 7, 0, 1, 't', 0xFF, 0xFF, 0x7F, 0},
	} {
		f.Add(b, byte(3), false)
		f.Add(b, byte(0), true)
	}
	f.Add(bytes.Repeat([]byte{0x30, 4, 0, 1, 't', 0}, 1000), byte(200), false)
	for _, total := range []int{maxAnnounced, maxAnnounced + 1, maxAnnounced + 50_000, maxAnnounced + 90_000, 2 << 20} {
		b := binary.AppendUvarint([]byte{0x30}, uint64(total-len(binary.AppendUvarint([]byte{0x30}, uint64(total)))))
		f.Add(b, byte(0), false)
		f.Add(append([]byte{0xD0, 0}, b...), byte(1), false)
		f.Add(b, byte(0), true)
	}
	f.Fuzz(func(t *testing.T, data []byte, piece byte, instead bool) {
		if len(data) > 64<<10 {
			return
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		synctest.Test(t, func(t *testing.T) { hostile(t, data, int(piece), instead) })
		runtime.ReadMemStats(&after)
		// A client and its world cost 30 to 80 KiB, a message of five bytes a few hundred; beyond that nothing but the
		// announced maximum may cost.
		if limit := uint64(96<<10 + 4*maxAnnounced + 800*len(data)); after.TotalAlloc-before.TotalAlloc > limit {
			t.Errorf("%d bytes cost %d", len(data), after.TotalAlloc-before.TotalAlloc)
		}
	})
}

// hopeless reports whether data has a frame that is larger than the announced maximum, or has no length at all: whatever
// came before it, the connection cannot outlive that.
func hopeless(data []byte) bool {
	for len(data) > 1 {
		length, n := binary.Uvarint(data[1:min(len(data), 5)])
		if n <= 0 {
			return len(data) >= 5
		}
		total := 1 + n + int(length)
		if total > maxAnnounced || total > len(data) {
			return total > maxAnnounced
		}
		data = data[total:]
	}
	return false
}

// hostile plays one broker that sends data.
func hostile(t *testing.T, data []byte, piece int, instead bool) {
	nw := &memnet.Network{}
	ln, err := nw.Listen("broker:1883")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	c := awsiot.NewClient(awsiot.ClientOptions{Endpoint: "broker", ClientID: "c", Auth: awsiot.PlainTCP(), Dialer: nw.Dial,
		MaximumPacketSize: maxAnnounced, ReceiveMaximum: 20, KeepAlive: 30 * time.Second, AckTimeout: 20 * time.Second,
		TopicAliasing: awsiot.TopicAliasing{Inbound: awsiot.AliasEnabled}, OnPublishReceived: func(m *awsiot.Message) { m.HoldAck() }})
	began, ends := time.Now(), 0
	done := func(awsiot.PublishResult, error) { ends++ }
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	conn, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{t: t, conn: conn}
	expect[*packets.Connect](p)
	for range 2 {
		c.PublishFunc(packet("t", "x", 1), done)
	}
	sub, unsub := c.SubscribeAsync(filters(nil, "a", "b")), c.UnsubscribeAsync(&awsiot.UnsubscribePacket{TopicFilters: []string{"a"}})
	if !instead {
		p.send(&packets.Connack{Properties: &packets.Properties{}})
		synctest.Wait()
	}
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		buf := make([]byte, 4096)
		for {
			if _, err := conn.Read(buf); err != nil {
				return
			}
		}
	}()
	if piece == 0 {
		piece = len(data)
	}
	mustEnd := hopeless(data)
	for len(data) > 0 {
		n := min(piece, len(data))
		if _, err := conn.Write(data[:n]); err != nil {
			break // the client has had enough
		}
		data = data[n:]
	}
	synctest.Wait()
	select {
	case <-gone:
	default:
		if mustEnd {
			t.Error("the connection goes on with a packet that is too large")
		}
	}
	pass(time.Minute) // for the timers: acknowledgements, CONNACK, ping
	_ = conn.Close()
	_ = c.Close()
	<-c.Done()
	if s := c.Stats(); ends != 2 || s.IncompleteOperationCount != 0 || s.UnackedOperationCount != 0 {
		t.Errorf("%d of 2 publishes ended, %+v", ends, s)
	}
	for name, ended := range map[string]<-chan struct{}{"subscribe": sub.Done(), "unsubscribe": unsub.Done()} {
		select {
		case <-ended:
		default:
			t.Errorf("%s has not ended", name)
		}
	}
	if d := time.Since(began); d > 5*time.Minute {
		t.Errorf("closing took until %v", d)
	}
}
