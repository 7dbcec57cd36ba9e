//go:build !race

package wire

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"runtime"
	"testing"
)

// A million malformed packets, each one or two changes away from a good one. Nothing panics; every error is
// an *Error with a code that DISCONNECT can have; what is decoded allocates in proportion to its bytes. The same
// million each time (under -race it would take too long; the fuzz targets run there).
func TestFaultRandom(t *testing.T) {
	const inputs = 1_000_000
	r := rand.New(rand.NewPCG(16, 5))
	list := samples(t)
	var refused, waiting, accepted int
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	size := uint64(0)
	for range inputs {
		b := bytes.Clone(list[r.IntN(len(list))].raw)
		for range 1 + r.IntN(2) {
			switch at := r.IntN(len(b)); r.IntN(6) {
			case 0:
				b[at] = byte(r.Uint32())
			case 1:
				b[at] ^= 1 << r.IntN(8)
			case 2: // cut off
				b = b[:at+1]
			case 3: // a byte more
				b = append(b, byte(r.Uint32()))
			case 4: // the length says that it is whole
				if len(b) >= 2 && len(b) < 130 {
					b[1] = byte(len(b) - 2)
				}
			case 5: // a piece of another packet
				other := list[r.IntN(len(list))].raw
				b = append(b[:at], other[r.IntN(len(other)):]...)
				if len(b) == 0 {
					b = []byte{0}
				}
			}
		}
		size += uint64(len(b))
		f, need, err := Next(b, 1<<20)
		switch {
		case err == nil && need > 0:
			waiting++
			continue
		case err != nil:
		case f.Type() == TypePublish:
			var p InPublish
			err = ParsePublish(f, &p)
		case f.Type() == TypePuback:
			var a Ack
			err = ParseAck(f, &a)
		default:
			_, err = Decode(f)
		}
		if err == nil {
			accepted++
			continue
		}
		refused++
		var e *Error
		if !errors.As(err, &e) || e.Code < 0x80 {
			t.Fatalf("%x: %v", b, err)
		}
	}
	runtime.ReadMemStats(&after)
	if per := float64(after.TotalAlloc-before.TotalAlloc) / float64(size); per > 100 {
		t.Errorf("%.0f bytes allocated per byte of input", per)
	}
	if refused < inputs/4 || accepted < inputs/20 || waiting < inputs/20 {
		t.Errorf("%d refused, %d incomplete, %d accepted: the inputs do not cover these", refused, waiting, accepted)
	}
}
