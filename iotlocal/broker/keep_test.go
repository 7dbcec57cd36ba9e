package broker

import (
	"errors"
	"testing"
	"testing/synctest"

	p5 "github.com/eclipse/paho.golang/packets"

	"github.com/portage-iot/awsiot/internal/memnet"
	"github.com/portage-iot/awsiot/iotlocal/wire"
)

// fullDisk is a Keeper that takes nothing, or makes nothing safe.
type fullDisk struct{ write, sync error }

func (d fullDisk) Write(string, string, []byte) error { return d.write }
func (d fullDisk) Sync() error                        { return d.sync }

// A retained message that cannot be kept is not acknowledged as if it were; others are not concerned.
func TestRetainedNotKept(t *testing.T) {
	full := errors.New("no space left")
	for name, tt := range map[string]struct {
		disk   fullDisk
		retain bool
		want   wire.Code
	}{
		"kept":                  {fullDisk{}, true, wire.NoMatchingSubscribers},
		"cannot be written":     {fullDisk{write: full}, true, wire.ImplementationSpecificError},
		"cannot be made safe":   {fullDisk{sync: full}, true, wire.ImplementationSpecificError},
		"a message that passes": {fullDisk{full, full}, false, wire.NoMatchingSubscribers},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				nw := &memnet.Network{}
				b := New(Options{Keeper: tt.disk})
				defer b.Close()
				l, err := nw.Listen("b:1883")
				if err != nil {
					t.Fatal(err)
				}
				if err := b.Listen(l, nil); err != nil {
					t.Fatal(err)
				}
				p, _ := join(t, nw, "p")
				p.send(&p5.Publish{Topic: "r", Payload: []byte("x"), QoS: 1, PacketID: 1, Retain: tt.retain, Properties: &p5.Properties{}})
				ack, ok := p.read().(*p5.Puback)
				if !ok || ack.ReasonCode != byte(tt.want) {
					t.Errorf("%v, want %v", ack, tt.want)
				}
				p.nc.Close()
			})
		})
	}
}

func TestRestoreRefuses(t *testing.T) {
	for _, tt := range []struct{ name, kind, key, value string }{
		{"kind", "other", "a", `{}`},
		{"no JSON", KeptRetained, "a", `{`},
		{"topic", KeptRetained, "a/#", `{"topic":"a/#","payload":"eA==","retain":true}`},
		{"another topic", KeptRetained, "b", `{"topic":"a","payload":"eA==","retain":true}`},
		{"no payload", KeptRetained, "a", `{"topic":"a","retain":true}`},
		{"QoS", KeptRetained, "a", `{"topic":"a","payload":"eA==","retain":true,"qos":2}`},
		{"no expiry", KeptSession, "c", `{}`},
		{"no id", KeptSession, "", `{"expiry":1}`},
		{"filter", KeptSession, "c", `{"expiry":1,"subscriptions":[{"filter":"a/#/b"}]}`},
		{"QoS of a filter", KeptSession, "c", `{"expiry":1,"subscriptions":[{"filter":"a","qos":2}]}`},
		{"no session", KeptQueued, "1/c", `{"topic":"a"}`},
		{"no number", KeptQueued, "x/known", `{"topic":"a"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := New(Options{})
			defer b.Close()
			if err := b.Restore(KeptSession, "known", []byte(`{"expiry":1000000000}`)); err != nil {
				t.Fatal(err)
			}
			if err := b.Restore(tt.kind, tt.key, []byte(tt.value)); err == nil {
				t.Errorf("%s was taken", tt.value)
			}
		})
	}
}

// Whatever is restored, the broker works with it.
func FuzzRestore(f *testing.F) {
	f.Add([]byte(`{"expiry":1000,"subscriptions":[{"filter":"a/+","qos":1}]}`), []byte(`{"topic":"a/b","payload":"eA==","retain":true,"messageExpiry":3}`))
	f.Add([]byte(`{"expiry":1000,"subscriptions":[{"filter":"$share/g/a","qos":1},{"filter":"$share/g/a"}]}`), []byte(`{"topic":"a","payload":"eA==","retain":true,"userProperties":[{"name":"a","value":"b"}]}`))
	f.Fuzz(func(t *testing.T, session, message []byte) {
		b := New(Options{})
		defer b.Close()
		if b.Restore(KeptSession, "c", session) == nil {
			_ = b.Restore(KeptQueued, "1/c", message)
		}
		_ = b.Restore(KeptRetained, "a", message)
		b.Publish(&Message{Topic: "a", Payload: []byte("x"), QoS: 1})
		b.Retained()
		b.Session("c")
		b.Wake()
	})
}

// A session whose time is over is there until all that was kept has been put in.
func TestRestoreBeforeTheJanitor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(Options{})
		defer b.Close()
		for _, kept := range []struct{ kind, key, value string }{
			{KeptSession, "short", `{"expiry":1000000000,"expiresAt":"1999-01-01T00:00:00Z"}`},
			{KeptQueued, queuedKey(1, "short"), `{"topic":"t","payload":"","qos":1}`},
		} {
			if err := b.Restore(kept.kind, kept.key, []byte(kept.value)); err != nil {
				t.Errorf("%s: %v", kept.kind, err)
			}
			synctest.Wait() // the janitor has come as far as it can
		}
		b.Wake()
		if s, ok := b.Session("short"); ok {
			t.Errorf("it is still there: %+v", s)
		}
	})
}
