package awsiot

import (
	"testing"
	"testing/synctest"
	"time"
)

// A call to the loop that comes when it is about to read again anyway is not kept for the next time that it stands aside:
// it would read at once then, and the call after it would wait for ever, with the lock held.
func TestLeadForgetsStaleCall(t *testing.T) {
	for range 50 { // whether the loop sees the call or its clock first is up to chance
		synctest.Test(t, func(t *testing.T) {
			c := NewClient(ClientOptions{Endpoint: "127.0.0.1", ClientID: "c", Auth: PlainTCP()})
			defer c.Close()
			d := &lead{aside: true, reading: true, back: make(chan struct{}, 1)}
			l := &link{c: c, lead: d, have: 1} // 1: something to read is there, so that follow reads nothing
			ended := make(chan error)
			go func() { ended <- l.follow() }()
			synctest.Wait()
			c.mu.Lock()
			time.Sleep(leadLook) // the loop wants to look, and waits for the lock
			d.end(false)         // the publish that reads has found something that is not its own
			c.mu.Unlock()
			if err := <-ended; err != nil {
				t.Fatal(err)
			}
			if d.aside || d.reading || d.called || len(d.back) > 0 {
				t.Fatalf("after it: %+v, %d calls", *d, len(d.back))
			}
		})
	}
}
