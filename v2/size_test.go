package awsiot

import (
	"strconv"
	"testing"
	"unsafe"
)

// What a client that is idle holds comes in sizes of Go's allocator, which 8 bytes more make the next one: 128 bytes for a
// client and as many for its connection, in a process with thousands of them. A new field either finds a place among the others, or
// is worth that, and the number here is changed.
func TestSizes(t *testing.T) {
	if strconv.IntSize != 64 {
		return // the sizes are those of 64 bits
	}
	const header = 8 // of what has pointers and is larger than 512 bytes
	for _, s := range []struct {
		what       string
		size, most uintptr
	}{
		{"Client", unsafe.Sizeof(Client{}), 1152 - header},
		{"link", unsafe.Sizeof(link{}), 896 - header},
		{"config", unsafe.Sizeof(config{}), 704 - header},
		{"lane", unsafe.Sizeof(lane{}), 176},
	} {
		if s.size > s.most {
			t.Errorf("%s has %d bytes, which is more than %d", s.what, s.size, s.most)
		}
	}
}

// Channels, of about 100 bytes each, are made by who waits.
func TestIdleClientHasNoChannels(t *testing.T) {
	c := NewClient(ClientOptions{Endpoint: "localhost", Auth: PlainTCP()})
	if c.closing != nil || c.live.ended != nil || c.calls.gate.busy != nil {
		t.Error("made before anybody waits")
	}
	before, closing := c.Done(), c.untilClose()
	_ = c.Close()
	<-before
	<-closing
	<-c.Done()
	<-c.untilClose()
	d := NewClient(ClientOptions{})
	_ = d.Close()
	<-d.Done()
	<-d.untilClose()
	if d.closing != nil || d.live.ended != nil {
		t.Error("made though the end has come")
	}
}
