package iotlocal_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/portage-iot/awsiot/iotlocal"
	"github.com/portage-iot/awsiot/iotlocal/broker"
)

// Clients that do not get through a handshake, or speak something else than the port; the record says what it means.
func TestFailedConnectionsAreExplained(t *testing.T) {
	srv, other := iotlocal.StartT(t, iotlocal.Options{}), iotlocal.StartT(t, iotlocal.Options{})
	good, another, foreign := newThing(t, srv, "good"), newThing(t, srv, "another"), newThing(t, other, "foreign")
	pair := func(cert, key iotlocal.Thing) []tls.Certificate {
		c, err := cert.Certificate()
		k, err2 := key.Certificate()
		if err := errors.Join(err, err2); err != nil {
			t.Fatal(err)
		}
		c.PrivateKey = k.PrivateKey
		return []tls.Certificate{c}
	}
	const (
		mqtt = "\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01c"
		http = "GET /mqtt HTTP/1.1\r\nHost: x\r\n\r\n"
	)
	hello := "\x16\x03\x01\x00\x42\x01\x00\x00\x3e\x03\x03" + strings.Repeat("a", 60)
	for _, tt := range []struct {
		name string
		port int
		conf *tls.Config // nil: raw is sent, and the sending side closed
		raw  string
		want string
	}{
		{"the CA of another server", srv.TLSPort(), &tls.Config{RootCAs: rootCAs(other), Certificates: pair(good, good)}, "", "give the client the CA file of this server"},
		{"another name", srv.TLSPort(), &tls.Config{RootCAs: rootCAs(srv), ServerName: "x.example", Certificates: pair(good, good)}, "", "-san or Options.SANs"},
		{"another name, secure websockets", srv.WSSPort(), &tls.Config{RootCAs: rootCAs(srv), ServerName: "x.example"}, "", "-san or Options.SANs"},
		{"no certificate", srv.TLSPort(), &tls.Config{RootCAs: rootCAs(srv)}, "", "give the client the certificate and key of a thing"},
		{"a certificate of another CA", srv.TLSPort(), &tls.Config{RootCAs: rootCAs(srv), Certificates: pair(foreign, foreign)}, "", "the client's certificate is not of this server's CA"},
		{"the key of another certificate", srv.TLSPort(), &tls.Config{RootCAs: rootCAs(srv), Certificates: pair(good, another)}, "", "the client's private key is not that of its certificate"},
		{"TLS 1.1", srv.TLSPort(), &tls.Config{RootCAs: rootCAs(srv), MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, "", "TLS 1.2 or newer"},
		{"ALPN", srv.TLSPort(), &tls.Config{RootCAs: rootCAs(srv), NextProtos: []string{"ftp"}}, "", "x-amzn-mqtt-ca"},
		{"ciphers", srv.TLSPort(), &tls.Config{RootCAs: rootCAs(srv), MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}}, "", "the server's key is ECDSA"},
		{"MQTT on the TLS port", srv.TLSPort(), nil, mqtt, "this is MQTT without TLS: it belongs on the TCP port"},
		{"HTTP on the TLS port", srv.TLSPort(), nil, http, "this is an HTTP request: websockets have ports of their own"},
		{"HTTP on the port of secure websockets", srv.WSSPort(), nil, http, "this is an HTTP request"},
		{"a look at the TLS port", srv.TLSPort(), nil, "", "has only looked whether the port is open"},
		{"half a hello", srv.TLSPort(), nil, hello[:20], "the client has gone during the handshake"},
		{"TLS on the TCP port", srv.TCPPort(), nil, hello, "this is a TLS handshake on a port without TLS"},
		{"HTTP on the TCP port", srv.TCPPort(), nil, http, "this is an HTTP request: websockets have ports of their own"},
		{"TLS on the port of websockets", srv.WSPort(), nil, hello, "this is a TLS handshake on a port without TLS"},
		{"MQTT on the port of websockets", srv.WSPort(), nil, mqtt, "this is MQTT without a websocket"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			srv.Recorder().Reset()
			nc, err := net.Dial("tcp", net.JoinHostPort("localhost", strconv.Itoa(tt.port)))
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			if tt.conf == nil {
				_, err := io.WriteString(nc, tt.raw)
				if err := errors.Join(err, nc.(*net.TCPConn).CloseWrite()); err != nil {
					t.Fatal(err)
				}
			} else {
				if tt.conf.ServerName == "" {
					tt.conf.ServerName = "localhost"
				}
				c := tls.Client(nc, tt.conf)
				if err := c.Handshake(); err == nil { // with TLS 1.3 it learns later
					_, _ = c.Read(make([]byte, 1))
				}
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if err := srv.Recorder().Wait(ctx, func(ps []iotlocal.Packet) bool {
				for _, p := range ps {
					if (p.Type == iotlocal.HandshakeFailed || p.Type == iotlocal.ServerClosed) && strings.Contains(p.String(), tt.want) {
						return true
					}
				}
				return false
			}); err != nil {
				t.Errorf("no %q in %v: %v", tt.want, lines(srv.Recorder().Packets()), err)
			}
		})
	}
}

// Errors that are hard to provoke here: what clients on OpenSSL cause, and what the clock does.
func TestExplainTLS(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want string
	}{
		{errors.New("local error: tls: bad record MAC"), "local error: tls: bad record MAC: most likely the client does not trust this server's certificate"},
		{errors.New("remote error: tls: unknown certificate authority"), "give the client the CA file of this server (ca.pem)"},
		{errors.New("remote error: tls: expired certificate"), "the client's clock"},
		{errors.New("remote error: tls: internal error"), "the client has refused"},
		{&tls.CertificateVerificationError{Err: x509.CertificateInvalidError{Reason: x509.Expired}}, "remove the thing's files"},
		{&tls.CertificateVerificationError{Err: x509.CertificateInvalidError{Reason: x509.IncompatibleUsage}}, "the certificate is not one for clients"},
		{fmt.Errorf("read: %w", context.DeadlineExceeded), "did not complete the TLS handshake in time"},
		{io.ErrUnexpectedEOF, "unexpected EOF: the client has gone"},
		{tls.RecordHeaderError{Msg: "no TLS", RecordHeader: [5]byte{'h', 'e', 'l', 'l', 'o'}}, "tls: no TLS"},
		{errors.New("something else"), "something else"},
	} {
		if got := broker.ExplainTLS(tt.err); !strings.HasPrefix(got, tt.err.Error()) || !strings.Contains(got, tt.want) {
			t.Errorf("%v: %q, want %q", tt.err, got, tt.want)
		}
	}
}
