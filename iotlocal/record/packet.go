// Package record keeps what went over the wire: one Packet per MQTT packet in
// either direction and per transport event, normalised so that two runs of one
// program, or two programs that should say the same, can be compared.
//
// Normalised means: packet identifiers become references (c1, c2, ... for ids the
// client chose, s1, s2, ... for ids of the server, numbered per client id in
// order of first appearance, an acknowledgement bearing the reference of what it
// acknowledges), and the "?SDK=..." suffix that AWS SDKs put into the user name is
// cut off. The form follows the transcripts of the v1 SDK.
package record

import (
	"bytes"
	"cmp"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/portage-iot/awsiot/iotlocal/wire"
)

// Payload is message content. In JSON it is a string when it is printable
// UTF-8 and an object {"hex": "..."} otherwise.
type Payload []byte

// MarshalJSON writes text or {"hex": ...}.
func (p Payload) MarshalJSON() ([]byte, error) {
	if printable(p) {
		// Not json.Marshal: it would escape <, > and & for good.
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		err := enc.Encode(string(p))
		return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
	}
	return json.Marshal(map[string]string{"hex": hex.EncodeToString(p)})
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (p *Payload) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err == nil {
		*p = Payload(s)
		return nil
	}
	var h struct{ Hex string }
	if err := json.Unmarshal(b, &h); err != nil {
		return fmt.Errorf("iotlocal: payload is neither a string nor {hex}: %w", err)
	}
	d, err := hex.DecodeString(h.Hex)
	*p = d
	return err
}

