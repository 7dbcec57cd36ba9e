//go:build aws

package conformance

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// TestAWS asks AWS IoT Core about every fact that a device alone can ask about. AWS_IOT_ENDPOINT is the name of the endpoint
// (ID-ats.iot.REGION.amazonaws.com), AWS_IOT_CERTIFICATE and AWS_IOT_PRIVATE_KEY are the PEM files of a device. AWS_IOT_THING
// is the name of the thing, conformance-device by default, AWS_IOT_CA the PEM file of the root, by default one of the
// system's. The README has the policy that the certificate needs.
//
// It prints a line for every fact, and fails where one differs; what the policy does not permit is said, and is no failure.
// Topics begin with conformance/THING/, client ids with THING; the shadows of the thing, classic and conformance..., are
// overwritten, and deleted in the end.
func TestAWS(t *testing.T) {
	env := map[string]string{}
	for _, name := range []string{"AWS_IOT_ENDPOINT", "AWS_IOT_CERTIFICATE", "AWS_IOT_PRIVATE_KEY"} {
		if env[name] = os.Getenv(name); env[name] == "" {
			t.Fatalf("%s is not set: with the tag aws this test needs AWS_IOT_ENDPOINT (a host name), AWS_IOT_CERTIFICATE and AWS_IOT_PRIVATE_KEY (PEM files of a device)", name)
		}
	}
	pair, err := tls.LoadX509KeyPair(env["AWS_IOT_CERTIFICATE"], env["AWS_IOT_PRIVATE_KEY"])
	if err != nil {
		t.Fatalf("AWS_IOT_CERTIFICATE, AWS_IOT_PRIVATE_KEY: %v", err)
	}
	var roots *x509.CertPool
	if file := os.Getenv("AWS_IOT_CA"); file != "" {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatalf("AWS_IOT_CA: %v", err)
		}
		if roots = x509.NewCertPool(); !roots.AppendCertsFromPEM(text) {
			t.Fatalf("AWS_IOT_CA: no certificate in %s", file)
		}
	}
	host := env["AWS_IOT_ENDPOINT"]
	at := func(port string) string { return net.JoinHostPort(host, port) }
	aws := target{host: host, mqtt: at("8883"), alpn: at("443"), https: at("8443"), roots: roots, cert: pair,
		thing: cmp.Or(os.Getenv("AWS_IOT_THING"), "conformance-device"), patience: 15 * time.Second, settle: 2 * time.Second, pace: 1100 * time.Millisecond}
	all := aws.examine(table())
	for _, f := range all {
		if f.verdict == disagrees {
			t.Error(f)
		} else {
			t.Log(f)
		}
	}
	t.Log(summary(all))
}

// summary counts the verdicts.
func summary(all []finding) string {
	var parts []string
	for v := range notAsked + 1 {
		n := 0
		for _, f := range all {
			if f.verdict == v {
				n++
			}
		}
		parts = append(parts, fmt.Sprintf("%d %v", n, v))
	}
	return fmt.Sprintf("%d facts: %s", len(all), strings.Join(parts, ", "))
}
