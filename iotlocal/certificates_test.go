package iotlocal_test

import (
	"crypto/tls"
	"strings"
	"testing"
	"time"

	p5 "github.com/eclipse/paho.golang/packets"

	"github.com/portage-iot/awsiot/iotlocal"
)

// A certificate that is inactive or revoked is not let in, over MQTT and HTTPS, and who is in is put out.
func TestCertificateStatus(t *testing.T) {
	srv := iotlocal.StartT(t, iotlocal.Options{})
	lamp, err := srv.NewThing("lamp")
	if err != nil {
		t.Fatal(err)
	}
	other, err := srv.NewThing("other")
	if err != nil {
		t.Fatal(err)
	}
	connect := func(thing iotlocal.Thing) (*raw, byte) {
		t.Helper()
		nc, err := dialTLS(t, srv, thing, &tls.Config{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { nc.Close() })
		nc.SetDeadline(time.Now().Add(patience))
		r := &raw{t: t, nc: nc, id: thing.Name}
		r.send(connect5(thing.Name))
		return r, want[*p5.Connack](r).ReasonCode
	}
	c, code := connect(lamp)
	o, _ := connect(other)
	if code != 0 {
		t.Fatalf("%x", code)
	}
	id := lamp.CertificateID()
	for _, status := range []iotlocal.CertificateStatus{iotlocal.CertificateInactive, iotlocal.CertificateRevoked} {
		if err := srv.SetCertificateStatus(id, status); err != nil {
			t.Fatal(err)
		}
		if got, ok := srv.CertificateStatus(id); got != status || !ok {
			t.Errorf("%v %v", got, ok)
		}
		c.disconnected(0x87)
		if _, code := connect(lamp); code != 0x87 {
			t.Errorf("%v: %x", status, code)
		}
		if code, body := ask(t, https(t, srv, "x-amzn-http-ca", &lamp), srv, "GET", "/things/lamp/shadow", ""); code != 403 || !strings.Contains(body, status.String()) {
			t.Errorf("%v: %d %s", status, code, body)
		}
		if err := srv.SetCertificateStatus(id, iotlocal.CertificateActive); err != nil {
			t.Fatal(err)
		}
		if c, code = connect(lamp); code != 0 {
			t.Errorf("active again: %x", code)
		}
	}
	if code := o.pub("t", "", 1); code != 0x10 { // another one's connection stays
		t.Errorf("%x", code)
	}
	if err := srv.SetCertificateStatus("none", iotlocal.CertificateActive); err == nil {
		t.Error("a certificate that is none")
	}
	if err := srv.SetCertificateStatus(id, iotlocal.CertificateClaim); err == nil {
		t.Error("a status that is none of an operator's")
	}
	if _, ok := srv.CertificateStatus("none"); ok {
		t.Error("a status of nothing")
	}
}

// A certificate that is revoked while its client is let in does not stay.
func TestCertificateRevokedMeanwhile(t *testing.T) {
	srv := iotlocal.StartT(t, iotlocal.Options{})
	lamp, err := srv.NewThing("lamp")
	if err != nil {
		t.Fatal(err)
	}
	putAuthorizer(t, srv, iotlocal.Authorizer{Name: "a", SigningDisabled: true, Function: func(r iotlocal.AuthorizerRequest) (iotlocal.AuthorizerAnswer, error) {
		if err := srv.SetCertificateStatus(lamp.CertificateID(), iotlocal.CertificateRevoked); err != nil {
			t.Error(err)
		}
		return yes(r)
	}})
	nc, err := dialTLS(t, srv, lamp, &tls.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(patience))
	c := &raw{t: t, nc: nc, id: "lamp"}
	asks := connect5("lamp")
	asks.UsernameFlag, asks.Username = true, "x?x-amz-customauthorizer-name=a"
	c.send(asks)
	want[*p5.Connack](c)
	c.disconnected(0x87)
}
