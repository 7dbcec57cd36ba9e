// Package wincert connects with a certificate of the Windows certificate store, whose private key need not be exportable.
//
//	client := awsiot.NewClient(awsiot.ClientOptions{
//		Endpoint: "xxxx-ats.iot.eu-west-1.amazonaws.com",
//		ClientID: "thermostat",
//		Auth:     wincert.MTLS(`CurrentUser\MY\A11F8A9B5DF5B98BA3508FBCA575D09570E0D2C6`),
//	})
//
// The package compiles on every system, so that a program for several needs no build tags; elsewhere than on Windows
// MTLS gives [ErrNotWindows] at Start.
package wincert

import (
	"context"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/portage-iot/awsiot/internal/pempath"
	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/internal/clientcert"
)

// ErrNotWindows is the error on other systems.
var ErrNotWindows = errors.New("there is no Windows certificate store on this system: use awsiot.MTLSFromPath, pkcs12 or pkcs11")

// ErrNotFound is in the chain of the error when the store holds no certificate with that thumbprint.
var ErrNotFound = errors.New("no certificate with this thumbprint in the store")

// MTLS connects with mutual TLS, with the certificate that path names and its private key: LOCATION\STORE\THUMBPRINT.
//
//   - LOCATION is CurrentUser or LocalMachine, in any case. The program must be allowed to use the key: those of
//     LocalMachine want rights that a service usually has.
//   - STORE is the name of a store, as MY, the personal one.
//   - THUMBPRINT is the SHA-1 hash of the certificate, 40 hexadecimal digits, as the certificate manager and
//     Get-ChildItem Cert:\CurrentUser\My show it; spaces and colons between them do not matter. Cert:\ before the path
//     may stand too.
//
// The store is asked at Start, and again at every attempt to connect. Intermediate certificates that Windows finds for it
// are sent with it. What is wrong is an error of Start that names the path.
func MTLS(path string) awsiot.Auth {
	return awsiot.MTLSFromFunc(func(context.Context) (tls.Certificate, error) { return load(path, system) })
}

// store gives the certificate with its chain, and a crypto.Signer. The real one is in store_windows.go.
type store func(location) (tls.Certificate, error)

func load(path string, from store) (tls.Certificate, error) {
	if pempath.Is(path) { // the path is shown in errors, and a private key must not be
		return tls.Certificate{}, errors.New("wincert: what should be a path of the certificate store looks like PEM text; use awsiot.MTLSFromBytes")
	}
	where, err := parse(path)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("wincert: %q: %w", path, err)
	}
	cert, err := from(where)
	if err == nil {
		err = clientcert.Check(&cert)
	}
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("wincert: %s: %w", where, err)
	}
	return cert, nil
}

// location is a certificate's place.
type location struct {
	machine    bool // LocalMachine; else CurrentUser
	store      string
	thumbprint [20]byte
}

func (l location) String() string {
	root := "CurrentUser"
	if l.machine {
		root = "LocalMachine"
	}
	return fmt.Sprintf(`%s\%s\%X`, root, l.store, l.thumbprint)
}

func parse(path string) (location, error) {
	const form = `not of the form CurrentUser\MY\THUMBPRINT`
	if prefix := `cert:\`; len(path) > len(prefix) && strings.EqualFold(path[:len(prefix)], prefix) {
		path = path[len(prefix):]
	}
	parts := strings.Split(path, `\`)
	if len(parts) != 3 {
		return location{}, fmt.Errorf("%s: it has %d parts", form, len(parts))
	}
	l := location{store: parts[1]}
	switch strings.ToLower(parts[0]) {
	case "currentuser":
	case "localmachine":
		l.machine = true
	default:
		return location{}, fmt.Errorf("%s: %q is neither CurrentUser nor LocalMachine", form, parts[0])
	}
	if l.store == "" || strings.ContainsRune(l.store, 0) {
		return location{}, fmt.Errorf("%s: the name of the store is empty or holds a zero byte", form)
	}
	// The certificate manager of Windows puts spaces between the digits, and an invisible mark before the first.
	digits := strings.NewReplacer(" ", "", ":", "", "\u200e", "").Replace(parts[2])
	print, err := hex.DecodeString(digits)
	if err != nil || len(print) != len(l.thumbprint) {
		return location{}, fmt.Errorf("%s: %q is no SHA-1 hash of 40 hexadecimal digits", form, parts[2])
	}
	copy(l.thumbprint[:], print)
	return l, nil
}
