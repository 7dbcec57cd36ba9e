package pkcs11_test

import (
	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/pkcs11"
)

// A device whose key is in a token. The certificate is no secret: here it is a file.
func ExampleMTLS() {
	client := awsiot.NewClient(awsiot.ClientOptions{
		Endpoint: "xxxx-ats.iot.eu-west-1.amazonaws.com",
		ClientID: "thermostat",
		Auth: pkcs11.MTLS(pkcs11.Options{
			Library:    "/usr/lib/softhsm/libsofthsm2.so",
			TokenLabel: "device",
			PIN:        "from a place that is safe",
			KeyLabel:   "thermostat",
			CertFile:   "thermostat.pem.crt",
		}),
	})
	defer client.Close()
}
