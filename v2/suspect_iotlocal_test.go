package awsiot_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/portage-iot/awsiot/iotlocal"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// localClient returns a client of s without the limits of AWS IoT Core, which comes back quickly.
func localClient(t *testing.T, s *iotlocal.Server, change func(*awsiot.ClientOptions)) *awsiot.Client {
	o := awsiot.ClientOptions{Endpoint: s.Host(), Port: s.TCPPort(), ClientID: "c", Auth: awsiot.PlainTCP(), FlowControl: awsiot.FlowControlOff,
		MinReconnectDelay: 10 * time.Millisecond, MaxReconnectDelay: 100 * time.Millisecond, RetryJitterMode: awsiot.JitterNone}
	if change != nil {
		change(&o)
	}
	c := awsiot.NewClient(o)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// A payload above AWS's 128 KiB, in a packet that is below the maximum of CONNACK: the broker answers DISCONNECT 0x95, and
// the publish ends with that. What is behind it arrives.
func TestTooLargeForAWS(t *testing.T) {
	for _, size := range []int{131_073, 140_000, 149_480} {
		s := iotlocal.StartT(t, iotlocal.Options{})
		c := localClient(t, s, nil)
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := c.StartAndWait(ctx); err != nil {
			t.Fatal(err)
		}
		large := c.PublishAsync(&awsiot.PublishPacket{Topic: "t", Payload: make([]byte, size), QoS: 1})
		behind := c.PublishAsync(packet("t", "behind", 1))
		_, err := large.Wait(ctx)
		re, ok := errors.AsType[*awsiot.ReasonError](err)
		if !ok || re.Code != awsiot.ReasonPacketTooLarge || re.Op != "publish" || awsiot.Retryable(err) || !errors.Is(err, awsiot.ErrEndsConnection) ||
			!strings.Contains(err.Error(), "a payload of at most 131072") {
			t.Errorf("%d bytes: %v", size, err)
		}
		if _, err := behind.Wait(ctx); err != nil {
			t.Errorf("behind: %v", err)
		}
		if n := c.Stats().Reconnects; n < 2 || n > 6 {
			t.Errorf("%d reconnects", n)
		}
	}
}

// The largest payload of AWS is taken, and a packet above the maximum of CONNACK refused before it is sent.
func TestLimitsOfPackets(t *testing.T) {
	s := iotlocal.StartT(t, iotlocal.Options{})
	c := localClient(t, s, nil)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := c.StartAndWait(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Publish(ctx, &awsiot.PublishPacket{Topic: "t", Payload: make([]byte, 131_072), QoS: 1}); err != nil {
		t.Error(err)
	}
	_, err := c.Publish(ctx, &awsiot.PublishPacket{Topic: "t", Payload: make([]byte, 160_000), QoS: 1})
	var ve *awsiot.ValidationError
	if !errors.As(err, &ve) || ve.Field != "Payload" {
		t.Error(err)
	}
	if n := c.Stats().Reconnects; n != 0 {
		t.Errorf("%d reconnects", n)
	}
}

// Nine filters in one SUBSCRIBE: IoT Core ends the connection; the error says what is wrong, and the routes are gone.
func TestTooManyFiltersForAWS(t *testing.T) {
	s := iotlocal.StartT(t, iotlocal.Options{})
	c := localClient(t, s, nil)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := c.StartAndWait(ctx); err != nil {
		t.Fatal(err)
	}
	_, err := c.Subscribe(ctx, filters(nil, manyFilters(9)...))
	if code, ok := awsiot.ReasonOf(err); !ok || code != awsiot.ReasonQuotaExceeded || !strings.Contains(err.Error(), "at most 8") || strings.Contains(err.Error(), "send less often") {
		t.Errorf("%v", err)
	}
	if _, err := c.Subscribe(ctx, filters(nil, manyFilters(8)...)); err != nil {
		t.Error(err)
	}
}
