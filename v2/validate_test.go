package awsiot_test

import (
	"errors"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eclipse/paho.golang/packets"
	awsiot "github.com/portage-iot/awsiot/v2"
)

const (
	badUTF8 = "a\xff"
	nul     = "a\x00"
)

var (
	long       = strings.Repeat("x", 65536)
	properties = map[string][]awsiot.UserProperty{ // by the field that is wrong
		"UserProperties[1].Name":  {{}, {Name: badUTF8}},
		"UserProperties[0].Name":  {{Name: long}},
		"UserProperties[0].Value": {{Value: badUTF8}},
		"UserProperties[2].Value": {{}, {}, {Value: long}},
		"UserProperties":          make([]awsiot.UserProperty, 1025),
	}
)

// wrong checks that err is one ValidationError for the field.
func wrong(t *testing.T, name string, err error, field string) {
	t.Helper()
	var ve *awsiot.ValidationError
	switch {
	case !errors.As(err, &ve) || ve.Field != field:
		t.Errorf("%s: got %v, want a ValidationError for %s", name, err, field)
	case !strings.HasPrefix(err.Error(), "awsiot: "+field+": ") || awsiot.Retryable(err):
		t.Errorf("%s: text %q, Retryable %v", name, err, awsiot.Retryable(err))
	}
}

// Cases of aws-c-mqtt's tests: validation publish. Nothing is sent, nothing is queued.
func TestValidatePublish(t *testing.T) {
	type P = awsiot.PublishPacket
	cases := map[string]struct {
		p     P
		field string
	}{
		"no topic":                  {P{}, "Topic"},
		"wildcard +":                {P{Topic: "a/+"}, "Topic"},
		"wildcard #":                {P{Topic: "#"}, "Topic"},
		"topic not UTF-8":           {P{Topic: badUTF8}, "Topic"},
		"topic with NUL":            {P{Topic: nul}, "Topic"},
		"topic too long":            {P{Topic: long}, "Topic"},
		"QoS 2":                     {P{Topic: "t", QoS: awsiot.ExactlyOnce}, "QoS"},
		"QoS 7":                     {P{Topic: "t", QoS: 7}, "QoS"},
		"payload format":            {P{Topic: "t", PayloadFormat: new(awsiot.PayloadFormat(2))}, "PayloadFormat"},
		"payload not UTF-8":         {P{Topic: "t", Payload: []byte(badUTF8), PayloadFormat: new(awsiot.PayloadUTF8)}, "Payload"},
		"expiry negative":           {P{Topic: "t", MessageExpiry: new(-time.Second)}, "MessageExpiry"},
		"expiry too long":           {P{Topic: "t", MessageExpiry: new((math.MaxUint32 + 1) * time.Second)}, "MessageExpiry"},
		"response topic wildcard":   {P{Topic: "t", ResponseTopic: "a/#"}, "ResponseTopic"},
		"response topic not UTF-8":  {P{Topic: "t", ResponseTopic: badUTF8}, "ResponseTopic"},
		"response topic too long":   {P{Topic: "t", ResponseTopic: long}, "ResponseTopic"},
		"correlation data too long": {P{Topic: "t", CorrelationData: []byte(long)}, "CorrelationData"},
		"content type too long":     {P{Topic: "t", ContentType: long}, "ContentType"},
		"content type not UTF-8":    {P{Topic: "t", ContentType: badUTF8}, "ContentType"},
	}
	for field, u := range properties {
		cases[field] = struct {
			p     P
			field string
		}{P{Topic: "t", UserProperties: u}, field}
	}
	c := awsiot.NewClient(awsiot.ClientOptions{Endpoint: "e", Auth: awsiot.PlainTCP()})
	defer func() { _ = c.Close() }()
	for name, tt := range cases {
		_, err := c.Publish(t.Context(), &tt.p)
		wrong(t, name, err, tt.field)
		wrong(t, name+", future", c.PublishAsync(&tt.p).Err(), tt.field)
		done := make(chan error)
		c.PublishFunc(&tt.p, func(_ awsiot.PublishResult, err error) { done <- err })
		wrong(t, name+", callback", <-done, tt.field)
	}
	if s := c.Stats(); s != (awsiot.OperationStatistics{}) {
		t.Errorf("%+v", s)
	}
}

