package awsiot_test

import (
	"errors"
	"io/fs"
	"strconv"
	"strings"
	"testing"
	"time"

	awsiot "github.com/portage-iot/awsiot/v2"
)

// fields returns the fields of the ValidationErrors in err, in order.
func fields(t *testing.T, err error) (list []string) {
	t.Helper()
	switch e := err.(type) {
	case nil:
	case *awsiot.ValidationError:
		list = append(list, e.Field)
	case interface{ Unwrap() []error }:
		for _, one := range e.Unwrap() {
			list = append(list, fields(t, one)...)
		}
	default:
		t.Errorf("%T: %v", err, err)
	}
	return list
}

// Validate reports every problem, also the second of a will and of the user properties.
func TestValidateReportsEverything(t *testing.T) {
	long := strings.Repeat("x", 65536)
	for _, tt := range []struct {
		name   string
		change func(*awsiot.ClientOptions)
		want   []string
	}{
		{"nothing", func(*awsiot.ClientOptions) {}, nil},
		{"will", func(o *awsiot.ClientOptions) {
			o.Will = &awsiot.Will{Topic: "a/+", QoS: 2, Delay: new(-time.Second), Payload: []byte(long + "\n"), PayloadFormat: new(awsiot.PayloadUTF8),
				MessageExpiry: new(-time.Second), ResponseTopic: "#", CorrelationData: []byte(long), ContentType: nul,
				UserProperties: []awsiot.UserProperty{{Name: nul, Value: nul}, {}, {Value: badUTF8}}}
		}, []string{"Will.Topic", "Will.QoS", "Will.Payload", "Will.MessageExpiry", "Will.ResponseTopic", "Will.CorrelationData", "Will.ContentType",
			"Will.UserProperties[0].Name", "Will.UserProperties[0].Value", "Will.UserProperties[2].Value", "Will.Payload", "Will.Delay"}},
		{"properties", func(o *awsiot.ClientOptions) {
			o.UserProperties = []awsiot.UserProperty{{Name: "\x01"}, {Value: "\x02"}, {Name: long, Value: long}}
		}, []string{"UserProperties[0].Name", "UserProperties[1].Value", "UserProperties[2].Name", "UserProperties[2].Value"}},
		{"too many properties, one of them wrong", func(o *awsiot.ClientOptions) {
			o.UserProperties = make([]awsiot.UserProperty, 5000)
			o.UserProperties[7].Name, o.UserProperties[4999].Name = nul, nul
		}, []string{"UserProperties", "UserProperties[7].Name"}},
		{"properties and will", func(o *awsiot.ClientOptions) {
			o.UserProperties = []awsiot.UserProperty{{Name: nul}}
			o.Will = &awsiot.Will{Delay: new(-time.Second)}
		}, []string{"UserProperties[0].Name", "Will.Topic", "Will.Delay"}},
		{"a nil authorizer", func(o *awsiot.ClientOptions) { o.Auth = (*awsiot.CustomAuthorizer)(nil) }, []string{"Auth"}},
	} {
		o := awsiot.ClientOptions{Endpoint: "e", Auth: awsiot.PlainTCP()}
		tt.change(&o)
		equal(t, tt.name, fields(t, o.Validate()), tt.want)
		c := awsiot.NewClient(o)
		if tt.want != nil {
			equal(t, tt.name+", Start", fields(t, c.Start()), tt.want)
		}
		_ = c.Close()
	}
	err := awsiot.ClientOptions{Endpoint: "e", Auth: awsiot.CustomAuthorizer{Signature: "s", Username: nul, Password: []byte(long)}}.Validate()
	for _, part := range []string{"belong together", "CustomAuthorizer.Username", "CustomAuthorizer.Password"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("authorizer: nothing about %s in %v", part, err)
		}
	}
}

