package provisioning

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"time"
)

// Issued is a certificate that the account does not have yet.
type Issued struct {
	ID, PEM               string
	PublicPEM, PrivatePEM string // of NewKeys
}

// FromCSR signs a certificate for a certificate signing request. The error is an *Error when the request is to blame.
func (s *Service) FromCSR(text string) (Issued, error) {
	csr, refused := parseCSR(text, s.limits)
	if refused != nil {
		return Issued{}, refused
	}
	c, err := s.newCertificate(csr.PublicKey, csr.RawSubject, Inactive, time.Time{})
	if err != nil {
		return Issued{}, err
	}
	return Issued{ID: c.ID, PEM: c.PEM}, nil
}

// NewKeys makes a key and signs a certificate for it.
func (s *Service) NewKeys() (Issued, error) {
	public, private, err := newKey()
	if err != nil {
		return Issued{}, err
	}
	c, err := s.newCertificate(public, keysSubject(), Inactive, time.Time{})
	if err != nil {
		return Issued{}, err
	}
	text, err := PublicPEM(private)
	return Issued{ID: c.ID, PEM: c.PEM, PublicPEM: text, PrivatePEM: private}, err
}

// PublicPEM returns the public key of a key that the service has made, in PEM.
func PublicPEM(private string) (string, error) {
	block, _ := pem.Decode([]byte(private))
	if block == nil {
		return "", errors.New("the key is not PEM")
	}
	key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil {
		return "", err
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return "", err
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})), nil
}

// parseCSR checks a certificate signing request: PEM, signed with its own key,
// whose kind is one that AWS IoT signs: RSA of at least 2,048 bits, or the curves
// P-256, P-384 and P-521 (developer guide, x509-client-certs.html). RSA keys over
// 8,192 bits are refused before anything is computed with them.
func parseCSR(text string, lim Limits) (*x509.CertificateRequest, *Error) {
	if over(len(text), lim.CSR) {
		return nil, refuse(InvalidCSR, "The CSR has %d bytes, the limit is %d", len(text), lim.CSR)
	}
	block, _ := pem.Decode([]byte(text))
	if block == nil || block.Type != "CERTIFICATE REQUEST" && block.Type != "NEW CERTIFICATE REQUEST" {
		return nil, refuse(InvalidCSR, "The CSR is not PEM of type CERTIFICATE REQUEST")
	}
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return nil, refuse(InvalidCSR, "The CSR cannot be read: %v", err)
	}
	switch key := csr.PublicKey.(type) {
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits < 2048 || bits > 8192 {
			return nil, refuse(InvalidCSR, "The CSR has an RSA key of %d bits; 2048 to 8192 are allowed", bits)
		}
	case *ecdsa.PublicKey:
		if key.Curve == elliptic.P224() {
			return nil, refuse(InvalidCSR, "The CSR has a key on the curve %s; P-256, P-384 and P-521 are allowed", key.Curve.Params().Name)
		}
	default:
		return nil, refuse(InvalidCSR, "The CSR has a key of type %T; RSA and ECDSA are allowed", key)
	}
	if err := csr.CheckSignature(); err != nil {
		return nil, refuse(InvalidCSR, "The CSR is not signed with its key: %v", err)
	}
	return csr, nil
}

// newKey makes a key as the service makes them: RSA of 2,048 bits, in PKCS #1.
func newKey() (public crypto.PublicKey, keyPEM string, err error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, "", fmt.Errorf("make a key: %w", err)
	}
	return key.Public(), string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})), nil
}

// keysSubject is the subject of certificates whose keys the service made, in DER.
func keysSubject() []byte {
	der, err := asn1.Marshal(pkix.Name{CommonName: "AWS IoT Certificate"}.ToRDNSequence())
	if err != nil {
		return nil // a constant: it encodes
	}
	return der
}

// pseudos are the values of the pseudo parameters for a certificate.
func pseudos(c *x509.Certificate, id string) map[string]string {
	first := func(l []string) string {
		if len(l) == 0 {
			return ""
		}
		return l[0]
	}
	qualifier := ""
	for _, a := range c.Subject.Names {
		if a.Type.String() == "2.5.4.46" { // dnQualifier
			qualifier, _ = a.Value.(string)
		}
	}
	s := c.Subject
	return map[string]string{certificateID: id, pseudoPrefix + "Country": first(s.Country), pseudoPrefix + "Organization": first(s.Organization),
		pseudoPrefix + "OrganizationalUnit": first(s.OrganizationalUnit), pseudoPrefix + "DistinguishedNameQualifier": qualifier,
		pseudoPrefix + "StateName": first(s.Province), pseudoPrefix + "CommonName": s.CommonName, pseudoPrefix + "SerialNumber": s.SerialNumber}
}