func printable(p []byte) bool {
	if !utf8.Valid(p) {
		return false
	}
	for _, r := range string(p) {
		if r != '\n' && r != '\t' && r != '\r' && !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}

// Filter is one entry of a SUBSCRIBE or UNSUBSCRIBE. An UNSUBSCRIBE uses the
// Filter field only.
type Filter struct {
	Filter            string `json:"filter"`
	QoS               byte   `json:"qos"`
	NoLocal           bool   `json:"no_local,omitempty"`
	RetainAsPublished bool   `json:"retain_as_published,omitempty"`
	RetainHandling    byte   `json:"retain_handling,omitempty"`
}

// UserProperty is one name and value pair of MQTT 5.
type UserProperty struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Properties are the MQTT 5 properties of a message. Nil pointers and empty
// strings mean absent.
type Properties struct {
	PayloadFormat   *byte          `json:"payload_format,omitempty"`
	MessageExpiry   *uint32        `json:"message_expiry,omitempty"` // seconds
	ContentType     string         `json:"content_type,omitempty"`
	ResponseTopic   string         `json:"response_topic,omitempty"`
	CorrelationData Payload        `json:"correlation_data,omitempty"`
	TopicAlias      *uint16        `json:"topic_alias,omitempty"`
	UserProperties  []UserProperty `json:"user_properties,omitempty"`
}

// Will is the last will of a CONNECT.
type Will struct {
	Topic      string      `json:"topic"`
	Payload    Payload     `json:"payload"`
	QoS        byte        `json:"qos"`
	Retain     bool        `json:"retain"`
	Delay      uint32      `json:"delay,omitempty"` // seconds
	Properties *Properties `json:"properties,omitempty"`
}

// Connect holds the fields of a CONNECT packet.
type Connect struct {
	Protocol          string  `json:"protocol"` // MQTT or MQIsdp
	Level             byte    `json:"protocol_level"`
	CleanStart        bool    `json:"clean_start"` // clean session in 3.1.1
	KeepAlive         uint16  `json:"keepalive"`   // seconds
	Username          string  `json:"username,omitempty"`
	HasPassword       bool    `json:"has_password,omitempty"`
	SessionExpiry     *uint32 `json:"session_expiry,omitempty"` // seconds; nil when not sent
	ReceiveMaximum    *uint16 `json:"receive_maximum,omitempty"`
	MaximumPacketSize *uint32 `json:"maximum_packet_size,omitempty"`
	TopicAliasMaximum *uint16 `json:"topic_alias_maximum,omitempty"`
	Will              *Will   `json:"will,omitempty"`
}

// Connack holds the fields of a CONNACK packet; all but SessionPresent are
// MQTT 5.
type Connack struct {
	SessionPresent    bool    `json:"session_present"`
	AssignedClientID  string  `json:"assigned_client_id,omitempty"`
	ServerKeepAlive   *uint16 `json:"server_keep_alive,omitempty"`
	SessionExpiry     *uint32 `json:"session_expiry,omitempty"`
	ReceiveMaximum    *uint16 `json:"receive_maximum,omitempty"`
	MaximumPacketSize *uint32 `json:"maximum_packet_size,omitempty"`
	TopicAliasMaximum *uint16 `json:"topic_alias_maximum,omitempty"`
}

// Transport describes the connection of a TRANSPORT_OPEN event.
type Transport struct {
	RemoteAddr string `json:"remote_addr,omitempty"`
	TLS        bool   `json:"tls"`
	TLSVersion string `json:"tls_version,omitempty"` // as "TLS 1.3"
	Cipher     string `json:"cipher,omitempty"`      // as "TLS_AES_128_GCM_SHA256"
	SNI        string `json:"sni,omitempty"`
	ALPN       string `json:"alpn,omitempty"`
	ClientCert string `json:"client_cert,omitempty"` // common name of the certificate's subject
	// CertificateID is how AWS names the client certificate: SHA-256 in hex. Thing is
	// the thing that it is attached to, if any.
	CertificateID string `json:"certificate_id,omitempty"`
	Thing         string `json:"thing,omitempty"`
	Websocket     bool   `json:"websocket,omitempty"`
}

// Decision is what the policies say to a request, in a PolicyDecided event.
type Decision struct {
	Action    string `json:"action"`    // as iot:Publish
	Resource  string `json:"resource"`  // as topic/a/b
	Principal string `json:"principal"` // id of the certificate or of the access key, or anonymous
	Allowed   bool   `json:"allowed"`
	// Policy, Statement (its index) and Sid are what decided; Policy is "" when no
	// statement applies, which denies.
	Policy    string `json:"policy,omitempty"`
	Statement int    `json:"statement"`
	Sid       string `json:"sid,omitempty"`
}

// FromTLS notes what a handshake has agreed on.
func (t *Transport) FromTLS(st *tls.ConnectionState) {
	t.TLS, t.TLSVersion, t.Cipher = true, tls.VersionName(st.Version), tls.CipherSuiteName(st.CipherSuite)
	t.SNI, t.ALPN = st.ServerName, st.NegotiatedProtocol
	if len(st.PeerCertificates) > 0 {
		t.ClientCert = st.PeerCertificates[0].Subject.CommonName
	}
}

// How a request came that is no MQTT: of the data plane, over TLS, or on the port of AWS's APIs. Such packets are recorded only while
// somebody follows the record.
const (
	ViaHTTPS = "https"
	ViaAPI   = "api"
)

// Packet is one packet or transport event. Fields that the type does not have
// are zero. A Packet is read-only: its slices are shared with the server.
type Packet struct {
	Seq      int             `json:"seq"`
	Time     time.Time       `json:"time"`
	Conn     int             `json:"conn"` // number of the transport connection, from 1
	ClientID string          `json:"client_id,omitempty"`
	Via      string          `json:"via,omitempty"` // of a request that is no MQTT, with Conn 0: ViaHTTPS or ViaAPI
	Dir      wire.Direction  `json:"dir"`
	Type     wire.PacketType `json:"type"`

	Topic      string      `json:"topic,omitempty"`
	QoS        byte        `json:"qos,omitempty"`
	Retain     bool        `json:"retain,omitempty"`
	Dup        bool        `json:"dup,omitempty"`
	Payload    Payload     `json:"payload,omitempty"`
	Properties *Properties `json:"properties,omitempty"`

	PacketID uint16      `json:"packet_id,omitempty"` // raw, for reading; compare Ref
	Ref      string      `json:"mid_ref,omitempty"`
	Filters  []Filter    `json:"filters,omitempty"`
	Granted  []wire.Code `json:"granted,omitempty"` // SUBACK, UNSUBACK
	Code     wire.Code   `json:"code,omitempty"`    // CONNACK, PUBACK, DISCONNECT
	Reason   string      `json:"reason,omitempty"`  // reason string, or why an event happened

	// Refusal is why the server refuses, where the packet does not say it: 3.1.1
	// has no place for reasons, and a client may ask for none. String leaves it
	// out: it shows what was said.
	Refusal string `json:"refusal,omitempty"`

	// SessionExpiry is that of a DISCONNECT, in seconds; nil when it has none.
	SessionExpiry *uint32 `json:"session_expiry,omitempty"`

	Connect   *Connect   `json:"connect,omitempty"`
	Connack   *Connack   `json:"connack,omitempty"`
	Transport *Transport `json:"transport,omitempty"`
	Decision  *Decision  `json:"decision,omitempty"`

	// Fault names what a fault rule did to the packet: dropped, held,
	// released, delayed, duplicated, replaced, cut. Empty: nothing.
	Fault string `json:"fault,omitempty"`
}

// size is what the contents of the packet took on the wire, a little more for
// entries of lists, since they take more in memory.
func (p *Packet) size() int {
	const entry = 16
	n := len(p.Topic) + len(p.Payload) + len(p.Reason) + len(p.Refusal) + p.Properties.size() + len(p.Granted)
	for _, f := range p.Filters {
		n += entry + len(f.Filter)
	}
	if d := p.Decision; d != nil {
		n += len(d.Action) + len(d.Resource) + len(d.Principal) + len(d.Policy) + len(d.Sid)
	}
	if c := p.Connect; c != nil {
		n += len(p.ClientID) + len(c.Username)
		if w := c.Will; w != nil {
			n += len(w.Topic) + len(w.Payload) + w.Properties.size()
		}
	}
	return n
}

func (p *Properties) size() int {
	if p == nil {
		return 0
	}
	const entry = 32 // the heads of two strings
	n := len(p.ContentType) + len(p.ResponseTopic) + len(p.CorrelationData)
	for _, u := range p.UserProperties {
		n += entry + len(u.Name) + len(u.Value)
	}
	return n
}

// maxShown bounds the payload that String shows, in bytes.
const maxShown = 120

// String returns the packet as one line for people, whatever is in it:
//
//	→ PUBLISH c1 "a/b" QoS 1 5 bytes "hello"
func (p Packet) String() string {
	var b strings.Builder
	p.describe(&b)
	return oneLine(b.String())
}

// oneLine escapes what would break a line or hide a part of it: texts of the
// peer stand in it.
func oneLine(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if unicode.IsPrint(r) {
			b.WriteRune(r)
		} else {
			b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		}
	}
	return b.String()
}