// Start reports what is wrong with all the files that the options name.
func TestStartReportsEveryFile(t *testing.T) {
	auth := awsiot.MTLSFromPath("/missing/cert.pem", "/missing/key.pem")
	for _, tt := range []struct {
		name string
		o    awsiot.ClientOptions
		want []string
		text []string
	}{
		{"everything", awsiot.ClientOptions{Auth: auth, CAFile: "/missing/ca.pem", CAPEM: []byte("x")}, []string{"Auth", "CAFile", "CAPEM"},
			[]string{"/missing/cert.pem: no such", "/missing/key.pem: no such", "/missing/ca.pem: no such", "CAPEM: no PEM"}},
		{"authorities", awsiot.ClientOptions{Auth: awsiot.TLS(), CAFile: "validate_all_test.go", CAPEM: []byte("x")}, []string{"CAFile", "CAPEM"},
			[]string{"validate_all_test.go: no PEM", "CAPEM: no PEM"}},
		{"certificate", awsiot.ClientOptions{Auth: auth}, []string{"Auth"}, []string{"/missing/cert.pem: no such", "/missing/key.pem: no such"}},
		{"key only", awsiot.ClientOptions{Auth: awsiot.MTLSFromPath("validate_all_test.go", "/missing/key.pem")}, []string{"Auth"}, []string{"/missing/key.pem: no such"}},
	} {
		tt.o.Endpoint = "e"
		c := awsiot.NewClient(tt.o)
		err := c.Start()
		equal(t, tt.name, fields(t, err), tt.want)
		for _, text := range tt.text {
			if err == nil || !strings.Contains(err.Error(), text) {
				t.Errorf("%s: no %q in\n%v", tt.name, text, err)
			}
		}
		if strings.HasPrefix(tt.text[0], "/missing") && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v is not fs.ErrNotExist", tt.name, err)
		}
		if c.State() != awsiot.StateStopped {
			t.Errorf("%s: %v", tt.name, c.State())
		}
		_ = c.Close()
	}
}

// [MQTT5-3.14.2.1] table 3-10: the codes that a client may disconnect with, of all there are.
func TestDisconnectCodes(t *testing.T) {
	sent := map[awsiot.ReasonCode]bool{
		awsiot.ReasonNormalDisconnection: true, awsiot.ReasonDisconnectWithWillMessage: true, awsiot.ReasonUnspecifiedError: true,
		awsiot.ReasonMalformedPacket: true, awsiot.ReasonProtocolError: true, awsiot.ReasonImplementationSpecificError: true,
		awsiot.ReasonTopicNameInvalid: true, awsiot.ReasonReceiveMaximumExceeded: true, awsiot.ReasonTopicAliasInvalid: true,
		awsiot.ReasonPacketTooLarge: true, awsiot.ReasonMessageRateTooHigh: true, awsiot.ReasonQuotaExceeded: true,
		awsiot.ReasonAdministrativeAction: true, awsiot.ReasonPayloadFormatInvalid: true,
	}
	c := awsiot.NewClient(awsiot.ClientOptions{Endpoint: "e", Auth: awsiot.PlainTCP()})
	defer func() { _ = c.Close() }()
	for code := range 256 {
		err := c.Stop(t.Context(), &awsiot.DisconnectPacket{Code: awsiot.ReasonCode(code)})
		if sent[awsiot.ReasonCode(code)] {
			if err != nil {
				t.Errorf("0x%02X: %v", code, err)
			}
			continue
		}
		wrong(t, awsiot.ReasonCode(code).String(), err, "Code")
	}
	err := c.Stop(t.Context(), &awsiot.DisconnectPacket{Code: awsiot.ReasonServerBusy})
	if want := "awsiot: Code: a client cannot disconnect with 0x89 (server busy), but with 0x00, 0x04"; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("%v", err)
	}
}