// Cases of aws-c-mqtt's tests: validation subscribe and unsubscribe.
func TestValidateSubscribe(t *testing.T) {
	type S = awsiot.Subscription
	one := func(s S) awsiot.SubscribePacket { return awsiot.SubscribePacket{Subscriptions: []S{s}} }
	cases := map[string]struct {
		p     awsiot.SubscribePacket
		field string
	}{
		"none":             {awsiot.SubscribePacket{}, "Subscriptions"},
		"too many":         {awsiot.SubscribePacket{Subscriptions: make([]S, 1025)}, "Subscriptions"},
		"twice":            {awsiot.SubscribePacket{Subscriptions: []S{{TopicFilter: "a"}, {TopicFilter: "a"}}}, "Subscriptions[1].TopicFilter"},
		"no filter":        {one(S{}), "Subscriptions[0].TopicFilter"},
		"# in the middle":  {one(S{TopicFilter: "a/#/b"}), "Subscriptions[0].TopicFilter"},
		"+ in a level":     {one(S{TopicFilter: "a+/b"}), "Subscriptions[0].TopicFilter"},
		"not UTF-8":        {one(S{TopicFilter: badUTF8}), "Subscriptions[0].TopicFilter"},
		"too long":         {one(S{TopicFilter: long}), "Subscriptions[0].TopicFilter"},
		"no share name":    {one(S{TopicFilter: "$share//a"}), "Subscriptions[0].TopicFilter"},
		"no shared filter": {one(S{TopicFilter: "$share/g/"}), "Subscriptions[0].TopicFilter"},
		"share wildcard":   {one(S{TopicFilter: "$share/+/a"}), "Subscriptions[0].TopicFilter"},
		"QoS 2":            {one(S{TopicFilter: "a", QoS: 2}), "Subscriptions[0].QoS"},
		"retain handling":  {one(S{TopicFilter: "a", RetainHandling: 3}), "Subscriptions[0].RetainHandling"},
		"shared, no local": {one(S{TopicFilter: "$share/g/a", NoLocal: true}), "Subscriptions[0].NoLocal"},
		"identifier 0":     {awsiot.SubscribePacket{Subscriptions: []S{{TopicFilter: "a"}}, SubscriptionIdentifier: new(uint32)}, "SubscriptionIdentifier"},
		"identifier 2^28":  {awsiot.SubscribePacket{Subscriptions: []S{{TopicFilter: "a"}}, SubscriptionIdentifier: new(uint32(1 << 28))}, "SubscriptionIdentifier"},
	}
	c := awsiot.NewClient(awsiot.ClientOptions{Endpoint: "e", Auth: awsiot.PlainTCP()})
	defer func() { _ = c.Close() }()
	for name, tt := range cases {
		_, err := c.Subscribe(t.Context(), &tt.p)
		wrong(t, name, err, tt.field)
		wrong(t, name+", future", c.SubscribeAsync(&tt.p).Err(), tt.field)
	}
	for field, u := range properties {
		wrong(t, "subscribe "+field, c.SubscribeAsync(&awsiot.SubscribePacket{Subscriptions: []S{{TopicFilter: "a"}}, UserProperties: u}).Err(), field)
		wrong(t, "unsubscribe "+field, c.UnsubscribeAsync(&awsiot.UnsubscribePacket{TopicFilters: []string{"a"}, UserProperties: u}).Err(), field)
	}
	for name, tt := range map[string]struct {
		fs    []string
		field string
	}{"none": {nil, "TopicFilters"}, "too many": {make([]string, 1025), "TopicFilters"}, "invalid": {[]string{"a", "a/#/b"}, "TopicFilters[1]"},
		"not UTF-8": {[]string{badUTF8}, "TopicFilters[0]"}, "too long": {[]string{long}, "TopicFilters[0]"}} {
		_, err := c.Unsubscribe(t.Context(), &awsiot.UnsubscribePacket{TopicFilters: tt.fs})
		wrong(t, "unsubscribe "+name, err, tt.field)
	}
}

