package iotlocal

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"unicode/utf8"

	"github.com/portage-iot/awsiot/internal/topic"
	"github.com/portage-iot/awsiot/iotlocal/broker"
	"github.com/portage-iot/awsiot/iotlocal/internal/rest"
	"github.com/portage-iot/awsiot/iotlocal/internal/sigv4"
	"github.com/portage-iot/awsiot/iotlocal/jobs"
	"github.com/portage-iot/awsiot/iotlocal/policy"
	"github.com/portage-iot/awsiot/iotlocal/provisioning"
	"github.com/portage-iot/awsiot/iotlocal/record"
	"github.com/portage-iot/awsiot/iotlocal/shadow"
	"github.com/portage-iot/awsiot/iotlocal/wire"
)

// dataPlane is the HTTPS side of what devices and applications do: AWS IoT Data (API version 2015-05-28) and AWS IoT Jobs Data
// (2017-09-29). Its paths do not collide.
type dataPlane struct {
	s     *Server
	table *rest.Table
}

func newDataPlane(s *Server) *dataPlane {
	p := &dataPlane{s: s}
	p.table = rest.NewTable([]rest.Operation{
		{Name: "Publish", Method: "POST", Path: "/topics/{topic+}", Do: p.publish},
		{Name: "GetThingShadow", Method: "GET", Path: "/things/{thingName}/shadow", Do: p.shadow(shadow.Get)},
		{Name: "UpdateThingShadow", Method: "POST", Path: "/things/{thingName}/shadow", Do: p.shadow(shadow.Update)},
		{Name: "DeleteThingShadow", Method: "DELETE", Path: "/things/{thingName}/shadow", Do: p.shadow(shadow.Delete)},
		{Name: "ListNamedShadowsForThing", Method: "GET", Path: "/api/things/shadow/ListNamedShadowsForThing/{thingName}", Do: p.shadows},
		{Name: "ListRetainedMessages", Method: "GET", Path: "/retainedMessage", Do: p.retained},
		{Name: "GetRetainedMessage", Method: "GET", Path: "/retainedMessage/{topic+}", Do: p.retainedMessage},
		{Name: "GetPendingJobExecutions", Method: "GET", Path: "/things/{thingName}/jobs", Do: p.job(jobs.GetPending)},
		{Name: "StartNextPendingJobExecution", Method: "PUT", Path: "/things/{thingName}/jobs/$next", Do: p.job(jobs.StartNext)},
		{Name: "DescribeJobExecution", Method: "GET", Path: "/things/{thingName}/jobs/{jobId}", Do: p.job(jobs.Describe)},
		{Name: "UpdateJobExecution", Method: "POST", Path: "/things/{thingName}/jobs/{jobId}", Do: p.job(jobs.Update)},
	})
	return p
}

// ServeHTTP answers a request of the data plane; a websocket upgrade goes on to the broker.
func (p *dataPlane) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/mqtt" {
		p.s.sockets.hijack(w, r)
		return
	}
	p.table.Serve(w, r, p.identify, nil)
}

// identify finds out who asks: by certificate, by signature, or nobody, whom AWS would not let in and this endpoint only does
// without credentials to compare with.
func (p *dataPlane) identify(c *rest.Call) error {
	pm := &permit{principal: Anonymous, request: policy.Request{Secure: c.TLS != nil, Region: p.s.policies.region}}
	if host, _, err := net.SplitHostPort(c.RemoteAddr); err == nil {
		pm.request.SourceIP, _ = netip.ParseAddr(host) // not there for an address that is none
	}
	if c.TLS != nil {
		pm.request.DomainName = c.TLS.ServerName
	}
	known, required := p.s.sockets.secrets()
	switch {
	case c.TLS != nil && len(c.TLS.PeerCertificates) > 0:
		cert := c.TLS.PeerCertificates[0]
		pm.principal, pm.request.Certificate = provisioning.CertificateID(cert.Raw), cert
		if denial := p.s.fleet.refuses(pm.principal); denial != "" {
			return &rest.Error{Status: http.StatusForbidden, Type: "ForbiddenException", Message: denial}
		}
	case sigv4.SignedByHeader(c.Request):
		scope, err := sigv4.VerifyHeader(c.Request, c.Body, known, p.s.clock.Now())
		if err != nil {
			return &rest.Error{Status: http.StatusForbidden, Type: "InvalidSignatureException", Message: err.Error()}
		}
		pm.principal = scope.KeyID
	case required && !p.s.authorizers.concerns(c.Request):
		return &rest.Error{Status: http.StatusForbidden, Type: "MissingAuthenticationTokenException", Message: "Missing Authentication Token"}
	}
	c.Principal = pm
	if pm.principal != Anonymous {
		return nil
	}
	given := fromRequest(c.Request)
	by, err := p.s.authorizers.choose(given.name, p.s.authorizers.hasDefault())
	if err == nil && by != nil {
		request := AuthorizerRequest{Protocols: []string{"http"}, ConnectionMetadata: AuthorizerConnection{rest.TraceID()}, ProtocolData: AuthorizerProtocolData{HTTP: httpData(c.Request)}}
		if c.TLS != nil {
			request.Protocols = []string{"tls", "http"}
			request.ProtocolData.TLS = &AuthorizerTLS{c.TLS.ServerName}
		}
		if pm.custom, err = p.s.authorizers.decide(by, given, request); err == nil {
			pm.principal = pm.custom.who()
		}
	}
	if err != nil {
		return &rest.Error{Status: http.StatusUnauthorized, Type: "UnauthorizedException", Message: err.Error()}
	}
	return nil
}

