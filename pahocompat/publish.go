package mqtt

import (
	"bytes"
	"errors"
	"time"
	"unsafe"

	paho "github.com/eclipse/paho.mqtt.golang"

	awsiot "github.com/portage-iot/awsiot/v2"
)

// Errors of Publish with paho's texts.
var (
	errPayload        = errors.New("unknown payload type")
	errNoIDs          = errors.New("no message IDs available")
	errPublishTimeout = errors.New("publish was broken by timeout")
)

const (
	// maxLoose is how many bytes of QoS 0 payloads may wait to be written before Publish waits, as it does in paho, which has no
	// queue at all.
	maxLoose = 1 << 20
	// maxTopic is how many bytes a topic may have [MQTT5-1.5.4].
	maxTopic = 65535
	// defaultWriteTimeout is paho's for WriteTimeout 0.
	defaultWriteTimeout = 30 * time.Second
)

// Publish implements Client.
func (c *client) Publish(topic string, qos byte, retained bool, payload any) Token {
	if p := c.paho.Load(); p != nil {
		return p.publish(topic, qos, retained, payload)
	}
	t := &PublishToken{c: c}
	s := c.status.load()
	if !c.connected(s) {
		t.fail(ErrNotConnected)
		return t
	}
	data, ok := bytesOf(payload)
	switch {
	case !ok:
		t.fail(errPayload)
		return t
	case qos == 2:
		t.fail(&errQoS2{"Publish"})
		return t
	case qos > 2:
		t.fail(ErrInvalidQos)
		return t
	case qos == 0 && s == statusReconnecting: // as paho: it is lost
		t.end(nil, nil)
		return t
	case qos == 0 && s == statusConnecting: // paho's token never ended
		t.fail(ErrNotConnected)
		return t
	}
	if len(topic) > maxTopic { // as paho: it has no place for more
		WARN.Println(CLI, "the topic is cut off behind", maxTopic, "bytes")
		topic = topic[:maxTopic]
	}
	if !c.decided.Load() {
		kept := bytes.Clone(data)
		c.remember(func() func(*pahoEngine) {
			if !t.move() {
				return nil
			}
			c.store.del(outbound, t.messageID)
			return func(p *pahoEngine) {
				go t.follow(p.c.Publish(topic, qos, retained, kept), nil) // ends with the operation
			}
		})
	}
	if qos == 0 {
		c.publishLoose(t, topic, retained, data)
		return t
	}
	c.publishKept(t, topic, retained, data)
	return t
}

// publishLoose publishes at QoS 0.
func (c *client) publishLoose(t *PublishToken, topic string, retained bool, data []byte) {
	if c.loose.Load() > maxLoose {
		if err := c.awaitRoom(); err != nil {
			t.fail(err)
			return
		}
	}
	t.size = len(data)
	c.loose.Add(int64(t.size))
	c.core.PublishFunc(&awsiot.PublishPacket{Topic: topic, Payload: data, Retain: retained}, t.written)
}

// written is the end of a QoS 0 publish: its bytes are in the socket, or it has failed.
func (t *PublishToken) written(_ awsiot.PublishResult, err error) {
	c := t.c
	if c.loose.Add(-int64(t.size)) <= maxLoose/2 && c.waiting.Load() {
		c.mu.Lock()
		c.wakeWriters()
		c.mu.Unlock()
	}
	t.end(operationError("Publish", err), nil)
}

// awaitRoom waits until what is to be written has become less, or the connection is gone.
func (c *client) awaitRoom() error {
	if c.core.InCallback() { // what it waits for may be told there
		return nil
	}
	limit := c.options.WriteTimeout
	if limit == 0 {
		limit = defaultWriteTimeout
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for {
		c.mu.Lock()
		if c.room == nil {
			c.room = make(chan struct{})
		}
		room := c.room
		c.waiting.Store(true)
		c.mu.Unlock()
		if c.loose.Load() <= maxLoose || c.status.load() != statusConnected {
			return nil
		}
		select {
		case <-room:
		case <-timer.C:
			return errPublishTimeout
		}
	}
}

// wakeWriters wakes who waits in awaitRoom. mu is held.
func (c *client) wakeWriters() {
	if c.room != nil {
		close(c.room)
		c.room = nil
		c.waiting.Store(false)
	}
}

// publishKept publishes at QoS 1, under an identifier that the store has, too.
func (c *client) publishKept(t *PublishToken, topic string, retained bool, data []byte) {
	id, ok := c.core.ReservePacketID(0)
	if !ok {
		t.fail(errNoIDs)
		return
	}
	t.messageID = id
	p := awsiot.PublishPacket{Topic: topic, Payload: data, QoS: awsiot.AtLeastOnce, Retain: retained, PacketID: id}
	if c.store != nil {
		if err := c.store.put(outbound, id, publishPacket(&p)); err != nil {
			c.core.ReleasePacketID(id)
			t.fail(err)
			return
		}
	}
	c.open.Add(1)
	c.core.PublishFunc(&p, t.settled)
}

// settled is the end of a QoS 1 publish. What has not reached the broker when the client ends stays in the store.
func (t *PublishToken) settled(_ awsiot.PublishResult, err error) {
	c := t.c
	c.open.Add(-1)
	if n := c.left.Load(); n > 0 && c.left.Add(-1) == 0 {
		c.liftWindow()
	}
	if c.store != nil && !errors.Is(err, awsiot.ErrStopped) && !errors.Is(err, awsiot.ErrClosed) {
		c.store.del(outbound, t.messageID)
	}
	c.core.ReleasePacketID(t.messageID)
	t.end(operationError("Publish", err), nil)
}

// bytesOf returns a payload as bytes, which are not changed.
func bytesOf(payload any) ([]byte, bool) {
	switch p := payload.(type) {
	case string:
		return unsafe.Slice(unsafe.StringData(p), len(p)), true // core only reads it, and copies what it keeps
	case []byte:
		return p, true
	case bytes.Buffer:
		return p.Bytes(), true
	}
	return nil, false
}

// publish is Publish on the paho engine.
func (p *pahoEngine) publish(topic string, qos byte, retained bool, payload any) Token {
	return &PublishToken{baseToken: baseToken{inner: paho.Token(p.c.Publish(topic, qos, retained, payload))}}
}
