package iotidentity_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	"math/big"
	"strings"
	"testing"

	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/iotidentity"
)

// However a value that holds a secret is printed or logged, by itself, by its address or inside another value, the secret
// is not in it, nor its bytes in hexadecimal or decimal.
func TestNoSecretPrinted(t *testing.T) {
	const secret = "s3cret-of-the-device"
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	private, err := key.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	options := awsiot.ClientOptions{Endpoint: "shown", Username: "device", Password: []byte(secret)}
	for _, v := range []any{
		iotidentity.RegisterThingRequest{TemplateName: "shown", CertificateOwnershipToken: secret, Parameters: map[string]string{"Serial": secret}, Document: []byte(secret)},
		iotidentity.CreateKeysAndCertificateResponse{CertificateID: "shown", PrivateKey: secret, CertificateOwnershipToken: secret, Raw: []byte(secret)},
		iotidentity.CreateCertificateFromCsrResponse{CertificateID: "shown", CertificateOwnershipToken: secret, Raw: []byte(secret)},
		iotidentity.ProvisionOptions{TemplateName: "shown", Claim: options, Signer: key, Parameters: map[string]string{"Serial": secret}},
		iotidentity.Provisioned{ThingName: "shown", Options: options, PrivateKeyPEM: []byte(secret), DeviceConfiguration: map[string]string{"password": secret}},
	} {
		var printed []string
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
			printed = append(printed, fmt.Sprintf(verb, v), fmt.Sprintf(verb, []any{v}), fmt.Sprintf(verb, struct{ V any }{v}))
		}
		for _, handler := range []func(*strings.Builder) slog.Handler{
			func(b *strings.Builder) slog.Handler { return slog.NewTextHandler(b, nil) },
			func(b *strings.Builder) slog.Handler { return slog.NewJSONHandler(b, nil) },
		} {
			var b strings.Builder
			slog.New(handler(&b)).Info("x", "value", v)
			printed = append(printed, b.String())
		}
		for _, p := range printed {
			for _, form := range []string{secret, hex.EncodeToString([]byte(secret)), strings.Trim(fmt.Sprint([]byte(secret)), "[]"), hex.EncodeToString(private), new(big.Int).SetBytes(private).String()} {
				if strings.Contains(strings.ToLower(p), strings.ToLower(form)) {
					t.Errorf("%T is printed as %s", v, p)
				}
			}
			if !strings.Contains(p, "shown") {
				t.Errorf("%T: nothing is left of it: %s", v, p)
			}
		}
	}
}
