package awsiot_test

import (
	"context"
	"testing"
	"time"

	"github.com/portage-iot/awsiot/iotlocal"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// A session of an hour is there after 59 minutes, and gone after 61, without a wait.
func TestClock(t *testing.T) {
	s := iotlocal.StartT(t, iotlocal.Options{})
	connect := func() bool {
		c := awsiot.NewClient(awsiot.ClientOptions{Endpoint: s.Host(), Port: s.TCPPort(), ClientID: "keeper", Auth: awsiot.PlainTCP(),
			SessionBehavior: awsiot.RejoinAlways, SessionExpiry: time.Hour})
		defer c.Close()
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := c.StartAndWait(ctx); err != nil {
			t.Fatal(err)
		}
		success, err := c.AwaitConnected(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return success.Settings.RejoinedSession
	}
	if connect() {
		t.Error("a session before the first connection")
	}
	began := s.Clock().Now()
	s.Clock().Advance(59 * time.Minute)
	if !connect() {
		t.Error("the session is gone after 59 minutes")
	}
	s.Clock().Advance(61 * time.Minute)
	if _, ok := s.Session("keeper"); ok {
		t.Error("the session is still there")
	}
	if connect() {
		t.Error("rejoined after 61 minutes")
	}
	if d := s.Clock().Now().Sub(began); d < 2*time.Hour || d > 2*time.Hour+time.Minute {
		t.Errorf("the clock moved by %v", d)
	}
}
