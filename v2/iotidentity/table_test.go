package iotidentity_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/portage-iot/awsiot/iotlocal"
	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/iotidentity"
	"github.com/portage-iot/awsiot/v2/reqresp"
)

// Every operation through both generations: topics, filters, bodies, answers and refusals, which the test gives itself.
func TestOperations(t *testing.T) {
	type outcome struct {
		text string
		err  error
	}
	type handlers struct {
		accepted func(string)
		rejected func(*iotidentity.RejectedError)
	}
	keys := func(r *iotidentity.CreateKeysAndCertificateResponse) string {
		if r == nil {
			return ""
		}
		return fmt.Sprintf("%s %s %s %s %s", r.CertificateID, r.CertificatePem, r.PrivateKey, r.CertificateOwnershipToken, r.Raw)
	}
	csr := func(r *iotidentity.CreateCertificateFromCsrResponse) string {
		if r == nil {
			return ""
		}
		return fmt.Sprintf("%s %s %s %s", r.CertificateID, r.CertificatePem, r.CertificateOwnershipToken, r.Raw)
	}
	register := func(r *iotidentity.RegisterThingResponse) string {
		if r == nil {
			return ""
		}
		return fmt.Sprintf("%s %v %s", r.ThingName, r.DeviceConfiguration, r.Raw)
	}
	csrRequest := &iotidentity.CreateCertificateFromCsrRequest{CertificateSigningRequest: "-----BEGIN\n"}
	registerRequest := &iotidentity.RegisterThingRequest{TemplateName: "fleet", CertificateOwnershipToken: "own", Parameters: map[string]string{"b": "2", "a": "1"}}
	for _, tt := range []struct {
		name, topic, body, answer, want string
		call                            func(context.Context, *iotidentity.Client) outcome
		async                           func(context.Context, *iotidentity.Client) outcome
		publish                         func(context.Context, *iotidentity.Client) error
		hear                            func(context.Context, *iotidentity.Client, handlers) error
	}{
		{"CreateKeysAndCertificate", "$aws/certificates/create/json", "{}", `{"certificateId":"id","certificatePem":"pem","privateKey":"key","certificateOwnershipToken":"own","more":1}`, "id pem key own",
			func(ctx context.Context, c *iotidentity.Client) outcome {
				r, err := c.CreateKeysAndCertificate(ctx, &iotidentity.CreateKeysAndCertificateRequest{})
				return outcome{keys(r), err}
			}, func(ctx context.Context, c *iotidentity.Client) outcome {
				r, err := c.CreateKeysAndCertificateAsync(&iotidentity.CreateKeysAndCertificateRequest{}).Wait(ctx)
				return outcome{keys(r), err}
			}, func(ctx context.Context, c *iotidentity.Client) error {
				return c.PublishCreateKeysAndCertificate(ctx, &iotidentity.CreateKeysAndCertificateRequest{}, 1)
			}, func(ctx context.Context, c *iotidentity.Client, h handlers) error {
				r := &iotidentity.CreateKeysAndCertificateSubscriptionRequest{}
				_, err := c.SubscribeToCreateKeysAndCertificateAccepted(ctx, r, 1, func(r *iotidentity.CreateKeysAndCertificateResponse) { h.accepted(keys(r)) })
				_, err2 := c.SubscribeToCreateKeysAndCertificateRejected(ctx, r, 1, h.rejected)
				return errors.Join(err, err2)
			}},
		{"CreateCertificateFromCsr", "$aws/certificates/create-from-csr/json", `{"certificateSigningRequest":"-----BEGIN\n"}`, `{"certificateId":"id","certificatePem":"pem","certificateOwnershipToken":"own"}`, "id pem own",
			func(ctx context.Context, c *iotidentity.Client) outcome {
				r, err := c.CreateCertificateFromCsr(ctx, csrRequest)
				return outcome{csr(r), err}
			}, func(ctx context.Context, c *iotidentity.Client) outcome {
				r, err := c.CreateCertificateFromCsrAsync(csrRequest).Wait(ctx)
				return outcome{csr(r), err}
			}, func(ctx context.Context, c *iotidentity.Client) error {
				return c.PublishCreateCertificateFromCsr(ctx, csrRequest, 1)
			}, func(ctx context.Context, c *iotidentity.Client, h handlers) error {
				r := &iotidentity.CreateCertificateFromCsrSubscriptionRequest{}
				_, err := c.SubscribeToCreateCertificateFromCsrAccepted(ctx, r, 1, func(r *iotidentity.CreateCertificateFromCsrResponse) { h.accepted(csr(r)) })
				_, err2 := c.SubscribeToCreateCertificateFromCsrRejected(ctx, r, 1, h.rejected)
				return errors.Join(err, err2)
			}},
		{"RegisterThing", "$aws/provisioning-templates/fleet/provision/json", `{"certificateOwnershipToken":"own","parameters":{"a":"1","b":"2"}}`, `{"thingName":"lamp","deviceConfiguration":{"k":"v"}}`, "lamp map[k:v]",
			func(ctx context.Context, c *iotidentity.Client) outcome {
				r, err := c.RegisterThing(ctx, registerRequest)
				return outcome{register(r), err}
			}, func(ctx context.Context, c *iotidentity.Client) outcome {
				r, err := c.RegisterThingAsync(registerRequest).Wait(ctx)
				return outcome{register(r), err}
			}, func(ctx context.Context, c *iotidentity.Client) error {
				return c.PublishRegisterThing(ctx, registerRequest, 1)
			}, func(ctx context.Context, c *iotidentity.Client, h handlers) error {
				r := &iotidentity.RegisterThingSubscriptionRequest{TemplateName: "fleet"}
				_, err := c.SubscribeToRegisterThingAccepted(ctx, r, 1, func(r *iotidentity.RegisterThingResponse) { h.accepted(register(r)) })
				_, err2 := c.SubscribeToRegisterThingRejected(ctx, r, 1, h.rejected)
				return errors.Join(err, err2)
			}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx := t.Context()
				refusal := `{"statusCode":400,"errorCode":"InvalidCertificateOwnershipToken","errorMessage":"Certificate ownership token cannot be empty."}`
				want := tt.want + " " + tt.answer
				// answering makes the endpoint lose the request, and give the answer of the test.
				answering := func(w *world, suffix, payload string) {
					h, err := w.server.Faults().Add(iotlocal.Rule{Dir: iotlocal.ClientToServer, Type: iotlocal.PUBLISH, Topic: tt.topic, Action: iotlocal.Drop, Times: 1})
					if err != nil {
						t.Fatal(err)
					}
					acted := h.Acted() // before the request: the channel is that of the next packet
					go func() {
						<-acted
						_, _ = w.server.Publish(iotlocal.Message{Topic: tt.topic + suffix, Payload: []byte(payload), QoS: 1})
					}()
				}
				check := func(how string, got outcome) {
					t.Helper()
					if got.err != nil || got.text != want {
						t.Errorf("%s: %s, %v; want %s", how, got.text, got.err, want)
					}
				}
				w := newWorld(t)
				answering(w, "/accepted", tt.answer)
				check("second generation", tt.call(ctx, w.identity))
				equal(t, "second generation, wire", w.said(), "SUBSCRIBE "+tt.topic+"/accepted 1\nSUBSCRIBE "+tt.topic+"/rejected 1\nPUBLISH "+tt.topic+" 1 "+tt.body)
				answering(w, "/accepted", tt.answer)
				check("future", tt.async(ctx, w.identity))
				equal(t, "future, wire", w.said(), "PUBLISH "+tt.topic+" 1 "+tt.body)
				answering(w, "/rejected", refusal)
				err := tt.call(ctx, w.identity).err
				e, ok := errors.AsType[*iotidentity.RejectedError](err)
				if !ok || e.StatusCode != 400 || e.ErrorCode != "InvalidCertificateOwnershipToken" || string(e.Raw) != refusal {
					t.Errorf("%v", err)
				}
				equal(t, "refusal", fmt.Sprint(err), fmt.Sprintf("iotidentity.%s %q: rejected (400 InvalidCertificateOwnershipToken): Certificate ownership token cannot be empty.", tt.name, tt.topic))
				answering(w, "/rejected", `{"statusCode":403}`)
				equal(t, "short refusal", fmt.Sprint(tt.call(ctx, w.identity).err), fmt.Sprintf("iotidentity.%s %q: rejected (403): ", tt.name, tt.topic))
				for _, bad := range []string{`{`, `[]`, `{"certificateId":1,"thingName":1}`} {
					answering(w, "/accepted", bad)
					err := tt.call(ctx, w.identity).err
					if e, ok := errors.AsType[*reqresp.Error](err); !ok || !errors.Is(err, reqresp.ErrMalformed) || string(e.Payload) != bad {
						t.Errorf("%s: %v", bad, err)
					}
				}
				w = newWorld(t)
				var got []string
				if err := tt.hear(ctx, w.identity, handlers{func(s string) { got = append(got, s) }, func(e *iotidentity.RejectedError) { got = append(got, e.Error()) }}); err != nil {
					t.Fatal(err)
				}
				answering(w, "/accepted", tt.answer)
				if err := tt.publish(within(ctx), w.identity); err == nil {
					t.Error("the endpoint has lost it")
				}
				_, _ = w.server.Publish(iotlocal.Message{Topic: tt.topic + "/rejected", Payload: []byte(refusal), QoS: 1})
				synctest.Wait()
				equal(t, "first generation", strings.Join(got, "\n"), want+"\nrejected (400 InvalidCertificateOwnershipToken): Certificate ownership token cannot be empty.")
				equal(t, "first generation, wire", w.said(), "SUBSCRIBE "+tt.topic+"/accepted 1\nSUBSCRIBE "+tt.topic+"/rejected 1\nPUBLISH "+tt.topic+" 1 "+tt.body)
			})
		})
	}
}