// allow asks the policies.
func (p *dataPlane) allow(c *rest.Call, action, resource string) error {
	pm := c.Principal.(*permit)
	if !p.s.policies.enforces(pm) {
		return nil
	}
	q := question{action: action, name: resource}
	d := p.s.policies.decide(pm, q)
	p.s.policies.tellRequest(via(c), pm, q, d)
	if !d.Allowed() {
		return rest.Forbidden("%s", denial(q, pm.principal, d))
	}
	return nil
}

// via says how a request came, for the record.
func via(c *rest.Call) string {
	if c.TLS == nil {
		return record.ViaAPI
	}
	return record.ViaHTTPS
}

func (p *dataPlane) publish(c *rest.Call) (any, error) {
	m := &broker.Message{Topic: c.Path("topic"), Payload: c.Body}
	if err := topic.ValidateTopic(m.Topic); err != nil {
		return nil, rest.Invalid("%v", err)
	}
	if err := topic.CheckAWSTopic(m.Topic); err != nil {
		return nil, rest.Invalid("%v", err)
	}
	if len(m.Payload) > topic.MaxAWSPayloadBytes {
		return nil, &rest.Error{Status: http.StatusRequestEntityTooLarge, Type: "RequestEntityTooLargeException", Message: "The payload exceeds the maximum size allowed"}
	}
	qos, err := c.Int("qos", 0, 0, 1)
	if err != nil {
		return nil, err
	}
	m.QoS = byte(qos)
	if m.Retain, err = c.Bool("retain", false); err != nil {
		return nil, err
	}
	if err := publishProperties(c, m); err != nil {
		return nil, err
	}
	if err := p.allow(c, policy.Publish, "topic/"+m.Topic); err != nil {
		return nil, err
	}
	if m.Retain {
		if strings.HasPrefix(m.Topic, "$") {
			return nil, rest.Invalid("a retained message on a reserved topic")
		}
		if err := p.allow(c, policy.RetainPublish, "topic/"+m.Topic); err != nil {
			return nil, err
		}
	}
	if p.s.recorder.Followed() {
		p.s.recorder.Add(record.Packet{Via: via(c), Dir: wire.ClientToServer, Type: wire.PUBLISH, Topic: m.Topic, QoS: m.QoS, Retain: m.Retain, Payload: m.Payload,
			Properties: m.Recorded()})
	}
	p.s.broker.Publish(m)
	if m.Retain {
		if err := p.s.state.Sync(); err != nil {
			return nil, err
		}
	}
	p.s.shadows.handle(nil, m)
	p.s.commands.handle(nil, m)
	return map[string]string{"message": "OK", "traceId": rest.TraceID()}, nil
}

