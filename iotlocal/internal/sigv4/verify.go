// Package sigv4 verifies the Signature Version 4 in the query of a websocket upgrade, and in the headers of a request, as AWS
// IoT Core does (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html).
// It is written from that page, not from the SDK that clients sign with.
package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Skew is how far the time of a signature may be from the server's. It is also how long a signature
// holds that says no X-Amz-Expires.
const Skew = 5 * time.Minute

// maxExpires is the longest time a signature may hold: a week, in seconds.
const maxExpires = 7 * 24 * 60 * 60

const (
	algorithm  = "AWS4-HMAC-SHA256"
	timeForm   = "20060102T150405Z"
	terminator = "aws4_request"

	keyAlgorithm  = "X-Amz-Algorithm"
	keyCredential = "X-Amz-Credential"
	keyDate       = "X-Amz-Date"
	keyExpires    = "X-Amz-Expires"
	keySigned     = "X-Amz-SignedHeaders"
	keySignature  = "X-Amz-Signature"
	keyToken      = "X-Amz-Security-Token"
)

// Secret is what belongs to an access key id.
type Secret struct {
	Key   string // the secret access key
	Token string // the session token of temporary credentials, or ""
}

// Refusal is why a request is not let in, in the words of AWS where they are known.
type Refusal struct{ Message string }

// Error returns the message.
func (r *Refusal) Error() string { return r.Message }

func refuse(format string, args ...any) error { return &Refusal{fmt.Sprintf(format, args...)} }

// Signed reports whether the query carries any part of a signature.
func Signed(r *http.Request) bool {
	q := r.URL.Query()
	return slices.ContainsFunc([]string{keyAlgorithm, keyCredential, keyDate, keySigned, keySignature}, q.Has)
}

// KeyID returns the access key id that the request names as the signer; "" for none. Verify says whether
// it is true.
func KeyID(r *http.Request) string {
	id, _, _ := strings.Cut(r.URL.Query().Get(keyCredential), "/")
	return id
}

// signature is a query taken apart.
type signature struct {
	keyID, date, region, service string
	at                           time.Time
	time                         string // at, as the client wrote it
	headers                      []string
	value, token                 string
}

// Policy is what a signature has to satisfy.
type Policy struct {
	// Secrets by access key id; nil: whose signature it is does not matter.
	Secrets map[string]Secret
	// Region of the credential scope; "": any.
	Region string
}

// Verify checks the form and the time of r's signature and that it satisfies p. The error is a *Refusal.
func Verify(r *http.Request, p Policy, now time.Time) error {
	s, err := parse(r, now)
	if err != nil {
		return err
	}
	if p.Region != "" && s.region != p.Region {
		return refuse("Credential should be scoped to a valid region, not '%s'. (this endpoint stands for '%s')", s.region, p.Region)
	}
	secrets := p.Secrets
	if secrets == nil {
		return nil
	}
	secret, known := secrets[s.keyID]
	switch {
	case !known:
		return refuse("The security token included in the request is invalid. (access key id %q is not known)", s.keyID)
	case secret.Token != "" && s.token == "":
		return refuse("The security token included in the request is invalid. (access key id %q needs %s)", s.keyID, keyToken)
	case !hmac.Equal([]byte(secret.Token), []byte(s.token)):
		return refuse("The security token included in the request is invalid. (not the session token of access key id %q)", s.keyID)
	}
	// AWS IoT Core takes the token outside the signed request; clients of other services sign it.
	if s.made(r, secret.Key, false) || s.token != "" && s.made(r, secret.Key, true) {
		return nil
	}
	return refuse("The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method.")
}

func parse(r *http.Request, now time.Time) (*signature, error) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, refuse("The query string is malformed: %v", err)
	}
	for _, k := range []string{keyAlgorithm, keyCredential, keyDate, keySigned, keySignature} {
		if q.Get(k) == "" {
			return nil, refuse("AWS query-string parameters must include %s.", k)
		}
	}
	for k, values := range q {
		if strings.HasPrefix(k, "X-Amz-") && len(values) > 1 { // which of them would count?
			return nil, refuse("%s appears more than once.", k)
		}
	}
	if q.Get(keyAlgorithm) != algorithm {
		return nil, refuse("Unsupported AWS 'algorithm': %q, want %s.", q.Get(keyAlgorithm), algorithm)
	}
	s := &signature{time: q.Get(keyDate), value: q.Get(keySignature), token: q.Get(keyToken),
		headers: strings.Split(q.Get(keySigned), ";")}
	if err := s.scope(q.Get(keyCredential)); err != nil {
		return nil, err
	}
	if s.service != "iotdevicegateway" && s.service != "iotdata" {
		return nil, refuse("Credential should be scoped to correct service: 'iotdevicegateway' (the SDK v1's 'iotdata' is taken too), not %q.", s.service)
	}
	if err := s.form(q.Get(keySigned)); err != nil {
		return nil, err
	}
	return s, s.inTime(q, now)
}

