// Package clientcert checks a client certificate before a TLS handshake does, so that a mistake has a name. It is used by
// every package that takes one from somewhere: PEM files, PKCS #12 files, hardware, the store of Windows.
package clientcert

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

// Check returns what makes cert useless as a client certificate: there is none, it is not X.509, there is no private key
// or one that cannot sign, or the key is another one's. The error names the certificate's subject. Dates are not looked
// at: the clock of a device may be wrong, and the server is the judge.
//
// The leaf that was parsed is left in cert.Leaf.
func Check(cert *tls.Certificate) error {
	if len(cert.Certificate) == 0 {
		return errors.New("there is no certificate in it")
	}
	if cert.Leaf == nil {
		leaf, err := x509.ParseCertificate(cert.Certificate[0])
		if err != nil {
			return err
		}
		cert.Leaf = leaf
	}
	signer, ok := cert.PrivateKey.(crypto.Signer)
	if !ok {
		if cert.PrivateKey == nil {
			return fmt.Errorf("there is no private key for the certificate of %q", cert.Leaf.Subject)
		}
		return fmt.Errorf("a private key of type %T cannot sign", cert.PrivateKey)
	}
	public, ok := cert.Leaf.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	if !ok {
		return fmt.Errorf("the certificate of %q has a public key of type %T, which TLS does not take", cert.Leaf.Subject, cert.Leaf.PublicKey)
	}
	if !public.Equal(signer.Public()) {
		return fmt.Errorf("the private key is not that of the certificate of %q", cert.Leaf.Subject)
	}
	return nil
}

// FromPEM is tls.X509KeyPair with names for four mistakes: an encrypted private key, one of another certificate, a file
// that is binary, and certificate and key in each other's place.
func FromPEM(certPEM, keyPEM []byte) (tls.Certificate, error) {
	for _, data := range [][]byte{certPEM, keyPEM} {
		if len(data) > 1 && data[0] == derSequence && data[1]&derLong != 0 {
			return tls.Certificate{}, ErrBinary
		}
	}
	for block, rest := pem.Decode(keyPEM); block != nil; block, rest = pem.Decode(rest) {
		// PKCS #8 says it by its type [RFC 7468 section 11], the older forms by a header [RFC 1421 section 4.6.1.1].
		if block.Type == "ENCRYPTED PRIVATE KEY" || strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED") {
			return tls.Certificate{}, ErrEncrypted
		}
	}
	if err := swapped(certPEM, keyPEM); err != nil {
		return tls.Certificate{}, err
	}
	cert, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil && (strings.Contains(err.Error(), "private key does not match public key") || strings.Contains(err.Error(), "private key type does not match public key type")) {
		if block, _ := pem.Decode(certPEM); block != nil {
			if leaf, parseErr := x509.ParseCertificate(block.Bytes); parseErr == nil {
				err = fmt.Errorf("the private key is not that of the certificate of %q (%w)", leaf.Subject, err)
			}
		}
	}
	return cert, err
}

// swapped tells of certificate and key in each other's place: v1's order was key and certificate.
func swapped(certPEM, keyPEM []byte) error {
	noCert, noKey := holdsOnly(certPEM, "PRIVATE KEY"), holdsOnly(keyPEM, "CERTIFICATE")
	switch {
	case noCert && noKey:
		return errors.New("the two are swapped: there is a private key in the place of the certificate, and a certificate in that of the key")
	case noCert:
		return errors.New("there is a private key in the place of the certificate")
	case noKey:
		return errors.New("there is a certificate in the place of the private key")
	}
	return nil
}

// holdsOnly reports that text has PEM blocks and that the types of all of them end so.
func holdsOnly(text []byte, ending string) bool {
	block, rest := pem.Decode(text)
	if block == nil {
		return false
	}
	for ; block != nil; block, rest = pem.Decode(rest) {
		if !strings.HasSuffix(block.Type, ending) {
			return false
		}
	}
	return true
}

// ErrEncrypted says what can be done with a key that a password protects: a device starts without anybody to type it.
var ErrEncrypted = errors.New("the private key is encrypted: take the password off it (openssl pkey -in encrypted.key -out device.key, mode 0600), or put key and certificate into one PKCS #12 file and use v2/pkcs12, which takes a password")

// The first bytes of certificates, keys and PKCS #12 files in DER: a sequence, with a length above 127 [X.690 8.1.3.5, 8.9].
const (
	derSequence = 0x30
	derLong     = 0x80 // a bit of the second byte, which no ASCII text has
)

// ErrBinary says what to do with a file that is not PEM text.
var ErrBinary = errors.New("it is binary (DER), not PEM text: for a PKCS #12 file (.p12, .pfx) use v2/pkcs12; convert others with openssl x509 -inform der, or openssl pkey -inform der")
