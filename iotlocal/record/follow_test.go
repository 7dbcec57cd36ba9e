package record

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
)

// follower is a caller of Follow that takes one packet at a time.
type follower struct {
	next chan struct{}
	got  []string // "NUMBER" or "NUMBER after MISSED"; read after synctest.Wait
	done bool
}

func follow(ctx context.Context, r *Recorder) *follower {
	f := &follower{next: make(chan struct{}, 10_000)}
	packets := r.Follow(ctx) // from here on, although nobody ranges over it yet
	go func() {
		defer func() { f.done = true }()
		for p, missed := range packets {
			s := fmt.Sprint(p.Seq)
			if missed > 0 {
				s += fmt.Sprint(" after ", missed)
			}
			f.got = append(f.got, s)
			<-f.next
		}
	}()
	return f
}

func (f *follower) expect(t *testing.T, when string, want ...string) {
	t.Helper()
	synctest.Wait()
	if !slices.Equal(f.got, want) {
		t.Errorf("%s: got %q, want %q", when, f.got, want)
	}
	f.got = nil
}

func TestFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(300, 0) // more than a chunk
		add := func(n int) {
			for range n {
				r.Add(Packet{})
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		add(5)
		f := follow(ctx, r)
		fast := follow(ctx, r)
		for range 9_000 {
			fast.next <- struct{}{}
		}
		f.expect(t, "before a packet")
		add(1)
		f.expect(t, "one", "6")
		add(2)
		f.expect(t, "two while the caller is busy")
		f.next <- struct{}{}
		f.next <- struct{}{}
		f.expect(t, "when it takes them", "7", "8")
		fast.expect(t, "the other caller", "6", "7", "8")

		add(1000) // 708 of them are dropped
		f.next <- struct{}{}
		f.expect(t, "after a flood", "709 after 700")
		for range 299 {
			f.next <- struct{}{}
		}
		synctest.Wait()
		if n := len(f.got); n != 299 || f.got[n-1] != "1008" || f.got[0] != "710" {
			t.Errorf("%d packets, %q", n, f.got)
		}
		f.got, fast.got = nil, nil

		r.Reset()
		f.next <- struct{}{}
		f.expect(t, "after Reset")
		add(1)
		f.expect(t, "the first after it", "1")
		cancel()
		f.next <- struct{}{}
		synctest.Wait()
		if !f.done || !fast.done {
			t.Error("the end of the context did not end it")
		}
		if len(r.wakers) != 0 {
			t.Errorf("%d wakers are left", len(r.wakers))
		}
	})
}

// Close lets a caller see the rest.
func TestFollowToTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(0, 0)
		f := follow(t.Context(), r)
		for range 3 {
			r.Add(Packet{})
		}
		r.Close()
		for range 3 {
			f.next <- struct{}{}
		}
		f.expect(t, "the rest", "1", "2", "3")
		if !f.done {
			t.Error("Close did not end it")
		}
		for range r.Follow(t.Context()) {
			t.Error("a packet after the end")
		}
		packets := 0
		for range New(-1, 0).Follow(canceled(t)) {
			packets++
		}
		if packets > 0 {
			t.Errorf("%d packets of a recorder that keeps none", packets)
		}
	})
}

func canceled(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}
