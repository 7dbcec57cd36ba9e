package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
	"time"
)

// The parts of a signature in the headers of a request
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-authentication-methods.html).
const (
	headerAuthorization = "Authorization"
	headerHash          = "X-Amz-Content-Sha256"
	unsignedPayload     = "UNSIGNED-PAYLOAD"
)

// Scope says who signed a request, and for which region and service; of a signature in the headers.
type Scope struct{ KeyID, Region, Service string }

// SignedByHeader reports whether the request carries a signature in its headers, or what may be meant as one.
func SignedByHeader(r *http.Request) bool {
	return strings.HasPrefix(r.Header.Get(headerAuthorization), "AWS4-") || r.Header.Get(keyDate) != ""
}

// ScopeOf returns what a request says of its signature, which VerifyHeader verifies; ok is false when it says nothing that can be read.
func ScopeOf(r *http.Request) (scope Scope, ok bool) {
	_, rest, _ := strings.Cut(r.Header.Get(headerAuthorization), "Credential=")
	credential, _, _ := strings.Cut(rest, ",")
	var s signature
	if s.scope(strings.TrimSpace(credential)) != nil {
		return Scope{}, false
	}
	return Scope{s.keyID, s.region, s.service}, true
}

// VerifyHeader checks the signature in the headers of a request with that body, over method, path, query, headers and body. With
// p.Secrets nil only its form and time are checked. The error is a *Refusal.
func VerifyHeader(r *http.Request, body []byte, p Policy, now time.Time) (Scope, error) {
	s, err := parseHeader(r, now)
	if err != nil {
		return Scope{}, err
	}
	scope := Scope{s.keyID, s.region, s.service}
	if p.Region != "" && s.region != p.Region {
		return scope, refuse("Credential should be scoped to a valid region, not '%s'. (this endpoint stands for '%s')", s.region, p.Region)
	}
	if p.Secrets == nil {
		return scope, nil
	}
	secret, known := p.Secrets[s.keyID]
	if !known || !hmac.Equal([]byte(secret.Token), []byte(s.token)) {
		return scope, refuse("The security token included in the request is invalid. (access key id %q is not known, or not with this session token)", s.keyID)
	}
	if s.token != "" && !slices.Contains(s.headers, strings.ToLower(keyToken)) {
		return scope, refuse("%s is not one of the signed headers.", keyToken)
	}
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:])
	switch said := r.Header.Get(headerHash); said {
	case "", hash:
	case unsignedPayload:
		hash = said
	default:
		return scope, refuse("The provided %q header does not match what was computed.", strings.ToLower(headerHash))
	}
	// The path is encoded once more: only S3's is not.
	request := strings.Join([]string{r.Method, encode(r.URL.EscapedPath(), true), canonicalQuery(r.URL.Query(), true),
		s.canonicalHeaders(r), strings.Join(s.headers, ";"), hash}, "\n")
	if !s.signs(request, secret.Key) {
		return scope, refuse("The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method.")
	}
	return scope, nil
}

func parseHeader(r *http.Request, now time.Time) (*signature, error) {
	all := r.Header.Values(headerAuthorization)
	if len(all) != 1 {
		return nil, refuse("%d %s headers, want one.", len(all), headerAuthorization)
	}
	rest, ok := strings.CutPrefix(all[0], algorithm+" ")
	if !ok {
		return nil, refuse("Unsupported AWS 'algorithm' in %s, want %s.", headerAuthorization, algorithm)
	}
	parts := map[string]string{}
	for part := range strings.SplitSeq(rest, ",") {
		k, v, _ := strings.Cut(strings.TrimSpace(part), "=")
		parts[k] = v
	}
	for _, k := range []string{"Credential", "SignedHeaders", "Signature"} {
		if parts[k] == "" {
			return nil, refuse("Authorization header requires '%s' parameter.", k)
		}
	}
	s := &signature{time: r.Header.Get(keyDate), value: parts["Signature"], token: r.Header.Get(keyToken), headers: strings.Split(parts["SignedHeaders"], ";")}
	if err := s.scope(parts["Credential"]); err != nil {
		return nil, err
	}
	if err := s.form(parts["SignedHeaders"]); err != nil {
		return nil, err
	}
	return s, s.inTime(nil, now)
}
