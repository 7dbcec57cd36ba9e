//go:build interop

package interop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/portage-iot/awsiot/iotlocal"
	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/iotidentity"
	"github.com/portage-iot/awsiot/v2/iotjobs"
	"github.com/portage-iot/awsiot/v2/iotshadow"
	"github.com/portage-iot/awsiot/v2/reqresp"
)

// ourSDK is this module's service clients. Their methods have the names of AWS's SDKs, which is what lets a line of the
// driver find them: by reflection, so that no operation can be left out or mapped to another.
type ourSDK struct {
	client     *awsiot.Client
	generation generation
	services   []any // *iotshadow.Client, ...
	events     map[string]chan object
}

// startOurs connects this module's clients as startNPM does the SDK for JavaScript.
func startOurs(t *testing.T, srv *iotlocal.Server, thing iotlocal.Thing, g generation) *ourSDK {
	t.Helper()
	c := awsiot.NewClient(awsiot.ClientOptions{Endpoint: srv.Host(), Port: srv.TLSPort(), ClientID: deviceID, CAFile: srv.CAFile(),
		Auth: awsiot.MTLSFromPath(thing.CertFile, thing.KeyFile)})
	t.Cleanup(func() { c.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := c.StartAndWait(ctx); err != nil {
		t.Fatal(err)
	}
	return &ourSDK{client: c, generation: g, services: ourServices(c), events: map[string]chan object{}}
}

func ourServices(c *awsiot.Client) []any {
	shared := reqresp.New(c, reqresp.Options{})
	o := reqresp.Options{Shared: shared}
	return []any{iotshadow.NewClient(c, o), iotjobs.NewClient(c, o), iotidentity.NewClient(c, o), shared}
}

func (s *ourSDK) close(t *testing.T) {
	t.Helper()
	for _, service := range s.services {
		if err := service.(io.Closer).Close(); err != nil {
			t.Error(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := s.client.Stop(ctx, nil); err != nil {
		t.Error(err)
	}
}

// method finds a method of one of the clients.
func (s *ourSDK) method(t *testing.T, name string) reflect.Value {
	t.Helper()
	for _, service := range s.services {
		if m := reflect.ValueOf(service).MethodByName(name); m.IsValid() {
			return m
		}
	}
	t.Fatalf("no client has a method %s", name)
	return reflect.Value{}
}

func (s *ourSDK) ask(t *testing.T, line object) object {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	request, err := json.Marshal(line["request"])
	if err != nil {
		t.Fatal(err)
	}
	if op, ok := line["call"].(string); ok {
		op = strings.ToUpper(op[:1]) + op[1:]
		if s.generation == second {
			return s.call(ctx, t, op, request)
		}
		return s.publish(ctx, t, op, request)
	}
	if event, ok := line["open"].(string); ok {
		s.events[event] = make(chan object, 100)
		if s.generation == second {
			return s.stream(ctx, t, event, request)
		}
		s.subscribe(ctx, t, "SubscribeTo"+event+"Events", request, s.events[event], "event")
		return object{"opened": true}
	}
	if event, ok := line["next"].(string); ok {
		select {
		case a := <-s.events[event]:
			return a
		case <-ctx.Done():
			t.Fatalf("no event %s", event)
		}
	}
	if _, err := s.client.Publish(ctx, &awsiot.PublishPacket{Topic: fmt.Sprintf("fence/%v", line["fence"]), Payload: []byte("x"), QoS: awsiot.AtLeastOnce}); err != nil {
		t.Fatal(err)
	}
	return object{"fenced": true}
}

// argument makes the argument of a call, a pointer to a request, of its JSON.
func argument(t *testing.T, typ reflect.Type, request []byte) reflect.Value {
	t.Helper()
	v := reflect.New(typ.Elem())
	if err := json.Unmarshal(request, v.Interface()); err != nil {
		t.Fatalf("%v: %v", typ, err)
	}
	return v
}

// raw is an answer or event as it came.
func raw(t *testing.T, v reflect.Value) object {
	t.Helper()
	var o object
	if err := json.Unmarshal(v.Elem().FieldByName("Raw").Bytes(), &o); err != nil {
		t.Fatal(err)
	}
	return o
}

// call is the second generation: one method for request and answer.
func (s *ourSDK) call(ctx context.Context, t *testing.T, op string, request []byte) object {
	t.Helper()
	m := s.method(t, op)
	out := m.Call([]reflect.Value{reflect.ValueOf(ctx), argument(t, m.Type().In(1), request)})
	err, _ := out[1].Interface().(error)
	if err == nil {
		return object{"accepted": raw(t, out[0])}
	}
	var failure *reqresp.Error
	if !errors.As(err, &failure) {
		t.Fatalf("%s: %v", op, err)
	}
	v := reflect.ValueOf(failure.Err)
	if v.Kind() != reflect.Pointer || v.Elem().Type().Name() != "RejectedError" {
		t.Fatalf("%s: %v", op, err)
	}
	return object{"rejected": raw(t, v)}
}

// publish is the first generation, as its samples do it: subscribe to both answers, publish, wait for one of them.
func (s *ourSDK) publish(ctx context.Context, t *testing.T, op string, request []byte) object {
	t.Helper()
	answers := make(chan object, 100)
	for _, verdict := range []string{"Accepted", "Rejected"} {
		s.subscribe(ctx, t, "SubscribeTo"+op+verdict, request, answers, strings.ToLower(verdict))
	}
	m := s.method(t, "Publish"+op)
	out := m.Call([]reflect.Value{reflect.ValueOf(ctx), argument(t, m.Type().In(1), request), reflect.ValueOf(awsiot.AtLeastOnce)})
	if err, _ := out[0].Interface().(error); err != nil {
		t.Fatalf("Publish%s: %v", op, err)
	}
	select {
	case a := <-answers:
		return a
	case <-ctx.Done():
		t.Fatalf("%s: no answer", op)
		return nil
	}
}

// subscribe calls a method of the first generation whose handler puts what it gets into c.
func (s *ourSDK) subscribe(ctx context.Context, t *testing.T, name string, request []byte, c chan<- object, member string) {
	t.Helper()
	m := s.method(t, name)
	handler := reflect.MakeFunc(m.Type().In(3), func(args []reflect.Value) []reflect.Value {
		c <- object{member: raw(t, args[0])}
		return nil
	})
	out := m.Call([]reflect.Value{reflect.ValueOf(ctx), argument(t, m.Type().In(1), request), reflect.ValueOf(awsiot.AtLeastOnce), handler})
	if err, _ := out[1].Interface().(error); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// stream opens a stream of the second generation and waits until it is established.
func (s *ourSDK) stream(ctx context.Context, t *testing.T, event string, request []byte) object {
	t.Helper()
	m := s.method(t, "Create"+event+"Stream")
	options := reflect.New(m.Type().In(1)).Elem()
	onEvent := options.FieldByName("OnEvent")
	onEvent.Set(reflect.MakeFunc(onEvent.Type(), func(args []reflect.Value) []reflect.Value {
		s.events[event] <- object{"event": raw(t, args[0])}
		return nil
	}))
	established := make(chan error, 10)
	options.FieldByName("OnStatus").Set(reflect.ValueOf(func(status reqresp.StreamStatus, err error) {
		if status != reqresp.StreamEstablished && err == nil {
			err = fmt.Errorf("the stream is %v", status)
		}
		established <- err
	}))
	out := m.Call([]reflect.Value{argument(t, m.Type().In(0), request), options})
	if err, _ := out[1].Interface().(error); err != nil {
		t.Fatalf("Create%sStream: %v", event, err)
	}
	stream := out[0].Interface().(*reqresp.Stream)
	t.Cleanup(func() { stream.Close() })
	if err := stream.Open(); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-established:
		if err != nil {
			t.Fatalf("%s: %v", event, err)
		}
	case <-ctx.Done():
		t.Fatalf("%s is not established", event)
	}
	return object{"opened": true}
}

// TestNPMSameRecords: for every call a program with this module's clients and one with the SDK for JavaScript leave the
// same record: topics, bodies as JSON values, QoS, and subscriptions by filter.
func TestNPMSameRecords(t *testing.T) {
	steps := flows(t)
	for _, g := range []generation{first, second} {
		t.Run(fmt.Sprintf("generation %d", g), func(t *testing.T) {
			run := func(connect func(*iotlocal.Server, iotlocal.Thing) sdk) []said {
				srv, thing := endpoint(t)
				s := connect(srv, thing)
				perform(t, s, srv, g, steps)
				s.close(t)
				return sayings(t, srv, len(steps))
			}
			ours := run(func(srv *iotlocal.Server, thing iotlocal.Thing) sdk { return startOurs(t, srv, thing, g) })
			theirs := run(func(srv *iotlocal.Server, thing iotlocal.Thing) sdk { return startNPM(t, srv, thing, "5", g) })
			if g == first {
				theirs = withoutTopicMembers(t, theirs)
			}
			compare(t, steps, ours, theirs)
		})
	}
}
