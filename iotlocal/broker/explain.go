package broker

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
)

// tlsHints say what the errors of failed handshakes mean: the first line whose
// text is part of the error. Some of the errors are what the client has said.
var tlsHints = []struct{ text, hint string }{
	{"bad record MAC", "most likely the client does not trust this server's certificate: in TLS 1.3 OpenSSL says so in a way that cannot be read; " + trust},
	{"remote error: tls: unknown certificate authority", trust},
	{"remote error: tls: bad certificate", trust},
	{"remote error: tls: unknown certificate", trust},
	{"remote error: tls: expired certificate", "the client's clock is outside the time of this server's certificate"},
	{"remote error:", "the client has refused"},
	{"client didn't provide a certificate", "give the client the certificate and key of a thing: -thing NAME of the program, or NewThing"},
	{"x509: certificate signed by unknown authority", "the client's certificate is not of this server's CA: -thing NAME of the program, or NewThing, makes one that is"},
	{"x509: certificate has expired or is not yet valid", "remove the thing's files, and they are made anew"},
	{"incompatible key usage", "the certificate is not one for clients"},
	{"invalid signature by the client certificate", "the client's private key is not that of its certificate"},
	{"client offered only unsupported versions", "the client must speak TLS 1.2 or newer"},
	{"unsupported application protocols", "on the TLS port ALPN may name x-amzn-mqtt-ca (MQTT), mqtt (MQTT with a custom authorizer), x-amzn-http-ca, http/1.1 or h2 (HTTPS), on the port of secure websockets http/1.1"},
	{"no cipher suite supported", "the server's key is ECDSA: the client must offer an ECDHE_ECDSA cipher suite or TLS 1.3"},
	{"unsupported SSLv2 handshake", "the client must speak TLS 1.2 or newer"},
}

const trust = "give the client the CA file of this server (ca.pem), and let it connect by a name that the server's certificate has: localhost, 127.0.0.1, ::1, and those of -san or Options.SANs; a client whose clock is wrong refuses it too"

// ExplainTLS returns the text of an error of a TLS handshake, followed by what it
// usually means and what helps.
func ExplainTLS(err error) string {
	if bad, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		if what := otherProtocol(bad.RecordHeader[:]); what != "" {
			return err.Error() + ": " + what
		}
	}
	ne, isNet := errors.AsType[net.Error](err)
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), strings.Contains(err.Error(), "connection reset"):
		return err.Error() + ": the client has gone during the handshake: it does not trust this server's certificate, or has only looked whether the port is open"
	case errors.Is(err, context.DeadlineExceeded), isNet && ne.Timeout():
		return err.Error() + ": the client did not complete the TLS handshake in time"
	}
	for _, h := range tlsHints {
		if strings.Contains(err.Error(), h.text) {
			return err.Error() + ": " + h.hint
		}
	}
	return err.Error()
}

// tlsRecord is the first byte of a TLS handshake (RFC 8446, section 5.1). As one
// of MQTT it would be a CONNECT with reserved flags.
const tlsRecord = 0x16

// otherProtocol says what a stream is that begins so, and where it belongs;
// "" when it does not know. MQTT is other than what a port with TLS waits for.
func otherProtocol(start []byte) string {
	switch s := string(start); {
	case strings.HasPrefix(s, "\x16\x03"):
		return "this is a TLS handshake on a port without TLS"
	case strings.HasPrefix(s, "\x10"):
		return "this is MQTT without TLS: it belongs on the TCP port"
	case strings.HasPrefix(s, "GET ") || strings.HasPrefix(s, "POST") || strings.HasPrefix(s, "HEAD") || strings.HasPrefix(s, "PUT "):
		return "this is an HTTP request: websockets have ports of their own, without TLS and with it"
	}
	return ""
}
