package policy

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"slices"
	"strconv"
	"strings"
	"time"
)

// variable is a key of conditions and, if it has one value, a policy variable.
type variable struct {
	name  string
	multi bool // it has several values: for ForAnyValue and ForAllValues
	timed bool // its value changes while a connection lasts
	// values returns what the request has for it; none: it is not there.
	values func(r *Request) []string
}

// value returns the first value.
func (v *variable) value(r *Request) (string, bool) {
	all := v.values(r)
	if len(all) == 0 {
		return "", false
	}
	return all[0], true
}

func some(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

const (
	thingPrefix      = "iot:connection.thing."
	attributesPrefix = thingPrefix + "attributes["
	certPrefix       = "iot:certificate."
)

// fixed are the variables that are always the same. Names are in lower case: case
// does not count in them.
var fixed = map[string]*variable{
	"iot:clientid":   {values: func(r *Request) []string { return some(r.ClientID) }},
	"iot:domainname": {values: func(r *Request) []string { return some(r.DomainName) }},
	"aws:sourceip": {values: func(r *Request) []string {
		if !r.SourceIP.IsValid() {
			return nil
		}
		return []string{r.SourceIP.Unmap().WithZone("").String()}
	}},
	"aws:securetransport":   {values: func(r *Request) []string { return []string{strconv.FormatBool(r.Secure)} }},
	"iot:connectattributes": {multi: true, values: func(r *Request) []string { return r.ConnectAttributes }},
	"aws:currenttime": {timed: true, values: func(r *Request) []string {
		if r.Time.IsZero() {
			return nil
		}
		return []string{r.Time.UTC().Format(time.RFC3339Nano)}
	}},
	"aws:epochtime": {timed: true, values: func(r *Request) []string {
		if r.Time.IsZero() {
			return nil
		}
		return []string{strconv.FormatInt(r.Time.Unix(), 10)}
	}},
	thingPrefix + "thingname": {values: func(r *Request) []string {
		if r.Thing == nil {
			return nil
		}
		return some(r.Thing.Name)
	}},
	thingPrefix + "thingtypename": {values: func(r *Request) []string {
		if r.Thing == nil {
			return nil
		}
		return some(r.Thing.TypeName)
	}},
	thingPrefix + "isattached":  {values: func(r *Request) []string { return []string{strconv.FormatBool(r.Thing != nil)} }},
	certPrefix + "serialnumber": {values: ofCertificate(func(c *x509.Certificate) []string { return some(c.SerialNumber.Text(16)) })},
	certPrefix + "availablekeys": {multi: true, values: ofCertificate(func(c *x509.Certificate) []string {
		var names []string
		for _, name := range certificateKeys {
			if len(certificateValues[strings.ToLower(name)](c)) > 0 {
				names = append(names, name)
			}
		}
		return names
	})},
}

// ofCertificate makes a function of the certificate one of the request.
func ofCertificate(f func(*x509.Certificate) []string) func(*Request) []string {
	return func(r *Request) []string {
		if r.Certificate == nil {
			return nil
		}
		return f(r.Certificate)
	}
}

// nameAttributes are the attributes of a subject or issuer (RFC 5280, appendix A).
var nameAttributes = []struct {
	name string
	oid  asn1.ObjectIdentifier
}{
	{"CommonName", asn1.ObjectIdentifier{2, 5, 4, 3}}, {"Surname", asn1.ObjectIdentifier{2, 5, 4, 4}},
	{"SerialNumber", asn1.ObjectIdentifier{2, 5, 4, 5}}, {"Country", asn1.ObjectIdentifier{2, 5, 4, 6}},
	{"State", asn1.ObjectIdentifier{2, 5, 4, 8}}, {"Organization", asn1.ObjectIdentifier{2, 5, 4, 10}},
	{"OrganizationalUnit", asn1.ObjectIdentifier{2, 5, 4, 11}}, {"Title", asn1.ObjectIdentifier{2, 5, 4, 12}},
	{"GivenName", asn1.ObjectIdentifier{2, 5, 4, 42}}, {"Initials", asn1.ObjectIdentifier{2, 5, 4, 43}},
	{"GenerationQualifier", asn1.ObjectIdentifier{2, 5, 4, 44}}, {"DistinguishedNameQualifier", asn1.ObjectIdentifier{2, 5, 4, 46}},
	{"Pseudonym", asn1.ObjectIdentifier{2, 5, 4, 65}},
}

// certificateValues has what stands after iot:Certificate., in lower case, for the
// keys that may have several values in a certificate; certificateKeys are their
// names as they are written, sorted.
var certificateValues, certificateKeys = certificateTable()

func certificateTable() (map[string]func(*x509.Certificate) []string, []string) {
	table := map[string]func(*x509.Certificate) []string{}
	var keys []string
	add := func(name string, f func(*x509.Certificate) []string) {
		table[strings.ToLower(name)] = f
		keys = append(keys, name)
	}
	for _, a := range nameAttributes {
		of := func(n pkix.Name) (all []string) {
			for _, v := range n.Names {
				if s, ok := v.Value.(string); ok && v.Type.Equal(a.oid) {
					all = append(all, s)
				}
			}
			return all
		}
		add("Subject."+a.name, func(c *x509.Certificate) []string { return of(c.Subject) })
		add("Issuer."+a.name, func(c *x509.Certificate) []string { return of(c.Issuer) })
	}
	add("SubjectAlternativeName.DNSName", func(c *x509.Certificate) []string { return c.DNSNames })
	add("SubjectAlternativeName.RFC822Name", func(c *x509.Certificate) []string { return c.EmailAddresses })
	add("SubjectAlternativeName.IPAddress", func(c *x509.Certificate) (all []string) {
		for _, ip := range c.IPAddresses {
			all = append(all, ip.String())
		}
		return all
	})
	add("SubjectAlternativeName.UniformResourceIdentifier", func(c *x509.Certificate) (all []string) {
		for _, u := range c.URIs {
			all = append(all, u.String())
		}
		return all
	})
	slices.Sort(keys)
	return table, keys
}

// findKey returns the key of a condition.
func findKey(name string) (*variable, bool) {
	lower := strings.ToLower(name)
	if v, ok := fixed[lower]; ok {
		return named(*v, name), true
	}
	if rest, ok := strings.CutPrefix(lower, attributesPrefix); ok && strings.HasSuffix(rest, "]") && len(rest) > 1 {
		attribute := name[len(attributesPrefix) : len(name)-1] // in these case counts
		return named(variable{values: func(r *Request) []string {
			if r.Thing == nil {
				return nil
			}
			return some(r.Thing.Attributes[attribute])
		}}, name), true
	}
	rest, ok := strings.CutPrefix(lower, certPrefix)
	if !ok {
		return nil, false
	}
	if f, ok := certificateValues[rest]; ok { // the first value
		return named(variable{values: ofCertificate(func(c *x509.Certificate) []string {
			all := f(c)
			return all[:min(1, len(all))]
		})}, name), true
	}
	dot := strings.LastIndexByte(rest, '.')
	if dot < 0 {
		return nil, false
	}
	f, suffix := certificateValues[rest[:dot]], rest[dot+1:]
	n, err := strconv.ParseUint(suffix, 10, 8)
	switch {
	case f == nil:
		return nil, false
	case suffix == "list":
		return named(variable{multi: true, values: ofCertificate(f)}, name), true
	case err != nil:
		return nil, false
	}
	return named(variable{values: ofCertificate(func(c *x509.Certificate) []string { // the nth, from 0
		all := f(c)
		if int(n) >= len(all) {
			return nil
		}
		return all[n : n+1]
	})}, name), true
}

func named(v variable, name string) *variable {
	v.name = name
	return &v
}

// findVariable returns the variable of ${NAME}: a key that has one value.
func findVariable(name string) (*variable, bool) {
	v, ok := findKey(name)
	if !ok || v.multi {
		return nil, false
	}
	return v, true
}