// publishProperties reads the properties of MQTT 5, which Publish has in its query and headers.
func publishProperties(c *rest.Call, m *broker.Message) error {
	expiry, err := c.Int("messageExpiry", -1, 0, 1<<32-1)
	if err != nil {
		return err
	}
	if expiry >= 0 {
		m.MessageExpiry = new(uint32(expiry))
	}
	m.ContentType, m.ResponseTopic = c.Query("contentType"), c.Query("responseTopic")
	if err := topic.ValidString(m.ContentType); err != nil {
		return rest.Invalid("contentType: %v", err)
	}
	if m.ResponseTopic != "" {
		if err := topic.ValidateTopic(m.ResponseTopic); err != nil {
			return rest.Invalid("responseTopic: %v", err)
		}
	}
	in := c.Request.Header
	if m.CorrelationData, err = base64.StdEncoding.DecodeString(in.Get("X-Amz-Mqtt5-Correlation-Data")); err != nil {
		return rest.Invalid("x-amz-mqtt5-correlation-data is not base64")
	}
	switch in.Get("X-Amz-Mqtt5-Payload-Format-Indicator") {
	case "":
	case "UNSPECIFIED_BYTES":
		m.PayloadFormat = new(byte(0))
	case "UTF8_DATA":
		m.PayloadFormat = new(byte(1))
		if !utf8.Valid(m.Payload) {
			return rest.Invalid("the payload is not UTF-8")
		}
	default:
		return rest.Invalid("x-amz-mqtt5-payload-format-indicator is neither UNSPECIFIED_BYTES nor UTF8_DATA")
	}
	if given := in.Get("X-Amz-Mqtt5-User-Properties"); given != "" {
		text, err := base64.StdEncoding.DecodeString(given)
		var list []map[string]string // one entry each
		if err == nil {
			err = json.Unmarshal(text, &list)
		}
		if err != nil {
			return rest.Invalid("x-amz-mqtt5-user-properties is not the base64 of a JSON array of objects")
		}
		for _, entry := range list {
			for k, v := range entry {
				if err := errors.Join(topic.ValidString(k), topic.ValidString(v)); err != nil {
					return rest.Invalid("x-amz-mqtt5-user-properties: %v", err)
				}
				m.UserProperties = append(m.UserProperties, record.UserProperty{Name: k, Value: v})
			}
		}
	}
	return nil
}

// shadowErrors are the types of the codes of the service.
var shadowErrors = map[int]string{400: "InvalidRequestException", 401: "UnauthorizedException", 403: "ForbiddenException", 404: "ResourceNotFoundException",
	409: "ConflictException", 413: "RequestEntityTooLargeException", 415: "UnsupportedDocumentEncodingException", 429: "ThrottlingException"}

func (p *dataPlane) shadow(op shadow.Op) func(*rest.Call) (any, error) {
	action := map[shadow.Op]string{shadow.Get: "iot:GetThingShadow", shadow.Update: "iot:UpdateThingShadow", shadow.Delete: "iot:DeleteThingShadow"}[op]
	return func(c *rest.Call) (any, error) {
		thing, name := c.Path("thingName"), c.Query("name")
		resource := "thing/" + thing
		if name != "" {
			resource += "/" + name
		}
		h := p.s.Shadow(thing, name)
		if h.bad != nil {
			return nil, rest.Invalid("%v", h.bad)
		}
		if err := p.allow(c, action, resource); err != nil {
			return nil, err
		}
		doc, err := h.do(op, c.Body)
		if e, ok := errors.AsType[*shadow.Error](err); ok {
			kind := shadowErrors[e.Code]
			if kind == "" {
				kind = "InternalFailureException"
			}
			return nil, &rest.Error{Status: e.Code, Type: kind, Message: e.Message}
		}
		return rest.Raw(doc), err
	}
}

func (p *dataPlane) shadows(c *rest.Call) (any, error) {
	thing := c.Path("thingName")
	if err := topic.CheckThingName(thing); err != nil {
		return nil, rest.Invalid("%v", err)
	}
	if err := p.allow(c, "iot:ListNamedShadowsForThing", "thing/"+thing); err != nil {
		return nil, err
	}
	size, err := c.Int("pageSize", 25, 1, 100)
	if err != nil {
		return nil, err
	}
	page, next, err := rest.Page(p.s.Shadows(thing), c.Query("nextToken"), size, func(s string) string { return s })
	if err != nil {
		return nil, err
	}
	answer := map[string]any{"results": append([]string{}, page...), "timestamp": p.s.clock.Now().Unix()}
	if next != "" {
		answer["nextToken"] = next
	}
	return answer, nil
}

