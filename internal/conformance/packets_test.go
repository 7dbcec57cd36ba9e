package conformance

import (
	p5 "github.com/eclipse/paho.golang/packets"
	p3 "github.com/eclipse/paho.mqtt.golang/packets"
)

// topicOf returns the topic of a PUBLISH, "" of others.
func topicOf(m message) string {
	switch k := m.five.(type) {
	case *p5.Publish:
		return k.Topic
	}
	if k, ok := m.three.(*p3.PublishPacket); ok {
		return k.TopicName
	}
	return ""
}

// payloadOf returns the payload of a PUBLISH.
func payloadOf(m message) []byte {
	switch k := m.five.(type) {
	case *p5.Publish:
		return k.Payload
	}
	if k, ok := m.three.(*p3.PublishPacket); ok {
		return k.Payload
	}
	return nil
}
