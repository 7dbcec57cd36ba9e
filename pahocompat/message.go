package mqtt

import (
	"sync"

	awsiot "github.com/portage-iot/awsiot/v2"
)

// message is a received message for paho's handlers.
type message struct {
	m    *awsiot.Message
	once sync.Once
	held func() error // the acknowledgement, where the client does not give it by itself
}

// Duplicate implements Message.
func (m *message) Duplicate() bool { return m.m.Duplicate }

// Qos implements Message.
func (m *message) Qos() byte { return byte(m.m.QoS) }

// Retained implements Message.
func (m *message) Retained() bool { return m.m.Retain }

// Topic implements Message.
func (m *message) Topic() string { return m.m.Topic }

// MessageID implements Message.
func (m *message) MessageID() uint16 { return m.m.PacketID() }

// Payload implements Message.
func (m *message) Payload() []byte { return m.m.Payload }

// hold takes the acknowledgement over, if there is one. Only while the message is delivered.
func (m *message) hold() {
	if m.held == nil {
		m.held, _ = m.m.HoldAck()
	}
}

// Ack acknowledges the message, once. On another connection than the message's it does nothing: the broker sends it again.
func (m *message) Ack() {
	m.once.Do(func() {
		m.hold() // called by a handler before the client acknowledges by itself
		if m.held == nil {
			return
		}
		if err := m.held(); err != nil {
			DEBUG.Println(ROU, "acknowledgement dropped:", err)
		}
	})
}
