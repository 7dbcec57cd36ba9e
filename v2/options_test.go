package awsiot

import (
	"crypto/tls"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

// TestOptionsAreCopied fills every field of ClientOptions that holds a slice, a map or a
// pointer, by reflection, so that new fields are covered; then changes all that can be reached
// from them, and compares what NewClient kept.
func TestOptionsAreCopied(t *testing.T) {
	var o ClientOptions
	var paths []string
	fill(t, reflect.ValueOf(&o).Elem(), "", &paths)
	c := NewClient(o)
	kept := c.opts
	before := map[string]string{}
	for _, p := range paths {
		before[p] = show(lookup(reflect.ValueOf(kept), p))
	}
	for _, p := range paths {
		spoil(lookup(reflect.ValueOf(o), p))
	}
	for _, p := range paths {
		if now := show(lookup(reflect.ValueOf(kept), p)); now != before[p] {
			t.Errorf("%s: was %s, is %s: shared with the caller", p, before[p], now)
		}
		if now := show(lookup(reflect.ValueOf(o), p)); now == before[p] {
			t.Errorf("%s: the test did not change it", p)
		}
	}
	for _, want := range []string{"CAPEM", "Password", "UserProperties", "Will.Payload", "Will.Delay", "Will.MessageExpiry", "Will.PayloadFormat",
		"Will.CorrelationData", "Will.UserProperties", "RequestResponseInformation", "RequestProblemInformation"} {
		if !strings.Contains(strings.Join(paths, "\n")+"\n", want+"\n") {
			t.Errorf("%s was not visited", want)
		}
	}
}

// shared are the types that a client shares with the program by their nature.
var shared = map[string]bool{"*slog.Logger": true, "*awsiot.Trace": true}

func fill(t *testing.T, v reflect.Value, path string, paths *[]string) {
	join := func(name string) string { return strings.TrimPrefix(path+"."+name, ".") }
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(t, v.Field(i), join(v.Type().Field(i).Name), paths)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		*paths = append(*paths, path)
	case reflect.Pointer:
		if shared[v.Type().String()] || v.Type() == reflect.TypeFor[*tls.Config]() {
			return // TLSConfig: see below
		}
		v.Set(reflect.New(v.Type().Elem()))
		if v.Type().Elem().Kind() == reflect.Struct {
			fill(t, v.Elem(), path, paths)
		} else {
			*paths = append(*paths, path)
		}
	case reflect.Map:
		t.Errorf("%s: a map: extend this test", path)
	}
}

func lookup(v reflect.Value, path string) reflect.Value {
	for name := range strings.SplitSeq(path, ".") {
		for v.Kind() == reflect.Pointer {
			v = v.Elem()
		}
		v = v.FieldByName(name)
	}
	return v
}

func show(v reflect.Value) string {
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	return fmt.Sprintf("%v", v)
}

// spoil changes what a slice or a pointer refers to, in place.
func spoil(v reflect.Value) {
	if v.Kind() == reflect.Pointer {
		change(v.Elem())
		return
	}
	for i := range v.Len() {
		change(v.Index(i))
	}
}

func change(v reflect.Value) {
	switch {
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			change(v.Field(i))
		}
	case v.Kind() == reflect.String:
		v.SetString("changed")
	case v.Kind() == reflect.Bool:
		v.SetBool(true)
	case v.CanInt():
		v.SetInt(v.Int() + 1)
	case v.CanUint():
		v.SetUint(v.Uint() + 1)
	}
}

// TLSConfig is cloned: what the caller changes afterwards does not reach the connections.
func TestTLSConfigIsCopied(t *testing.T) {
	cfg := &tls.Config{ServerName: "before", MinVersion: tls.VersionTLS13, NextProtos: []string{"before"}}
	c := NewClient(ClientOptions{Endpoint: "e", Auth: TLS(), TLSConfig: cfg})
	cfg.ServerName, cfg.MinVersion, cfg.NextProtos = "after", tls.VersionTLS10, []string{"after"}
	got := c.opts.TLSConfig
	if got == cfg || got.ServerName != "before" || got.MinVersion != tls.VersionTLS13 || got.NextProtos[0] != "before" {
		t.Errorf("%q %x %q", got.ServerName, got.MinVersion, got.NextProtos)
	}
}

// Upstream: client_options_defaults_set. The documented default of every field.
func TestDefaults(t *testing.T) {
	o := NewClient(ClientOptions{Endpoint: "e", Auth: TLS()}).opts
	for _, tt := range []struct {
		name      string
		got, want any
	}{
		{"Port", o.Port, 443}, {"KeepAlive", o.KeepAlive, 1200 * time.Second},
		{"SessionBehavior", o.SessionBehavior, CleanSession}, {"SessionExpiry", o.SessionExpiry, time.Duration(0)},
		{"OfflineQueue", o.OfflineQueue, OfflineQueue{Behavior: FailQoS0, WhenFull: RejectNew}},
		{"Resubscribe", o.Resubscribe, Resubscribe{When: ResubscribeIfNoSession, BatchSize: 8}},
		{"Inbound", o.Inbound, Inbound{MaxBytes: 16 << 20, WhenFull: RejectNew}},
		{"RetryJitterMode", o.RetryJitterMode, JitterFull},
		{"MinReconnectDelay", o.MinReconnectDelay, time.Second}, {"MaxReconnectDelay", o.MaxReconnectDelay, 120 * time.Second},
		{"MinConnectedTimeToResetReconnectDelay", o.MinConnectedTimeToResetReconnectDelay, 30 * time.Second},
		{"ConnectTimeout", o.ConnectTimeout, 10 * time.Second}, {"ConnackTimeout", o.ConnackTimeout, 20 * time.Second},
		{"PingTimeout", o.PingTimeout, 30 * time.Second}, {"AckTimeout", o.AckTimeout, 60 * time.Second},
		{"Port of PlainTCP", NewClient(ClientOptions{Auth: PlainTCP()}).opts.Port, 1883},
		{"Port given", NewClient(ClientOptions{Auth: PlainTCP(), Port: 8883}).opts.Port, 8883},
		{"KeepAlive negative", NewClient(ClientOptions{KeepAlive: -1}).opts.KeepAlive, time.Duration(0)},
		{"AckTimeout negative", NewClient(ClientOptions{AckTimeout: -1}).opts.AckTimeout, time.Duration(0)},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, tt.got, tt.want)
		}
	}
}
