//go:build !race

package v1compat_test

import (
	"io"
	"net"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/portage-iot/awsiot/internal/facadetest"

	"github.com/portage-iot/awsiot/v1compat"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// TestPublishAllocations: Publish of []byte costs no allocation more than that of the client beneath, which is none.
func TestPublishAllocations(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	const topic = "a/b"
	payload := make([]byte, 256)
	head := 3 + 2 + len(topic) // type, remaining length, topic
	go func() {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		buf, ack := make([]byte, 1024), []byte{0x40, 2, 0, 0}
		if _, err := conn.Read(buf); err != nil {
			return
		}
		for _, err = conn.Write([]byte{0x20, 3, 0, 0, 0}); err == nil; { // CONNACK, then what QoS 1 wants
			if _, err = io.ReadFull(conn, buf[:head+1+len(payload)]); err == nil && buf[0]&2 != 0 {
				if _, err = io.ReadFull(conn, buf[1000:1002]); err == nil { // two more for the id
					copy(ack[2:], buf[head:head+2])
					_, err = conn.Write(ack)
				}
			}
		}
	}()
	c := v1compat.NewAWSIoTMQTTClient("c")
	c.ConfigureEndpoint("localhost", 1883)
	c.ConfigureSocketFactory(func() (net.Conn, error) { return net.Dial("tcp", ln.Addr().String()) })
	require.NoError(t, c.Connect())
	defer c.Disconnect()
	core, packet := c.V2(), &awsiot.PublishPacket{Topic: topic, Payload: payload}
	for _, qos := range []byte{0, 1} {
		packet.QoS = awsiot.QoS(qos)
		beneath := testing.AllocsPerRun(500, func() {
			_, err := core.Publish(t.Context(), packet)
			assert.NoError(t, err)
		})
		facade := testing.AllocsPerRun(500, func() {
			facadetest.Acked(t)(c.Publish(topic, payload, qos))
		})
		assert.LessOrEqual(t, facade, beneath, "QoS %d: %.2f allocations, and %.2f of the client beneath", qos, facade, beneath)
		assert.Zero(t, beneath, "QoS %d: %.2f allocations, and %.2f of the client beneath", qos, facade, beneath)
	}
}
