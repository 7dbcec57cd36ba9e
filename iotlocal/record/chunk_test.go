package record

import (
	"fmt"
	"reflect"
	"runtime"
	"testing"
	"time"

	"github.com/portage-iot/awsiot/iotlocal/wire"
)

// fill gives every field of a struct a value that is not zero.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Now()))
			return
		}
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(0))
		fill(v.Index(1))
	case reflect.String:
		v.SetString("text of " + v.Type().String())
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int:
		v.SetInt(3)
	default:
		v.SetUint(2)
	}
}

// A packet comes out of the record as it went in, with every field that there is.
func TestRecordKeepsEverything(t *testing.T) {
	var full Packet
	fill(reflect.ValueOf(&full).Elem())
	full.Type, full.Dir = wire.PUBLISH, wire.ServerToClient
	r := New(0, 0)
	for i := range 3 * chunkSize {
		p := full
		if i%3 > 0 { // the fields of most, and of none
			p = Packet{Time: full.Time, Conn: i, ClientID: fmt.Sprint("c", i%7), Type: wire.PUBACK, Dir: wire.ServerToClient, PacketID: uint16(i % 3 / 2)}
		}
		p.Payload = append(Payload(nil), p.Payload...)
		r.Add(p)
		clear(p.Payload) // the record has a copy
	}
	for i, got := range r.Packets() {
		want := full
		if i%3 > 0 {
			want = Packet{Conn: i, ClientID: fmt.Sprint("c", i%7), Type: wire.PUBACK, Dir: wire.ServerToClient, PacketID: uint16(i % 3 / 2)}
		}
		want.Seq, want.Time, want.Ref = i+1, got.Time, got.Ref
		if !reflect.DeepEqual(got, want) || !got.Time.Equal(full.Time) || (got.Ref == "") != (got.PacketID == 0) {
			t.Fatalf("%d: %+v, want %+v", i, got, want)
		}
	}
}

// The time of the record does not go back, whoever looked at the clock first.
func TestRecordTimesAreInOrder(t *testing.T) {
	r := New(0, 0)
	now := time.Now()
	for _, d := range []time.Duration{5, 3, 9, 0, 8} {
		r.Add(Packet{Time: now.Add(d)})
	}
	got := ""
	for _, p := range r.Packets() {
		got += fmt.Sprint(int(p.Time.Sub(now)), " ")
	}
	if got != "5 5 9 9 9 " {
		t.Errorf("%s", got)
	}
}

// A full record of a busy server makes no garbage, nor does it take much more than what is in it.
func TestRecordOfABusyServer(t *testing.T) {
	const kept, size = 20_000, 100
	r := New(kept, 0)
	p := Packet{Time: time.Now(), ClientID: "c", Dir: wire.ClientToServer, Type: wire.PUBLISH, Topic: "t", Payload: make(Payload, size)}
	add := func(n int) {
		for range n {
			p.PacketID = p.PacketID%100 + 1
			r.Add(p)
		}
	}
	var m0, m1, m2 runtime.MemStats
	runtime.ReadMemStats(&m0)
	add(2 * kept)
	runtime.ReadMemStats(&m1)
	add(2 * kept)
	runtime.ReadMemStats(&m2)
	if n := m2.Mallocs - m1.Mallocs; n > kept/10 {
		t.Errorf("%d allocations for %d packets", n, 2*kept)
	}
	runtime.GC()
	runtime.ReadMemStats(&m2)
	if n := int(m2.HeapAlloc-m0.HeapAlloc) / kept; m2.HeapAlloc > m0.HeapAlloc && n > 2*size {
		t.Errorf("%d bytes for a packet of %d", n, size)
	}
	runtime.KeepAlive(r)
}
