package journal

import (
	"fmt"
	"testing"
)

// What a publish costs that is kept: Append when it is accepted, Remove when it is
// acknowledged.
func BenchmarkAppendRemove(b *testing.B) {
	for _, tt := range []struct {
		size, batch int
		sync        SyncPolicy
	}{{256, 1, SyncNone}, {256, 16, SyncNone}, {128 << 10, 1, SyncNone}, {256, 1, SyncEach}} {
		b.Run(fmt.Sprintf("%dB/batch=%d/%v", tt.size, tt.batch, tt.sync), func(b *testing.B) {
			j, _ := mustOpen(b, b.TempDir(), Options{Sync: tt.sync})
			data := make([][]byte, tt.batch)
			for i := range data {
				data[i] = make([]byte, tt.size)
			}
			ids := make([]uint64, tt.batch)
			b.ReportAllocs()
			b.SetBytes(int64(tt.size))
			for n := 0; n < b.N; n += tt.batch {
				first, err := j.AppendBatch(data...)
				for i := range ids {
					ids[i] = first + uint64(i)
				}
				if err == nil {
					err = j.Remove(ids...)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// With a hundred in flight, as a client has them.
func BenchmarkInFlight100(b *testing.B) {
	j, _ := mustOpen(b, b.TempDir(), Options{})
	data := make([]byte, 256)
	var ring [100]uint64
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if err := j.Remove(ring[i%100]); err != nil {
			b.Fatal(err)
		}
		id, err := j.Append(data)
		if err != nil {
			b.Fatal(err)
		}
		ring[i%100] = id
	}
}

// Restart with a long queue.
func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	j, _ := mustOpen(b, dir, Options{})
	const n = 100_000
	for range n {
		if _, err := j.Append(make([]byte, 256)); err != nil {
			b.Fatal(err)
		}
	}
	kill(j)
	b.ReportAllocs()
	for b.Loop() {
		j, records, err := Open(dir, Options{})
		if err != nil || len(records) != n {
			b.Fatal(len(records), err)
		}
		kill(j)
	}
}
