package nullbroker

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"github.com/portage-iot/awsiot/bench/internal/frame"
)

// blast is what a client orders with ctl/blast.
type blast struct {
	count, qos, size, topics, window int
}

// String is the payload that orders it.
func (o blast) String() string {
	return fmt.Sprintf("%d %d %d %d %d", o.count, o.qos, o.size, o.topics, o.window)
}

func parseBlast(s string) (o blast, err error) {
	f := strings.Fields(s)
	if len(f) != 5 {
		return o, fmt.Errorf("nullbroker: blast %q: want 5 numbers", s)
	}
	for i, p := range []*int{&o.count, &o.qos, &o.size, &o.topics, &o.window} {
		if *p, err = strconv.Atoi(f[i]); err != nil {
			return o, fmt.Errorf("nullbroker: blast %q: %w", s, err)
		}
	}
	if o.count < 0 || o.qos < 0 || o.qos > 1 || o.size < 0 || o.size > maxPacket/2 || o.topics < 1 || o.topics > 1<<20 || o.window < 1 || o.window > 65535 {
		return o, fmt.Errorf("nullbroker: blast %q: out of range", s)
	}
	return o, nil
}

// startBlast runs o after the blasts of this connection that were ordered
// before it. It is called by the serve goroutine, which joins it.
func (k *conn) startBlast(o blast) {
	var sem chan struct{}
	if o.qos > 0 {
		sem = make(chan struct{}, o.window)
	}
	k.sem = sem
	k.blasts.Go(func() {
		k.turn.Lock()
		defer k.turn.Unlock()
		k.blast(o, sem)
	})
}

// blast encodes as fast as it can and writes 64 KiB at a time, or what there
// is when the window is full.
func (k *conn) blast(o blast, sem chan struct{}) {
	names := make([]string, o.topics)
	for i := range names {
		names[i] = "bench/" + strconv.Itoa(i)
	}
	payload := make([]byte, o.size)
	buf := make([]byte, 0, fullBuffer+o.size+64)
	id := uint16(0)
	for i := range o.count {
		if sem != nil {
			select {
			case sem <- struct{}{}:
			default:
				if len(buf) > 0 && !k.write(buf) {
					return
				}
				buf = buf[:0]
				select {
				case sem <- struct{}{}:
				case <-k.gone:
					return
				}
			}
			if id++; id == 0 {
				id = 1
			}
		}
		if o.size >= 8 {
			binary.BigEndian.PutUint64(payload, uint64(i))
		}
		buf = frame.AppendPublish(buf, k.v5, byte(o.qos), names[i%o.topics], id, payload)
		if len(buf) >= fullBuffer {
			if !k.write(buf) {
				return
			}
			buf = buf[:0]
		}
	}
	if len(buf) > 0 {
		k.write(buf)
	}
}