// A payload that is flagged as UTF-8 obeys the rule of MQTT strings; others are not looked at.
func TestValidatePayloadFormat(t *testing.T) {
	c := awsiot.NewClient(awsiot.ClientOptions{Endpoint: "e", Auth: awsiot.PlainTCP()})
	defer func() { _ = c.Close() }()
	for _, tt := range []struct {
		name, payload string
		ok            bool
	}{
		{"empty", "", true}, {"text", "héllo, 好 😀", true}, {"JSON", `{"a":[1,"\n"]}`, true}, {"U+00A0", "\u00a0", true}, {"U+FEFF", "\ufeff", true},
		{"NUL", "a\x00", false}, {"U+0001", "\x01", false}, {"tab", "a\tb", false}, {"line feed", "line\nfeed", false}, {"U+001F", "\x1f", false},
		{"U+007F", "a\x7f", false}, {"U+0080", "a\u0080", false}, {"U+009F", "é\u009f", false}, {"U+FDD0", "\ufdd0", false}, {"U+FDEF", "\ufdef", false},
		{"U+FFFE", "\ufffe", false}, {"U+1FFFF", "\U0001ffff", false}, {"not UTF-8", "a\xff", false}, {"surrogate", "\xed\xa0\x80", false},
		{"behind much text", strings.Repeat("x", 60000) + "\n", false},
	} {
		for _, format := range []*awsiot.PayloadFormat{new(awsiot.PayloadUTF8), new(awsiot.PayloadBytes), nil} {
			publish := c.PublishAsync(&awsiot.PublishPacket{Topic: "t", Payload: []byte(tt.payload), PayloadFormat: format}).Err()
			will := awsiot.ClientOptions{Endpoint: "e", Auth: awsiot.PlainTCP(), Will: &awsiot.Will{Topic: "t", Payload: []byte(tt.payload), PayloadFormat: format}}.Validate()
			if tt.ok || format == nil || *format == awsiot.PayloadBytes {
				if !errors.Is(publish, awsiot.ErrOffline) || will != nil { // the client was not started: what is right ends so
					t.Errorf("%s: publish %v, will %v", tt.name, publish, will)
				}
				continue
			}
			wrong(t, tt.name, publish, "Payload")
			wrong(t, tt.name+", will", will, "Will.Payload")
		}
	}
}

// What Endpoint may be, and what not.
func TestValidateEndpoint(t *testing.T) {
	for _, s := range []string{"broker", "x-ats.iot.eu-west-1.amazonaws.com", "host.", "my_host", "10.0.0.1", "::1", "[::1]", "2001:db8::1", "fe80::1%eth0",
		"::ffff:10.0.0.1", "bücher.example"} {
		if err := (awsiot.ClientOptions{Endpoint: s, Auth: awsiot.PlainTCP()}).Validate(); err != nil {
			t.Errorf("%q: %v", s, err)
		}
	}
	for _, s := range []string{"", "host\n", "\thost", "ho st", "host\x00", "host\u00a0", "[::1", "::1]", "[[::1]]", "[]", "[host]", "[10.0.0.1]", "a:b:c", "host:8883",
		"[::1]:8883", "10.0.0.1:1883", "user@host", "host?x", "host#x", "host/mqtt", `host\`, "fe80::1%e\nth", "fe80::1%", "mqtts://host", "\xff"} {
		wrong(t, strconv.Quote(s), awsiot.ClientOptions{Endpoint: s, Auth: awsiot.PlainTCP()}.Validate(), "Endpoint")
	}
}

// AWS IoT Core takes 8 filters per SUBSCRIBE, so Resubscribe must not send more where its limits hold.
func TestValidateBatchSize(t *testing.T) {
	const aws = "x-ats.iot.eu-west-1.amazonaws.com"
	for _, tt := range []struct {
		endpoint string
		flow     awsiot.FlowControl
		size     int
		ok       bool
	}{
		{"e", awsiot.FlowControlAuto, 9, true}, {"e", awsiot.FlowControlAuto, 1024, true}, {"e", awsiot.FlowControlAuto, 1025, false},
		{"e", awsiot.FlowControlAWS, 8, true}, {"e", awsiot.FlowControlAWS, 0, true}, {"e", awsiot.FlowControlAWS, 9, false},
		{aws, awsiot.FlowControlAuto, 8, true}, {aws, awsiot.FlowControlAuto, 9, false}, {aws, awsiot.FlowControlNone, 9, false}, {aws, awsiot.FlowControlOff, 9, true}, {"e", awsiot.FlowControlLimits, 9, false},
		{"e", awsiot.FlowControlAWS, -1, false},
	} {
		o := awsiot.ClientOptions{Endpoint: tt.endpoint, Auth: awsiot.PlainTCP(), FlowControl: tt.flow, Resubscribe: awsiot.Resubscribe{BatchSize: tt.size}}
		if err := o.Validate(); !tt.ok {
			wrong(t, tt.endpoint, err, "Resubscribe.BatchSize")
		} else if err != nil {
			t.Errorf("%+v: %v", tt, err)
		}
	}
}