// Cases of aws-c-mqtt's tests: validation connect and client options. Validate reports every problem at once, and Start the same.
func TestValidateOptions(t *testing.T) {
	type O = awsiot.ClientOptions
	var all []string
	every := O{Endpoint: "e", Auth: awsiot.PlainTCP()}
	for name, tt := range map[string]struct {
		change func(o *O)
		field  string
	}{
		"no endpoint":           {func(o *O) { o.Endpoint = "" }, "Endpoint"},
		"a URL":                 {func(o *O) { o.Endpoint = "mqtts://host" }, "Endpoint"},
		"a port in it":          {func(o *O) { o.Endpoint = "host:8883" }, "Endpoint"},
		"port":                  {func(o *O) { o.Port = 65536 }, "Port"},
		"no auth":               {func(o *O) { o.Auth = nil }, "Auth"},
		"auth without a file":   {func(o *O) { o.Auth = awsiot.MTLSFromPath("", "") }, "Auth"},
		"auth without PEM":      {func(o *O) { o.Auth = awsiot.MTLSFromBytes([]byte("x"), []byte("y")) }, "Auth"},
		"client id not UTF-8":   {func(o *O) { o.ClientID = badUTF8 }, "ClientID"},
		"client id too long":    {func(o *O) { o.ClientID = long }, "ClientID"},
		"user name not UTF-8":   {func(o *O) { o.Username = badUTF8 }, "Username"},
		"user name too long":    {func(o *O) { o.Username = long }, "Username"},
		"password too long":     {func(o *O) { o.Password = []byte(long) }, "Password"},
		"keep alive":            {func(o *O) { o.KeepAlive = 65536 * time.Second }, "KeepAlive"},
		"keep alive in ms":      {func(o *O) { o.KeepAlive = 30 }, "KeepAlive"},
		"session expiry":        {func(o *O) { o.SessionExpiry = -1 }, "SessionExpiry"},
		"session without unit":  {func(o *O) { o.SessionExpiry = 3600 }, "SessionExpiry"},
		"connect without unit":  {func(o *O) { o.ConnectTimeout = 10 }, "ConnectTimeout"},
		"CONNACK without unit":  {func(o *O) { o.ConnackTimeout = 20 }, "ConnackTimeout"},
		"ping without unit":     {func(o *O) { o.PingTimeout = 30 }, "PingTimeout"},
		"ack without unit":      {func(o *O) { o.AckTimeout = 60 }, "AckTimeout"},
		"session behavior":      {func(o *O) { o.SessionBehavior = 9 }, "SessionBehavior"},
		"rejoin without expiry": {func(o *O) { o.SessionBehavior = awsiot.RejoinAlways }, "SessionBehavior"},
		"packet size":           {func(o *O) { o.MaximumPacketSize = math.MaxUint32 }, "MaximumPacketSize"},
		"ack of nothing":        {func(o *O) { o.PingTimeout = -1 }, "PingTimeout"},
		"connect timeout":       {func(o *O) { o.ConnectTimeout = -1 }, "ConnectTimeout"},
		"CONNACK timeout":       {func(o *O) { o.ConnackTimeout = -1 }, "ConnackTimeout"},
		"min delay":             {func(o *O) { o.MinReconnectDelay = -1 }, "MinReconnectDelay"},
		"max delay":             {func(o *O) { o.MaxReconnectDelay = -1 }, "MaxReconnectDelay"},
		"initial delay":         {func(o *O) { o.InitialReconnectDelay = -1 }, "InitialReconnectDelay"},
		"reset":                 {func(o *O) { o.MinConnectedTimeToResetReconnectDelay = -1 }, "MinConnectedTimeToResetReconnectDelay"},
		"jitter":                {func(o *O) { o.RetryJitterMode = 7 }, "RetryJitterMode"},
		"queue behavior":        {func(o *O) { o.OfflineQueue.Behavior = -1 }, "OfflineQueue.Behavior"},
		"queue full":            {func(o *O) { o.OfflineQueue.WhenFull = 3 }, "OfflineQueue.WhenFull"},
		"queue bytes":           {func(o *O) { o.OfflineQueue.MaxBytes = -1 }, "OfflineQueue.MaxBytes"},
		"drain rate":            {func(o *O) { o.OfflineQueue.DrainRate = math.NaN() }, "OfflineQueue.DrainRate"},
		"in flight":             {func(o *O) { o.MaxInflight = -1 }, "MaxInflight"},
		"resubscribe":           {func(o *O) { o.Resubscribe.When = 3 }, "Resubscribe.When"},
		"batch":                 {func(o *O) { o.Resubscribe.BatchSize = 1025 }, "Resubscribe.BatchSize"},
		"inbound bytes":         {func(o *O) { o.Inbound.MaxBytes = -1 }, "Inbound.MaxBytes"},
		"inbound block":         {func(o *O) { o.Inbound.WhenFull = awsiot.Block }, "Inbound.WhenFull"},
		"will topic":            {func(o *O) { o.Will = &awsiot.Will{Topic: "#"} }, "Will.Topic"},
		"will QoS":              {func(o *O) { o.Will = &awsiot.Will{Topic: "t", QoS: 2} }, "Will.QoS"},
		"will payload":          {func(o *O) { o.Will = &awsiot.Will{Topic: "t", Payload: []byte(long)} }, "Will.Payload"},
		"will delay":            {func(o *O) { o.Will = &awsiot.Will{Topic: "t", Delay: new(-time.Second)} }, "Will.Delay"},
		"properties":            {func(o *O) { o.UserProperties = properties["UserProperties"] }, "UserProperties"},
	} {
		o := O{Endpoint: "e", Auth: awsiot.PlainTCP()}
		tt.change(&o)
		wrong(t, name, o.Validate(), tt.field)
		c := awsiot.NewClient(o)
		wrong(t, name+", Start", c.Start(), tt.field)
		if c.State() != awsiot.StateStopped {
			t.Errorf("%s: %v", name, c.State())
		}
		_ = c.Close()
		if tt.field != "SessionBehavior" {
			tt.change(&every)
			all = append(all, tt.field)
		}
	}
	err := every.Validate()
	for _, field := range all {
		if field == "Will.Topic" || field == "Will.QoS" || field == "Will.Payload" || field == "Will.Delay" {
			field = "Will." // one will, whichever came last
		}
		if err == nil || !strings.Contains(err.Error(), "awsiot: "+field) {
			t.Errorf("joined: nothing about %s", field)
		}
	}
	if err := (O{Endpoint: "e", Auth: awsiot.PlainTCP()}).Validate(); err != nil {
		t.Error(err)
	}
}

