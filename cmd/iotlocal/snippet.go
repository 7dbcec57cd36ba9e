package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/format"
	"strings"
	"text/template"

	"github.com/portage-iot/awsiot/iotlocal"
)

// kind is a value of -snippet.
type kind int

// The kinds of client that the program prints.
const (
	kindNone kind = iota
	kindGo
	kindMosquitto
	kindPython
	kindNode
)

var kindNames = [...]string{"none", "go", "mosquitto", "python", "node"}

// String returns the kind as the flag takes it.
func (k kind) String() string { return kindNames[k] }

// MarshalText makes the flag show its default.
func (k kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads a value of the flag.
func (k *kind) UnmarshalText(b []byte) error {
	for i, n := range kindNames {
		if n == string(b) {
			*k = kind(i)
			return nil
		}
	}
	return fmt.Errorf("want one of %s", strings.Join(kindNames[:], ", "))
}

// snippet is one program that subscribes, publishes one message to itself and
// prints it.
type snippet struct {
	name     string
	comment  string // begins a line that is no code
	template string
	gofmt    bool
}

// snippets are the programs of a kind.
func (k kind) snippets() []snippet {
	switch k {
	case kindGo:
		return []snippet{{"v1compat, Go in the shape of the v1 SDK", "//", v1Snippet, true}, {"v2, Go", "//", v2Snippet, true}}
	case kindMosquitto:
		return []snippet{{"mosquitto's programs, in a shell", "#", mosquittoSnippet, false}}
	case kindPython:
		return []snippet{{"AWS IoT Device SDK for Python (pip install AWSIoTPythonSDK)", "#", pythonSnippet, false}}
	case kindNode:
		return []snippet{{"AWS IoT Device SDK v2 for JavaScript (npm install aws-iot-device-sdk-v2)", "//", nodeSnippet, false}}
	}
	return nil
}

// address is what a snippet fills in.
type address struct {
	Host              string
	TLSPort, TCPPort  int
	CAFile            string
	CertFile, KeyFile string // "": no thing
	ClientID          string
}

// TLS reports whether the snippet can use the TLS port: it needs a certificate.
func (a address) TLS() bool { return a.TLSPort != iotlocal.Off && a.CertFile != "" }

// Port returns the port that the snippet uses.
func (a address) Port() int {
	if a.TLS() {
		return a.TLSPort
	}
	return a.TCPPort
}

// text fills the snippet in.
func (s snippet) text(a address) (string, error) {
	if a.TLSPort == iotlocal.Off && a.TCPPort == iotlocal.Off {
		return "", errors.New("it would use the TLS or the TCP port, and both are off")
	}
	if !a.TLS() && a.TCPPort == iotlocal.Off {
		return "", errors.New("the TLS port needs a certificate, give -thing NAME")
	}
	t, err := template.New(s.name).Funcs(template.FuncMap{"sh": shellQuote, "js": scriptQuote}).Parse(s.template)
	if err != nil {
		return "", fmt.Errorf("snippet: %w", err)
	}
	var b strings.Builder
	if err := t.Execute(&b, a); err != nil {
		return "", fmt.Errorf("snippet: %w", err)
	}
	if !s.gofmt {
		return b.String(), nil
	}
	code, err := format.Source([]byte(b.String()))
	if err != nil {
		return "", fmt.Errorf("snippet: %w", err)
	}
	return string(code), nil
}

// shellQuote makes one word of s for a POSIX shell.
func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// scriptQuote makes a string literal of s for Python and JavaScript: what JSON
// writes is one in both.
func scriptQuote(s string) (string, error) {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(s)
	return strings.TrimSuffix(b.String(), "\n"), err
}