// scope reads a credential, KEYID/YYYYMMDD/REGION/SERVICE/aws4_request.
func (s *signature) scope(credential string) error {
	scope := strings.Split(credential, "/")
	if len(scope) != 5 || scope[0] == "" || scope[2] == "" || scope[4] != terminator {
		return refuse("Credential %q must be KEYID/YYYYMMDD/REGION/SERVICE/%s.", credential, terminator)
	}
	s.keyID, s.date, s.region, s.service = scope[0], scope[1], scope[2], scope[3]
	return nil
}

// form checks the form of the time, of the list of signed headers and of the value.
func (s *signature) form(signed string) (err error) {
	if s.at, err = time.Parse(timeForm, s.time); err != nil {
		return refuse("%s %q must be in the form YYYYMMDDTHHMMSSZ.", keyDate, s.time)
	}
	if !strings.HasPrefix(s.time, s.date) || len(s.date) != 8 {
		return refuse("Date in Credential scope %q does not match YYYYMMDD of %s %q.", s.date, keyDate, s.time)
	}
	if !slices.Contains(s.headers, "host") || !slices.IsSorted(s.headers) {
		return refuse("%s %q must hold 'host', in lower case and sorted.", keySigned, signed)
	}
	if len(s.value) != sha256.Size*2 || strings.Trim(s.value, "0123456789abcdef") != "" {
		return refuse("The request signature we calculated does not match the signature you provided. (%s must be %d hexadecimal digits in lower case)", keySignature, sha256.Size*2)
	}
	return nil
}

// inTime checks the clock of the client.
func (s *signature) inTime(q url.Values, now time.Time) error {
	const hint = " Check the clock of the device: the server has %s."
	holds, said := Skew, "5 min."
	if q.Has(keyExpires) {
		n, err := strconv.Atoi(q.Get(keyExpires))
		if err != nil || n < 1 || n > maxExpires {
			return refuse("%s %q must be 1 to %d seconds.", keyExpires, q.Get(keyExpires), maxExpires)
		}
		holds, said = time.Duration(n)*time.Second, fmt.Sprintf("%d s", n)
	}
	now = now.UTC()
	text := now.Format(timeForm)
	if now.Sub(s.at) > holds {
		return refuse("Signature expired: %s is now earlier than %s (%s - %s)"+hint, s.time, now.Add(-holds).Format(timeForm), text, said, text)
	}
	if s.at.Sub(now) > Skew {
		return refuse("Signature not yet current: %s is still later than %s (%s + 5 min.)"+hint, s.time, now.Add(Skew).Format(timeForm), text, text)
	}
	return nil
}

// made reports whether the signature is that of secret over r, with the token as a part of it or not.
func (s *signature) made(r *http.Request, secret string, withToken bool) bool {
	request := strings.Join([]string{r.Method, encode(r.URL.Path, true), canonicalQuery(r.URL.Query(), withToken),
		s.canonicalHeaders(r), strings.Join(s.headers, ";"), hexHash("")}, "\n")
	return s.signs(request, secret)
}

// signs reports whether the signature is that of secret over a canonical request.
func (s *signature) signs(request, secret string) bool {
	scope := strings.Join([]string{s.date, s.region, s.service, terminator}, "/")
	toSign := strings.Join([]string{algorithm, s.time, scope, hexHash(request)}, "\n")
	key := []byte("AWS4" + secret)
	for _, part := range []string{s.date, s.region, s.service, terminator} {
		key = mac(key, part)
	}
	given, err := hex.DecodeString(s.value)
	return err == nil && hmac.Equal(given, mac(key, toSign))
}

// canonicalQuery is every parameter but the signature, encoded and in order.
func canonicalQuery(q url.Values, withToken bool) string {
	var pairs []string
	for k, values := range q {
		if k == keySignature || k == keyToken && !withToken {
			continue
		}
		for _, v := range values {
			pairs = append(pairs, encode(k, false)+"="+encode(v, false))
		}
	}
	slices.Sort(pairs)
	return strings.Join(pairs, "&")
}

// canonicalHeaders is a line for every signed header, with the line break after the last.
func (s *signature) canonicalHeaders(r *http.Request) string {
	var b strings.Builder
	for _, h := range s.headers {
		values := r.Header.Values(h)
		if h == "host" {
			values = []string{r.Host}
		}
		list := make([]string, len(values))
		for i, v := range values {
			list[i] = strings.Join(strings.Fields(v), " ")
		}
		b.WriteString(h + ":" + strings.Join(list, ",") + "\n")
	}
	return b.String()
}

// encode is AWS's percent encoding: everything but letters, digits and "-._~", and in a path "/".
func encode(s string, path bool) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-._~", c) >= 0, path && c == '/':
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

func hexHash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