func (p Packet) describe(b *strings.Builder) {
	switch p.Dir {
	case wire.ClientToServer:
		b.WriteString("→ ")
	case wire.ServerToClient:
		b.WriteString("← ")
	default:
		b.WriteString("· ")
	}
	b.WriteString(p.Type.String())
	if p.Ref != "" {
		b.WriteString(" " + p.Ref)
	}
	switch {
	case p.Connect != nil:
		p.Connect.describe(b, p.ClientID)
	case p.Type == wire.PUBLISH:
		fmt.Fprintf(b, " %q QoS %d", p.Topic, p.QoS)
		flag(b, p.Retain, " retain")
		flag(b, p.Dup, " dup")
		fmt.Fprintf(b, " %d bytes", len(p.Payload))
		if len(p.Payload) > 0 {
			b.WriteString(" " + p.Payload.shown())
		}
	case p.Type == wire.SUBSCRIBE:
		for i, f := range p.Filters {
			flag(b, i > 0, ",")
			fmt.Fprintf(b, " %q QoS %d", f.Filter, f.QoS)
		}
	case p.Type == wire.UNSUBSCRIBE:
		for i, f := range p.Filters {
			flag(b, i > 0, ",")
			fmt.Fprintf(b, " %q", f.Filter)
		}
	case p.Granted != nil:
		for i, c := range p.Granted {
			flag(b, i > 0, ",")
			b.WriteString(" " + granted(p.Type, c))
		}
	case p.Connack != nil:
		if p.Code != 0 {
			fmt.Fprintf(b, " refused: %s", p.refusal())
		} else {
			fmt.Fprintf(b, " accepted, session present %v", p.Connack.SessionPresent)
		}
	case p.Type == wire.DISCONNECT, p.Type == wire.PUBACK && p.Code != 0:
		fmt.Fprintf(b, " %v", p.Code)
	case p.Transport != nil:
		p.Transport.describe(b)
	case p.Decision != nil:
		p.Decision.describe(b)
	}
	if p.Reason != "" {
		fmt.Fprintf(b, " (%s)", p.Reason)
	}
	if p.Fault != "" {
		fmt.Fprintf(b, " [%s]", p.Fault)
	}
}