func (p *dataPlane) retained(c *rest.Call) (any, error) {
	if err := p.allow(c, "iot:ListRetainedMessages", "*"); err != nil {
		return nil, err
	}
	size, err := c.Int("maxResults", 50, 1, 200)
	if err != nil {
		return nil, err
	}
	page, next, err := rest.Page(p.s.broker.Retained(), c.Query("nextToken"), size, func(m broker.RetainedMessage) string { return m.Topic })
	if err != nil {
		return nil, err
	}
	topics := []map[string]any{}
	for _, m := range page {
		topics = append(topics, map[string]any{"topic": m.Topic, "payloadSize": len(m.Payload), "qos": m.QoS, "lastModifiedTime": m.At.UnixMilli()})
	}
	answer := map[string]any{"retainedTopics": topics}
	if next != "" {
		answer["nextToken"] = next
	}
	return answer, nil
}

func (p *dataPlane) retainedMessage(c *rest.Call) (any, error) {
	name := c.Path("topic")
	if err := p.allow(c, "iot:GetRetainedMessage", "topic/"+name); err != nil {
		return nil, err
	}
	m, ok := p.s.broker.RetainedMessage(name)
	if !ok {
		return nil, rest.NotFound("No retained message exists for topic %s", name)
	}
	answer := map[string]any{"topic": m.Topic, "payload": m.Payload, "qos": m.QoS, "lastModifiedTime": m.At.UnixMilli()}
	if len(m.UserProperties) > 0 {
		list := []map[string]string{}
		for _, u := range m.UserProperties {
			list = append(list, map[string]string{u.Name: u.Value})
		}
		text, err := json.Marshal(list)
		if err != nil {
			return nil, err
		}
		answer["userProperties"] = text
	}
	return answer, nil
}

// jobErrors are status and type of the codes of the service (AWS IoT Jobs Data API reference).
var jobErrors = map[jobs.Code]struct {
	status int
	kind   string
}{
	jobs.InvalidRequest: {400, "InvalidRequestException"}, jobs.InvalidJSON: {400, "InvalidRequestException"}, jobs.InvalidTopic: {400, "InvalidRequestException"},
	jobs.InvalidStateTransition: {409, "InvalidStateTransitionException"}, jobs.VersionMismatch: {409, "ConflictException"},
	jobs.ResourceNotFound: {404, "ResourceNotFoundException"}, jobs.TerminalStateReached: {410, "TerminalStateException"},
	jobs.RequestThrottled: {429, "ThrottlingException"}, jobs.InternalError: {500, "InternalException"},
}

func (p *dataPlane) job(op jobs.Op) func(*rest.Call) (any, error) {
	actions := map[jobs.Op]string{jobs.GetPending: "iotjobsdata:GetPendingJobExecutions", jobs.StartNext: "iotjobsdata:StartNextPendingJobExecution",
		jobs.Describe: "iotjobsdata:DescribeJobExecution", jobs.Update: "iotjobsdata:UpdateJobExecution"}
	return func(c *rest.Call) (any, error) {
		thing := c.Path("thingName")
		if err := topic.CheckThingName(thing); err != nil {
			return nil, rest.Invalid("%v", err)
		}
		if err := p.allow(c, actions[op], "thing/"+thing); err != nil {
			return nil, err
		}
		payload := c.Body
		if op == jobs.Describe { // what MQTT has in the request, HTTP has in the query
			full, err := c.Bool("includeJobDocument", true)
			if err != nil {
				return nil, err
			}
			number, err := c.Int("executionNumber", 0, 0, 1<<62)
			if err != nil {
				return nil, err
			}
			ask := map[string]any{"includeJobDocument": full}
			if number > 0 {
				ask["executionNumber"] = number
			}
			if payload, err = json.Marshal(ask); err != nil {
				return nil, err
			}
		}
		if len(payload) == 0 {
			payload = []byte("{}")
		}
		accepted, answer := p.s.jobs.ask(op, thing, c.Path("jobId"), payload)
		var members map[string]json.RawMessage
		if err := json.Unmarshal(answer, &members); err != nil {
			return nil, err
		}
		if !accepted {
			var e struct {
				Code    jobs.Code
				Message string
			}
			if err := json.Unmarshal(answer, &e); err != nil {
				return nil, err
			}
			known, ok := jobErrors[e.Code]
			if !ok {
				known = jobErrors[jobs.InternalError]
			}
			return nil, &rest.Error{Status: known.status, Type: known.kind, Message: e.Message}
		}
		delete(members, "clientToken") // of MQTT
		delete(members, "timestamp")
		return members, nil
	}
}
