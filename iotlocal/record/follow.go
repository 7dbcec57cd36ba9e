package record

import (
	"context"
	"iter"
	"sort"
)

// Follow returns the packets as they are recorded, from the next one on, until
// ctx ends or the server is closed; in the latter case it ends after the last
// packet. The second value is how many packets were recorded before this one that
// the caller was too slow to see: the caps let them go. What Reset forgets is not
// counted.
//
// It keeps no packet and no goroutine: a slow caller delays nobody.
func (r *Recorder) Follow(ctx context.Context) iter.Seq2[Packet, int] {
	wake := make(chan struct{}, 1)
	r.mu.Lock()
	next, resets := r.seq+1, r.resets
	r.mu.Unlock()
	return func(yield func(Packet, int) bool) {
		r.followers.Add(1)
		defer r.followers.Add(-1)
		r.mu.Lock()
		r.wakers[wake] = struct{}{}
		r.mu.Unlock()
		defer func() {
			r.mu.Lock()
			delete(r.wakers, wake)
			r.mu.Unlock()
		}()
		for ctx.Err() == nil {
			r.mu.Lock()
			if r.resets != resets {
				next, resets = 1, r.resets
			}
			p, missed, ok := r.from(next)
			closed := r.err != nil
			r.mu.Unlock()
			switch {
			case ok:
				next = p.Seq + 1
				if !yield(p, missed) {
					return
				}
			case closed:
				return
			default:
				select {
				case <-wake:
				case <-ctx.Done():
				}
			}
		}
	}
}

// Followed reports whether somebody ranges over what Follow returned. What is only
// for them, PolicyDecided, need not be made when nobody does. It costs next to
// nothing.
func (r *Recorder) Followed() bool { return r != nil && r.cap >= 0 && r.followers.Load() > 0 }

// from returns the first packet that is kept of those with number seq or more,
// and how many of those there were before it. r.mu is held.
func (r *Recorder) from(seq int) (p Packet, missed int, ok bool) {
	oldest := r.seq - r.n + 1
	if seq < oldest {
		missed, seq = oldest-seq, oldest
	}
	if seq > r.seq {
		return Packet{}, 0, false
	}
	at := sort.Search(len(r.chunks), func(i int) bool { return r.chunks[i].first > seq }) - 1
	return r.chunks[at].packet(seq - r.chunks[at].first), missed, true
}