// refusal names the code of a CONNACK; those below 0x80 are return codes of
// 3.1.1 [MQTT-3.2.2.3].
func (p Packet) refusal() string {
	names := [...]string{1: "unacceptable protocol version", 2: "identifier rejected", 3: "server unavailable",
		4: "bad user name or password", 5: "not authorized"}
	if int(p.Code) < len(names) {
		return fmt.Sprintf("%s (%d)", names[p.Code], byte(p.Code))
	}
	if !p.Code.IsError() {
		return fmt.Sprintf("return code %d", byte(p.Code))
	}
	return p.Code.String()
}

func (c *Connect) describe(b *strings.Builder, id string) {
	fmt.Fprintf(b, " %v client %q clean start %v keep alive %d s", wire.Version(c.Level), id, c.CleanStart, c.KeepAlive)
	if c.SessionExpiry != nil {
		fmt.Fprintf(b, " session expiry %d s", *c.SessionExpiry)
	}
	if c.Username != "" {
		fmt.Fprintf(b, " user %q", c.Username)
	}
	if c.Will != nil {
		fmt.Fprintf(b, " will %q QoS %d", c.Will.Topic, c.Will.QoS)
	}
}

func (t *Transport) describe(b *strings.Builder) {
	if !t.TLS {
		b.WriteString(" TCP")
	} else {
		b.WriteString(" " + cmp.Or(t.TLSVersion, "TLS"))
		flag(b, t.Cipher != "", " "+t.Cipher)
		flag(b, t.SNI != "", " SNI "+t.SNI)
		flag(b, t.ALPN != "", " ALPN "+t.ALPN)
		flag(b, t.ClientCert != "", " certificate "+t.ClientCert)
		flag(b, t.CertificateID != "", " ("+short(t.CertificateID)+")")
		flag(b, t.Thing != "", " thing "+t.Thing)
	}
	flag(b, t.Websocket, " websocket")
	flag(b, t.RemoteAddr != "", " from "+t.RemoteAddr)
}

func (d *Decision) describe(b *strings.Builder) {
	verdict := "denied"
	if d.Allowed {
		verdict = "allowed"
	}
	fmt.Fprintf(b, " %s on %s %s", d.Action, d.Resource, verdict)
	if d.Policy == "" {
		b.WriteString(": no statement allows it")
	} else {
		fmt.Fprintf(b, " by policy %s, statement %d", d.Policy, d.Statement)
		flag(b, d.Sid != "", " ("+d.Sid+")")
	}
	fmt.Fprintf(b, ", for %s", short(d.Principal))
}

// short cuts the id of a certificate to what people compare.
func short(id string) string {
	if len(id) == 64 {
		return id[:8] + "..."
	}
	return id
}

func (p Payload) shown() string {
	if !printable(p) {
		return "0x" + hex.EncodeToString(p[:min(len(p), maxShown/2)]) + ellipsis(len(p) > maxShown/2)
	}
	cut := min(len(p), maxShown)
	for cut > 0 && cut < len(p) && !utf8.RuneStart(p[cut]) {
		cut-- // do not split a character
	}
	return fmt.Sprintf("%q", string(p[:cut])) + ellipsis(cut < len(p))
}

func ellipsis(on bool) string {
	if on {
		return "..."
	}
	return ""
}

func flag(b *strings.Builder, on bool, text string) {
	if on {
		b.WriteString(text)
	}
}

func granted(t wire.PacketType, c wire.Code) string {
	if t == wire.SUBACK && c <= 2 {
		return fmt.Sprintf("granted QoS %d", byte(c))
	}
	return c.String()
}

// NormalUsername cuts the metrics suffix of AWS SDKs off a user name: what
// follows a "?" (or an "&" after one) from "SDK=" on. The rest, such as custom
// authorizer parameters, stays.
func NormalUsername(u string) string {
	q := strings.IndexByte(u, '?')
	if q < 0 {
		return u
	}
	name, query := u[:q], u[q+1:]
	var kept []string
	for part := range strings.SplitSeq(query, "&") {
		k, _, _ := strings.Cut(part, "=")
		switch k {
		case "SDK", "Version", "Platform", "Metadata":
		default:
			kept = append(kept, part)
		}
	}
	if len(kept) == 0 {
		return name
	}
	return name + "?" + strings.Join(kept, "&")
}
