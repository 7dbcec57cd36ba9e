package awsiot_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	awsiot "github.com/portage-iot/awsiot/v2"
)

// A Dialer that knows no context, as v1's socket factory, keeps neither the attempt nor Stop from ending.
func TestDialerIgnoresContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		release := make(chan struct{})
		c := awsiot.NewClient(awsiot.ClientOptions{Endpoint: "broker", Auth: awsiot.PlainTCP(), ConnectTimeout: 3 * time.Second,
			Dialer: func(context.Context, string, string) (net.Conn, error) { <-release; return near, nil }})
		began := time.Now()
		err := c.StartAndWait(context.Background())
		if took := time.Since(began); took != 3*time.Second || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v after %v", err, took)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		began = time.Now()
		if err := c.Stop(context.Background(), nil); err != nil || time.Since(began) != 0 {
			t.Errorf("Stop: %v after %v", err, time.Since(began))
		}
		_ = c.Close()
		close(release)
		synctest.Wait()
		if _, err := near.Write([]byte("x")); err == nil {
			t.Error("the connection that came too late is still open")
		}
	})
}
