package iotlocal_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/portage-iot/awsiot/iotlocal"
)

// Who follows the record hears of every decision; nobody else pays for them.
func TestDecisionsAreFollowed(t *testing.T) {
	bubble(t, iotlocal.Options{}, func(e *env) {
		t := e.t
		put(t, e.srv, "device", iotlocal.Anonymous, statement{"Allow", "iot:*", "*", nil}, statement{"Deny", []string{"iot:Publish", "iot:Receive"}, anyARN + "topic/no*", nil})
		decided := func(ps []iotlocal.Packet) (all []string) {
			for _, p := range ps {
				if p.Decision != nil {
					all = append(all, p.ClientID+" "+p.String())
				}
			}
			return all
		}
		early, _ := e.connect5("early")
		early.pub("a", "x", 1)
		if got := decided(e.srv.Recorder().Packets()); len(got) > 0 {
			t.Errorf("%q without a follower", got)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var mu sync.Mutex
		var heard []iotlocal.Packet
		var done sync.WaitGroup
		done.Go(func() {
			for p := range e.srv.Recorder().Follow(ctx) {
				mu.Lock()
				heard = append(heard, p)
				mu.Unlock()
			}
		})
		synctest.Wait()
		c, _ := e.connect5("c")
		c.sub(1, "#")
		c.pub("no", "x", 1)
		c.send(pub5("a", "x", 0, 0))
		synctest.Wait() // it is taken
		if _, err := e.srv.Publish(iotlocal.Message{Topic: "no", Payload: []byte("x")}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		mu.Lock()
		got := decided(heard)
		mu.Unlock()
		want := []string{
			"c · POLICY_DECISION iot:Connect on client/c allowed by policy device, statement 0, for anonymous",
			"c · POLICY_DECISION iot:Subscribe on topicfilter/# allowed by policy device, statement 0, for anonymous",
			"c · POLICY_DECISION iot:Publish on topic/no denied by policy device, statement 1, for anonymous",
			"c · POLICY_DECISION iot:Publish on topic/a allowed by policy device, statement 0, for anonymous",
			"c · POLICY_DECISION iot:Receive on topic/a allowed by policy device, statement 0, for anonymous",
			"c · POLICY_DECISION iot:Receive on topic/no denied by policy device, statement 1, for anonymous",
		}
		if !slices.Equal(got, want) {
			t.Errorf("got\n %s\nwant\n %s", strings.Join(got, "\n "), strings.Join(want, "\n "))
		}
		cancel()
		done.Wait()
		before := len(e.srv.Recorder().Packets())
		early.pub("a", "x", 2)
		if more := decided(e.srv.Recorder().Packets()[before:]); len(more) > 0 {
			t.Errorf("%q after the follower has gone", more)
		}
	})
}

// What is recorded of a TLS connection.
func TestTransportIsDescribed(t *testing.T) {
	srv := iotlocal.StartT(t, iotlocal.Options{})
	thing, err := srv.NewThing("lamp")
	if err != nil {
		t.Fatal(err)
	}
	if err := handshake(t, srv.TLSPort(), "localhost", thing, srv); err != nil {
		t.Fatal(err)
	}
	err = srv.Recorder().Wait(t.Context(), func(ps []iotlocal.Packet) bool { return len(ps) > 0 })
	if err != nil {
		t.Fatal(err)
	}
	p := srv.Recorder().Packets()[0]
	if k := p.Transport; k.TLSVersion != "TLS 1.2" || !strings.HasPrefix(k.Cipher, "TLS_ECDHE_ECDSA_") || k.ClientCert != "lamp" || k.CertificateID != thing.CertificateID() || k.Thing != "lamp" || k.SNI != "localhost" {
		t.Errorf("%+v", k)
	}
	want := "· TRANSPORT_OPEN TLS 1.2 " + p.Transport.Cipher + " SNI localhost certificate lamp (" + thing.CertificateID()[:8] + "...) thing lamp from 127.0.0.1:"
	if !strings.HasPrefix(p.String(), want) {
		t.Errorf("%s, want %s", p, want)
	}
}

// Who follows the record sees what is published over HTTPS and by the API, in the order in which subscribers get it; nobody else pays
// for that.
func TestRequestsAreFollowed(t *testing.T) {
	srv := iotlocal.StartT(t, iotlocal.Options{})
	put(t, srv, "all", iotlocal.AnyPrincipal, statement{"Allow", "iot:*", "*", nil})
	thing, err := srv.NewThing("lamp")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := thing.Certificate()
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(srv.CAPEM())
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}, NextProtos: []string{"http/1.1"}}}
	defer tr.CloseIdleConnections()
	post := func(url string) {
		t.Helper()
		a, err := (&http.Client{Transport: tr}).Post(url, "", strings.NewReader("on"))
		if err != nil {
			t.Fatal(err)
		}
		a.Body.Close()
		if a.StatusCode != http.StatusOK {
			t.Fatal(a.Status)
		}
	}
	tlsURL := fmt.Sprintf("https://%s:%d", srv.Host(), srv.TLSPort())
	post(srv.APIURL() + "/topics/before")
	if all := srv.Recorder().Packets(); slices.ContainsFunc(all, func(p iotlocal.Packet) bool { return p.Via != "" }) {
		t.Errorf("%v without a follower", all)
	}
	heard := make(chan string, 10)
	var done sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	follow := srv.Recorder().Follow(ctx)
	done.Go(func() {
		for p := range follow {
			if p.Via != "" {
				heard <- p.Via + " " + p.String()
			}
		}
	})
	for !srv.Recorder().Followed() {
		runtime.Gosched()
	}
	post(srv.APIURL() + "/topics/a/b?qos=1&contentType=text")
	post(tlsURL + "/topics/c?retain=true")
	for _, want := range []string{"api · POLICY_DECISION iot:Publish on topic/a/b allowed", `api → PUBLISH "a/b" QoS 1 2 bytes "on"`, "https · POLICY_DECISION iot:Publish on topic/c allowed",
		"https · POLICY_DECISION iot:RetainPublish on topic/c allowed", `https → PUBLISH "c" QoS 0 retain 2 bytes "on"`} {
		if got := <-heard; !strings.HasPrefix(got, want) {
			t.Errorf("%s, want %s", got, want)
		}
	}
	cancel()
	done.Wait()
}