// Receive maximum 1 in both directions and a burst of 1,000: all arrive, in order, never 2 unacknowledged.
func TestReceiveMaximumOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *awsiot.ClientOptions) { o.ReceiveMaximum = 1 })
		got := 0
		w.client.Handle("#", func(m *awsiot.Message) {
			if string(m.Payload) != string(rune('0'+got%10)) {
				t.Errorf("message %d is %s", got, m.Payload)
			}
			got++
		})
		_ = w.client.Start()
		p, c := w.accept(func(a *packets.Connack) { a.Properties.ReceiveMaximum = new(uint16(1)) })
		if r := c.Properties.ReceiveMaximum; r == nil || *r != 1 {
			t.Errorf("CONNECT announces %v", r)
		}
		for i := range 1000 {
			w.client.PublishFunc(packet("t", string(rune('0'+i%10)), 1), nil)
		}
		for i := range 1000 {
			v := expect[*packets.Publish](p)
			if string(v.Payload) != string(rune('0'+i%10)) {
				t.Fatalf("publish %d is %s", i, v.Payload)
			}
			synctest.Wait()
			if s := w.client.Stats(); s.UnackedOperationCount != 1 {
				t.Fatalf("%d: %+v", i, s)
			}
			p.send(v.PacketID)
		}
		for i := range 1000 {
			p.send(publish("t", string(rune('0'+i%10)), uint16(i%3+1)))
			if a := expect[*packets.Puback](p); a.PacketID != uint16(i%3+1) {
				t.Fatalf("%d: %v", i, a)
			}
		}
		if got != 1000 {
			t.Errorf("%d messages", got)
		}
	})
}
