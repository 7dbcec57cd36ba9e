package awsiot_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	awsiot "github.com/portage-iot/awsiot/v2"
)

// held is a publish under an identifier that the program holds.
func held(payload string, id uint16, duplicate bool) *awsiot.PublishPacket {
	p := packet("t", payload, awsiot.AtLeastOnce)
	p.PacketID, p.Duplicate = id, duplicate
	return p
}

// What an earlier run has left goes out first, under its identifiers, with DUP where the session lives; others go round them.
func TestPacketIDsOfAnEarlierRun(t *testing.T) {
	for _, tt := range []struct {
		name    string
		present bool
		sent    []string
	}{
		{"session", true, []string{"old#7+", "older#3+", "new#8"}},
		{"no session", false, []string{"old#7", "older#3", "new#8"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, rejoin)
				for _, id := range []uint16{7, 3} {
					if got, ok := w.client.ReservePacketID(id); !ok || got != id {
						t.Fatalf("ReservePacketID(%d) = %d, %v", id, got, ok)
					}
				}
				w.client.PublishFunc(held("old", 7, true), w.events.done("old"))
				w.client.PublishFunc(held("older", 3, true), w.events.done("older"))
				w.client.PublishFunc(packet("t", "new", awsiot.AtLeastOnce), nil)
				if err := w.client.Start(); err != nil {
					t.Fatal(err)
				}
				answer := sessionPresent()
				if !tt.present {
					answer = nil
				}
				p, _ := w.accept(answer)
				equal(t, "sent", p.take(3), tt.sent)
				p.cut()
				synctest.Wait()
				p, _ = w.accept(sessionPresent())
				equal(t, "sent again", p.take(3), []string{"old#7+", "older#3+", "new#8+"})
				w.events.take()
				p.send(uint16(7), uint16(3), uint16(8))
				synctest.Wait()
				equal(t, "ends", w.events.take(), []string{"old: <nil>", "older: <nil>"})
			})
		})
	}
}

// An identifier stays with the program through losses, sessions and the end of its publishes.
func TestPacketIDIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, rejoin)
		p := w.start()
		id, ok := w.client.ReservePacketID(0)
		if !ok || id != 1 {
			t.Fatalf("ReservePacketID(0) = %d, %v", id, ok)
		}
		if _, ok := w.client.ReservePacketID(1); ok {
			t.Error("reserved twice")
		}
		w.client.PublishFunc(held("a", id, false), w.events.done("a"))
		w.client.PublishFunc(held("b", id, false), w.events.done("b"))
		equal(t, "sent", p.take(1), []string{"a#1"})
		w.client.ReleasePacketID(id) // a publish has it
		p.send(uint16(1))
		synctest.Wait()
		if l := fmt.Sprint(w.events.take()); l != "[attempting success b: awsiot: PacketID: 1 is not reserved, or another publish has it a: <nil>]" {
			t.Error(l)
		}
		p.cut()
		synctest.Wait()
		p, _ = w.accept(nil) // the session is lost
		w.client.PublishFunc(packet("t", "mine", awsiot.AtLeastOnce), nil)
		w.client.PublishFunc(held("again", id, false), nil)
		equal(t, "afterwards", p.take(2), []string{"mine#2", "again#1"})
		p.send(uint16(1), uint16(2))
		synctest.Wait()
		w.client.ReleasePacketID(id)
		if got, ok := w.client.ReservePacketID(id); !ok || got != id {
			t.Errorf("after the release: %d, %v", got, ok)
		}
	})
}

// All identifiers are taken: the next one waits for a release.
func TestPacketIDsRunOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		p := w.start()
		for i := range 65535 {
			if id, ok := w.client.ReservePacketID(0); !ok || int(id) != i+1 {
				t.Fatalf("%d: %d, %v", i, id, ok)
			}
		}
		if _, ok := w.client.ReservePacketID(0); ok {
			t.Error("a 65536th identifier")
		}
		w.client.PublishFunc(packet("t", "waits", awsiot.AtLeastOnce), nil)
		p.silent(time.Second)
		w.client.ReleasePacketID(4711)
		equal(t, "sent", p.take(1), []string{"waits#4711"})
	})
}

func TestPacketIDValidation(t *testing.T) {
	c := awsiot.NewClient(awsiot.ClientOptions{})
	for _, tt := range []struct {
		packet awsiot.PublishPacket
		field  string
	}{
		{awsiot.PublishPacket{Topic: "t", PacketID: 1}, "PacketID"},
		{awsiot.PublishPacket{Topic: "t", QoS: awsiot.AtLeastOnce, PacketID: 1}, "PacketID"},
		{awsiot.PublishPacket{Topic: "t", QoS: awsiot.AtLeastOnce, Duplicate: true}, "Duplicate"},
	} {
		_, err := c.PublishAsync(&tt.packet).Result()
		if ve, ok := errors.AsType[*awsiot.ValidationError](err); !ok || ve.Field != tt.field {
			t.Errorf("%+v: %v, want a *ValidationError about %s", tt.packet, err, tt.field)
		}
	}
}
