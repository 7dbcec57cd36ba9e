package awsiot

import (
	"time"

	"github.com/portage-iot/awsiot/v2/internal/wire"
)

// fromConnack converts a CONNACK of the codec.
func fromConnack(w *wire.Connack) *ConnackPacket {
	p := &ConnackPacket{
		SessionPresent: w.SessionPresent, Code: ReasonCode(w.Code), Reason: w.Reason,
		SessionExpiry: seconds(w.SessionExpiry), ReceiveMaximum: w.ReceiveMaximum, RetainAvailable: w.RetainAvailable,
		MaximumPacketSize: w.MaximumPacketSize, AssignedClientIdentifier: w.AssignedClientID, TopicAliasMaximum: w.TopicAliasMaximum,
		UserProperties: fromWireProperties(w.User), WildcardSubscriptionsAvailable: w.WildcardSubscriptionsAvailable,
		SubscriptionIdentifiersAvailable: w.SubscriptionIDsAvailable, SharedSubscriptionsAvailable: w.SharedSubscriptionsAvailable,
		ResponseInformation: w.ResponseInformation, ServerReference: w.ServerReference,
	}
	if w.MaximumQoS != nil {
		p.MaximumQoS = new(QoS(*w.MaximumQoS))
	}
	if w.ServerKeepAlive != nil {
		p.ServerKeepAlive = new(time.Duration(*w.ServerKeepAlive) * time.Second)
	}
	return p
}

// negotiate returns what holds on a connection: CONNACK over what CONNECT asked for over MQTT's defaults.
func negotiate(o *ClientOptions, ack *ConnackPacket, clientID string) NegotiatedSettings {
	s := NegotiatedSettings{
		MaximumQoS: AtLeastOnce, SessionExpiry: o.SessionExpiry, ReceiveMaximumFromServer: 65535,
		MaximumPacketSizeToServer: wire.MaxPacket, ServerKeepAlive: o.KeepAlive,
		RetainAvailable: true, WildcardSubscriptionsAvailable: true,
		SubscriptionIdentifiersAvailable: true, SharedSubscriptionsAvailable: true,
		RejoinedSession: ack.SessionPresent, ClientID: clientID,
	}
	if ack.MaximumQoS != nil {
		s.MaximumQoS = min(*ack.MaximumQoS, AtLeastOnce)
	}
	if o.TopicAliasing.Inbound == AliasEnabled {
		s.TopicAliasMaximumToClient = o.TopicAliasing.InboundMaximum
	}
	override(&s.SessionExpiry, ack.SessionExpiry)
	override(&s.ReceiveMaximumFromServer, ack.ReceiveMaximum)
	override(&s.MaximumPacketSizeToServer, ack.MaximumPacketSize)
	override(&s.TopicAliasMaximumToServer, ack.TopicAliasMaximum)
	override(&s.ServerKeepAlive, ack.ServerKeepAlive)
	override(&s.RetainAvailable, ack.RetainAvailable)
	override(&s.WildcardSubscriptionsAvailable, ack.WildcardSubscriptionsAvailable)
	override(&s.SubscriptionIdentifiersAvailable, ack.SubscriptionIdentifiersAvailable)
	override(&s.SharedSubscriptionsAvailable, ack.SharedSubscriptionsAvailable)
	return s
}

func override[T any](dst *T, v *T) {
	if v != nil {
		*dst = *v
	}
}
