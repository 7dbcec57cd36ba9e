// Package pkcs11 connects with a private key that stays in hardware: a TPM, a secure element, a smart card or an HSM,
// through the PKCS #11 library that its maker ships.
//
//	client := awsiot.NewClient(awsiot.ClientOptions{
//		Endpoint: "xxxx-ats.iot.eu-west-1.amazonaws.com",
//		ClientID: "thermostat",
//		Auth: pkcs11.MTLS(pkcs11.Options{
//			Library:    "/usr/lib/softhsm/libsofthsm2.so",
//			TokenLabel: "device",
//			PIN:        pin,
//			KeyLabel:   "thermostat",
//			CertFile:   "thermostat.pem.crt",
//		}),
//	})
//
// The key signs the TLS handshake and never leaves the token. RSA and ECDSA keys work.
//
// The package calls a C library, so it needs cgo. In a program built without it, MTLS gives [ErrNoCgo] at Start. What has
// a crypto.Signer of its own needs neither: awsiot.MTLSFromCertificate takes it.
package pkcs11

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"

	"github.com/portage-iot/awsiot/internal/pempath"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// Options says where the key and its certificate are.
type Options struct {
	// Library is the path of the PKCS #11 library. It is loaded once in a process, however many clients use it.
	Library string

	// TokenLabel, TokenSerial or Slot names the token: exactly one of them. (Slots are numbered by the library, and the
	// number of some changes with every start; a label stays.)
	TokenLabel  string
	TokenSerial string
	Slot        *int

	// PIN is the user's PIN; empty: the token needs none for signing. A PIN that the token has refused is not tried again
	// by this value of Auth, however often the client tries to connect: tokens lock themselves after a few wrong ones.
	PIN string `json:"-"`

	// KeyLabel is the label (CKA_LABEL) of the private key; empty: the only key on the token.
	KeyLabel string

	// CertFile or CertPEM is the certificate, as PEM, its chain after it. With neither it is taken from the token, where
	// it must have the same identifier (CKA_ID) as the key.
	CertFile string
	CertPEM  []byte
}

// Format prints the options, by any verb, without the PIN.
func (o Options) Format(f fmt.State, _ rune) {
	slot := "none"
	if o.Slot != nil {
		slot = fmt.Sprint(*o.Slot)
	}
	fmt.Fprintf(f, "{Library:%q TokenLabel:%q TokenSerial:%q Slot:%s PIN:(%d bytes) KeyLabel:%q CertFile:%q CertPEM:(%d bytes)}",
		o.Library, o.TokenLabel, o.TokenSerial, slot, len(o.PIN), o.KeyLabel, o.CertFile, len(o.CertPEM))
}

// ErrNoCgo is the error of a program that was built without cgo.
var ErrNoCgo = errors.New("pkcs11: this program was built without cgo (CGO_ENABLED=0, or no C compiler was found): build it with cgo, or give a crypto.Signer of your own to awsiot.MTLSFromCertificate")

// ErrPIN is in the chain of the error when the token refused the PIN, or is locked because wrong ones were tried.
var ErrPIN = errors.New("the token does not take the PIN")

// MTLS connects with mutual TLS, with a key on a PKCS #11 token. Library and token are opened at Start and stay open for
// as long as the value is in use, also by several clients. At every attempt to connect the key is looked up again: when
// the token has been taken out or has lost its session, that attempt fails, and the first one after it is back works.
// (A library that finds tokens only when it is initialised, as SoftHSM, has to be without other users for that: it is
// initialised anew when the last value of Auth that had it open has given it up.)
//
// What is wrong is an error of Start that names the library, the token or the label, and never the PIN: options are
// missing or exclude each other, the library cannot be loaded, no such token, a refused PIN ([ErrPIN]), no such key or
// more than one, no certificate, or one that is not the key's.
func MTLS(o Options) awsiot.Auth {
	t := newTokenFor(o)
	return awsiot.MTLSFromFunc(func(ctx context.Context) (tls.Certificate, error) {
		cert, err := t.certificate(ctx)
		if err != nil {
			return cert, fmt.Errorf("PKCS #11: %w", err)
		}
		return cert, nil
	})
}

// problem returns what is wrong with the options before anything is opened.
func (o *Options) problem() error {
	named := 0
	for _, given := range []bool{o.TokenLabel != "", o.TokenSerial != "", o.Slot != nil} {
		if given {
			named++
		}
	}
	switch {
	case o.Library == "":
		return errors.New("Options.Library is empty: the path of the token maker's PKCS #11 library")
	case named != 1:
		return fmt.Errorf("%d of Options.TokenLabel, TokenSerial and Slot are given: the token is named by exactly one", named)
	case o.CertFile != "" && o.CertPEM != nil:
		return errors.New("Options.CertFile and CertPEM are both given")
	case pempath.Is(o.CertFile):
		return errors.New("Options.CertFile: what should be a path looks like PEM text; use CertPEM")
	}
	return nil
}

// tokenName is how errors call the token.
func (o *Options) tokenName() string {
	switch {
	case o.TokenLabel != "":
		return fmt.Sprintf("token %q", o.TokenLabel)
	case o.TokenSerial != "":
		return fmt.Sprintf("token with serial number %q", o.TokenSerial)
	}
	return fmt.Sprintf("token in slot %d", *o.Slot)
}

// keyName is how errors call the key.
func (o *Options) keyName() string {
	if o.KeyLabel == "" {
		return "the only key"
	}
	return fmt.Sprintf("key %q", o.KeyLabel)
}