func within(ctx context.Context) context.Context {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	_ = cancel // the bubble ends with the test
	return ctx
}

func TestWrongRequests(t *testing.T) {
	c := iotidentity.NewClient(awsiot.NewClient(awsiot.ClientOptions{}), reqresp.Options{})
	defer c.Close()
	long := strings.Repeat("x", 37)
	for _, tt := range []struct {
		field string
		r     iotidentity.RegisterThingRequest
	}{
		{"TemplateName", iotidentity.RegisterThingRequest{CertificateOwnershipToken: "t"}},
		{"TemplateName", iotidentity.RegisterThingRequest{TemplateName: long, CertificateOwnershipToken: "t"}},
		{"TemplateName", iotidentity.RegisterThingRequest{TemplateName: "a/b", CertificateOwnershipToken: "t"}},
		{"TemplateName", iotidentity.RegisterThingRequest{TemplateName: "a b", CertificateOwnershipToken: "t"}},
		{"CertificateOwnershipToken", iotidentity.RegisterThingRequest{TemplateName: long[1:]}},
		{"CertificateOwnershipToken", iotidentity.RegisterThingRequest{TemplateName: "a", CertificateOwnershipToken: "t", Document: []byte(`{}`)}},
		{"Parameters", iotidentity.RegisterThingRequest{TemplateName: "a", Parameters: map[string]string{}, Document: []byte(`{}`)}},
	} {
		_, err := c.RegisterThing(t.Context(), &tt.r)
		if v, ok := errors.AsType[*awsiot.ValidationError](err); !ok || v.Field != tt.field {
			t.Errorf("%+v: %v, want a wrong %s", tt.r, err, tt.field)
		}
	}
	_, err := c.CreateCertificateFromCsr(t.Context(), &iotidentity.CreateCertificateFromCsrRequest{})
	if v, ok := errors.AsType[*awsiot.ValidationError](err); !ok || v.Field != "CertificateSigningRequest" {
		t.Error(err)
	}
	if _, err := c.SubscribeToRegisterThingAccepted(t.Context(), &iotidentity.RegisterThingSubscriptionRequest{}, 1, func(*iotidentity.RegisterThingResponse) {}); err == nil {
		t.Error("a subscription without a template")
	}
}
