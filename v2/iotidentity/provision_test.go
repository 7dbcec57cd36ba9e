package iotidentity_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/portage-iot/awsiot/internal/memnet"
	"github.com/portage-iot/awsiot/iotlocal"
	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/iotidentity"
)

// factory is a local endpoint over a network in memory, with a template, and a device that comes with a claim.
type factory struct {
	t   *testing.T
	net *memnet.Network
	srv *iotlocal.Server
	dir string // of the device
}

// assemble runs a test in a bubble: time is fake, so that delays cost nothing.
func assemble(t *testing.T, o iotlocal.TemplateOptions, f func(*factory)) {
	t.Helper()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		n := &memnet.Network{}
		srv := iotlocal.StartT(t, iotlocal.Options{TCPPort: iotlocal.Off, WSPort: iotlocal.Off, WSSPort: iotlocal.Off,
			Listen: func(_, addr string) (net.Listener, error) { return n.Listen(addr) }})
		if err := srv.Templates().Create("fleet", fleetTemplate, o); err != nil {
			t.Fatal(err)
		}
		f(&factory{t, n, srv, dir})
	})
}

const fleetTemplate = `{
	"Parameters": {"SerialNumber": {"Type": "String"}},
	"Resources": {
		"thing": {"Type": "AWS::IoT::Thing", "Properties": {"ThingName": {"Ref": "SerialNumber"}}},
		"certificate": {"Type": "AWS::IoT::Certificate", "Properties": {"CertificateId": {"Ref": "AWS::IoT::Certificate::Id"}}}
	},
	"DeviceConfiguration": {"subject": {"Ref": "AWS::IoT::Certificate::CommonName"}}
}`

// options are those of a device that keeps its files in f.dir.
func (f *factory) options() iotidentity.ProvisionOptions {
	f.t.Helper()
	claim, err := f.srv.Templates().Claim("fleet", iotlocal.ClaimOptions{})
	if err != nil {
		f.t.Fatal(err)
	}
	return iotidentity.ProvisionOptions{
		Claim: awsiot.ClientOptions{Endpoint: f.srv.Host(), Port: f.srv.TLSPort(), ClientID: "claim", CAFile: f.srv.CAFile(),
			Auth: awsiot.MTLSFromPath(claim.CertFile, claim.KeyFile), Dialer: f.net.Dial},
		TemplateName: "fleet", Parameters: map[string]string{"SerialNumber": "lamp-7"},
		CertFile: filepath.Join(f.dir, "device.pem"), KeyFile: filepath.Join(f.dir, "device.key"),
	}
}

// files are the names of what is in f.dir.
func (f *factory) files() (names []string) {
	f.t.Helper()
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		f.t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// requests returns how many messages with a topic the service got.
func (f *factory) requests(topic string) int {
	return len(slices.DeleteFunc(f.srv.Recorder().Packets(), func(p iotlocal.Packet) bool {
		return p.Dir != iotlocal.ClientToServer || p.Type != iotlocal.PUBLISH || p.Topic != topic
	}))
}

const (
	csrTopic      = "$aws/certificates/create-from-csr/json"
	registerTopic = "$aws/provisioning-templates/fleet/provision/json"
)

// failed returns the *ProvisionError that err must be, of a step.
func failed(t *testing.T, err error, step iotidentity.ProvisionStep) *iotidentity.ProvisionError {
	t.Helper()
	e, ok := errors.AsType[*iotidentity.ProvisionError](err)
	if !ok || e.Step != step {
		t.Fatalf("%v, want a failure to %v", err, step)
	}
	return e
}

func ecdsaKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// chip is a key that can sign and nothing else, as one in hardware.
type chip struct{ crypto.Signer }

// From the claim to the device's own connection, for every place that the key can be in.
func TestProvision(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name    string
		change  func(*iotidentity.ProvisionOptions)
		files   []string
		subject string
		key     string // head of the private key's PEM; "" for none
	}{
		{"key made here", func(*iotidentity.ProvisionOptions) {}, []string{"device.key", "device.pem"}, "AWS IoT device", "PRIVATE KEY"},
		{"subject", func(o *iotidentity.ProvisionOptions) { o.Subject = pkix.Name{CommonName: "SN 7"} }, []string{"device.key", "device.pem"}, "SN 7", "PRIVATE KEY"},
		{"no files", func(o *iotidentity.ProvisionOptions) { o.CertFile, o.KeyFile = "", "" }, nil, "AWS IoT device", "PRIVATE KEY"},
		{"signer", func(o *iotidentity.ProvisionOptions) { o.Signer, o.KeyFile = chip{ecdsaKey(t)}, "" }, []string{"device.pem"}, "AWS IoT device", ""},
		{"RSA signer, no files", func(o *iotidentity.ProvisionOptions) { o.Signer, o.CertFile, o.KeyFile = chip{rsaKey}, "", "" }, nil, "AWS IoT device", ""},
		{"key of the service", func(o *iotidentity.ProvisionOptions) { o.Key = iotidentity.KeyOfService }, []string{"device.key", "device.pem"}, "AWS IoT Certificate", "RSA PRIVATE KEY"},
		{"key of the service, no files", func(o *iotidentity.ProvisionOptions) {
			o.Key, o.CertFile, o.KeyFile = iotidentity.KeyOfService, "", ""
		}, nil, "AWS IoT Certificate", "RSA PRIVATE KEY"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			assemble(t, iotlocal.TemplateOptions{}, func(f *factory) {
				o := f.options()
				tt.change(&o)
				p, err := iotidentity.Provision(f.t.Context(), o)
				if err != nil {
					t.Fatal(err)
				}
				if p.ThingName != "lamp-7" || !maps.Equal(p.DeviceConfiguration, map[string]string{"subject": tt.subject}) {
					t.Errorf("%+v", p)
				}
				if thing, _ := f.srv.Templates().Thing("lamp-7"); !slices.Equal(thing.Certificates, []string{p.CertificateID}) {
					t.Errorf("%+v, not %s", thing, p.CertificateID)
				}
				if names := f.files(); !slices.Equal(names, tt.files) {
					t.Errorf("files %q", names)
				}
				for name, want := range map[string][]byte{o.CertFile: p.CertificatePEM, o.KeyFile: p.PrivateKeyPEM} {
					if name == "" {
						continue
					}
					info, err := os.Stat(name)
					if got, _ := os.ReadFile(name); err != nil || info.Mode().Perm() != 0o600 || !slices.Equal(got, want) {
						t.Errorf("%s: %v %v, %q", name, info, err, got)
					}
				}
				if block, _ := pem.Decode(p.PrivateKeyPEM); (block != nil) != (tt.key != "") || block != nil && block.Type != tt.key {
					t.Errorf("%.40q", p.PrivateKeyPEM)
				}
				if clients := f.srv.Clients(); len(clients) != 0 {
					t.Errorf("%q are still connected", clients)
				}
				f.connects(p)
				// Nothing but the request holds anything of the key.
				for _, packet := range f.srv.Recorder().Packets() {
					if packet.Dir == iotlocal.ClientToServer && strings.Contains(string(packet.Payload), "PRIVATE KEY") {
						t.Errorf("the key left the device: %v", packet)
					}
				}
			})
		})
	}
}

// connects connects with the options that came back.
func (f *factory) connects(p *iotidentity.Provisioned) {
	f.t.Helper()
	device := awsiot.NewClient(p.Options)
	defer device.Close()
	if err := device.StartAndWait(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
	if clients := f.srv.Clients(); !slices.Equal(clients, []string{"lamp-7"}) {
		f.t.Errorf("connected as %q", clients)
	}
}

// What the service says may work later is tried again, with pauses; what it does not say so about is not.
func TestProvisionTriesAgain(t *testing.T) {
	assemble(t, iotlocal.TemplateOptions{}, func(f *factory) {
		began := time.Now()
		if err := f.srv.Templates().Refuse(iotlocal.ProvisioningRequestThrottled, 2); err != nil {
			t.Fatal(err)
		}
		p, err := iotidentity.Provision(f.t.Context(), f.options())
		if err != nil {
			t.Fatal(err)
		}
		if n, took := f.requests(csrTopic), time.Since(began); n != 3 || took < 2*time.Second || took > time.Minute {
			t.Errorf("%d requests in %v", n, took)
		}
		f.connects(p)
	})
	for attempts, want := range map[int]int{0: 5, 2: 2, 1: 1} {
		assemble(t, iotlocal.TemplateOptions{}, func(f *factory) {
			if err := f.srv.Templates().Refuse(iotlocal.ProvisioningInternalFailure, 100); err != nil {
				t.Fatal(err)
			}
			o := f.options()
			o.Attempts = attempts
			_, err := iotidentity.Provision(f.t.Context(), o)
			e := failed(t, err, iotidentity.StepCreateCertificate)
			refused, ok := errors.AsType[*iotidentity.RejectedError](err)
			if e.Attempts != want || !ok || refused.StatusCode != 500 || f.requests(csrTopic) != want || e.CertificateID != "" || len(f.files()) != 0 {
				t.Errorf("%v after %d requests, files %q", err, f.requests(csrTopic), f.files())
			}
		})
	}
	assemble(t, iotlocal.TemplateOptions{Hook: func(context.Context, iotlocal.HookRequest) (iotlocal.HookResponse, error) {
		return iotlocal.HookResponse{}, nil
	}}, func(f *factory) {
		_, err := iotidentity.Provision(f.t.Context(), f.options())
		e := failed(t, err, iotidentity.StepRegisterThing)
		refused, ok := errors.AsType[*iotidentity.RejectedError](err)
		if !ok || refused.StatusCode != 403 || e.Attempts != 1 || e.CertificateID == "" || len(f.files()) != 0 {
			t.Errorf("%v, files %q", err, f.files())
		}
		if text := err.Error(); !strings.Contains(text, "iotidentity: provision: register the thing: ") || !strings.Contains(text, registerTopic) {
			t.Error(text)
		}
	})
}

// A template of another name is one that the policy of the claim does not know: trying again would change nothing.
func TestProvisionDenied(t *testing.T) {
	assemble(t, iotlocal.TemplateOptions{}, func(f *factory) {
		if _, err := f.srv.Faults().Add(iotlocal.Rule{Dir: iotlocal.ClientToServer, Type: iotlocal.SUBSCRIBE, Topic: registerTopic + "/accepted", Action: iotlocal.Reject, Code: 0x87}); err != nil {
			t.Fatal(err)
		}
		_, err := iotidentity.Provision(f.t.Context(), f.options())
		if e := failed(t, err, iotidentity.StepRegisterThing); e.Attempts != 1 || strings.Count(err.Error(), "iot:Subscribe") != 1 {
			t.Errorf("%d attempts: %v", e.Attempts, err)
		}
	})
}

// An answer that is lost is asked for again; nothing is registered twice.
func TestProvisionLostAnswers(t *testing.T) {
	for _, topic := range []string{csrTopic, registerTopic} {
		assemble(t, iotlocal.TemplateOptions{}, func(f *factory) {
			if _, err := f.srv.Faults().Add(iotlocal.Rule{Dir: iotlocal.ServerToClient, Type: iotlocal.PUBLISH, Topic: topic + "/accepted", Times: 1, Action: iotlocal.Drop}); err != nil {
				t.Fatal(err)
			}
			o := f.options()
			o.RequestTimeout = 10 * time.Second
			p, err := iotidentity.Provision(f.t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			if n := f.requests(topic); n != 2 {
				t.Errorf("%d requests on %s", n, topic)
			}
			if thing, _ := f.srv.Templates().Thing("lamp-7"); !slices.Equal(thing.Certificates, []string{p.CertificateID}) {
				t.Errorf("%+v", thing)
			}
			f.connects(p)
		})
	}
}

func TestProvisionConnects(t *testing.T) {
	assemble(t, iotlocal.TemplateOptions{}, func(f *factory) {
		f.srv.Faults().RefuseConnections(3)
		p, err := iotidentity.Provision(f.t.Context(), f.options())
		if err != nil {
			t.Fatal(err)
		}
		f.connects(p)
	})
	assemble(t, iotlocal.TemplateOptions{}, func(f *factory) {
		o := f.options()
		f.srv.Clock().Advance(5 * time.Minute) // the claim's life
		_, err := iotidentity.Provision(f.t.Context(), o)
		e := failed(t, err, iotidentity.StepConnect)
		if code, ok := awsiot.ReasonOf(err); !ok || code != 0x87 || e.Attempts != 5 {
			t.Errorf("%v", err)
		}
	})
	// The connection is lost between two steps.
	var f *factory
	assemble(t, iotlocal.TemplateOptions{Hook: func(context.Context, iotlocal.HookRequest) (iotlocal.HookResponse, error) {
		if f.srv.Faults().Cut("claim") == 0 {
			t.Error("nothing to cut")
		}
		return iotlocal.HookResponse{AllowProvisioning: true}, nil
	}}, func(g *factory) {
		f = g
		o := g.options()
		o.RequestTimeout = 10 * time.Second
		o.Attempts = 2
		// Every registration cuts the connection, so that no answer ever comes: but the device is registered.
		_, err := iotidentity.Provision(f.t.Context(), o)
		failed(t, err, iotidentity.StepRegisterThing)
		if _, ok := g.srv.Templates().Thing("lamp-7"); !ok {
			t.Error("not registered")
		}
	})
}

func TestProvisionContext(t *testing.T) {
	enough := errors.New("enough")
	var cancel context.CancelCauseFunc
	assemble(t, iotlocal.TemplateOptions{Hook: func(context.Context, iotlocal.HookRequest) (iotlocal.HookResponse, error) {
		cancel(enough)
		return iotlocal.HookResponse{}, errors.New("no")
	}}, func(f *factory) {
		var ctx context.Context
		ctx, cancel = context.WithCancelCause(f.t.Context())
		_, err := iotidentity.Provision(ctx, f.options())
		failed(t, err, iotidentity.StepRegisterThing)
		if len(f.files()) != 0 {
			t.Errorf("files %q", f.files())
		}
	})
	assemble(t, iotlocal.TemplateOptions{}, func(f *factory) {
		ctx, cancel := context.WithTimeoutCause(f.t.Context(), 3*time.Second, enough)
		defer cancel()
		if err := f.srv.Templates().Refuse(iotlocal.ProvisioningRequestThrottled, 1000); err != nil {
			t.Fatal(err)
		}
		o := f.options()
		o.Attempts = -1
		_, err := iotidentity.Provision(ctx, o)
		failed(t, err, iotidentity.StepCreateCertificate)
		if !errors.Is(err, enough) {
			t.Errorf("%v, want the cause of the context in it", err)
		}
		if _, ok := errors.AsType[*iotidentity.RejectedError](err); !ok {
			t.Errorf("%v, want what the service said in it", err)
		}
	})
}

// Files are looked at before anything is sent, and nobody's are replaced.
func TestProvisionFiles(t *testing.T) {
	old := ecdsaKey(t)
	der, err := x509.MarshalECPrivateKey(old)
	if err != nil {
		t.Fatal(err)
	}
	oldPEM := pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})
	for _, tt := range []struct {
		name   string
		before func(t *testing.T, f *factory, o *iotidentity.ProvisionOptions)
		is     error  // nil: it works
		text   string // part of the error
	}{
		{"certificate is there", func(t *testing.T, f *factory, o *iotidentity.ProvisionOptions) { put(t, o.CertFile, "x") }, fs.ErrExist, "the device seems to be provisioned"},
		{"key is there", func(t *testing.T, f *factory, o *iotidentity.ProvisionOptions) { put(t, o.KeyFile, string(oldPEM)) }, nil, ""},
		{"key is there, and another would come", func(t *testing.T, f *factory, o *iotidentity.ProvisionOptions) {
			put(t, o.KeyFile, string(oldPEM))
			o.Key = iotidentity.KeyOfService
		}, fs.ErrExist, "the service's key would replace it"},
		{"key is none", func(t *testing.T, f *factory, o *iotidentity.ProvisionOptions) { put(t, o.KeyFile, "x") }, nil, ".key: the private key is not PEM"},
		{"key is encrypted", func(t *testing.T, f *factory, o *iotidentity.ProvisionOptions) {
			put(t, o.KeyFile, "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n")
		}, nil, "or encrypted"},
		{"no directory", func(t *testing.T, f *factory, o *iotidentity.ProvisionOptions) {
			o.CertFile = filepath.Join(f.dir, "none", "c.pem")
		}, fs.ErrNotExist, "none"},
		{"key is a directory", func(t *testing.T, f *factory, o *iotidentity.ProvisionOptions) { o.KeyFile = f.dir }, errAny, "is a directory"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			assemble(t, iotlocal.TemplateOptions{}, func(f *factory) {
				o := f.options()
				tt.before(t, f, &o)
				before := f.files()
				p, err := iotidentity.Provision(f.t.Context(), o)
				if tt.is == nil && tt.text == "" {
					if err != nil || !slices.Equal(p.PrivateKeyPEM, oldPEM) {
						t.Fatal(err)
					}
					if got, _ := os.ReadFile(o.KeyFile); !slices.Equal(got, oldPEM) {
						t.Error("the key was replaced")
					}
					f.connects(p)
					return
				}
				failed(t, err, iotidentity.StepPrepare)
				if tt.is != nil && tt.is != errAny && !errors.Is(err, tt.is) || !strings.Contains(err.Error(), tt.text) {
					t.Errorf("%v", err)
				}
				if packets := f.srv.Recorder().Packets(); len(packets) != 0 || !slices.Equal(f.files(), before) {
					t.Errorf("%v was sent, files %q", packets, f.files())
				}
			})
		})
	}
}

var errAny = errors.New("some error")

func put(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// What cannot be put in place after the registration is kept, and the error says where.
func TestProvisionKeepsWhatIsRegistered(t *testing.T) {
	var o iotidentity.ProvisionOptions
	assemble(t, iotlocal.TemplateOptions{Hook: func(context.Context, iotlocal.HookRequest) (iotlocal.HookResponse, error) {
		put(t, o.CertFile, "somebody else's")
		return iotlocal.HookResponse{AllowProvisioning: true}, nil
	}}, func(f *factory) {
		o = f.options()
		_, err := iotidentity.Provision(f.t.Context(), o)
		failed(t, err, iotidentity.StepWriteFiles)
		names := f.files()
		if len(names) != 3 || !slices.Contains(names, "device.key") || !strings.Contains(err.Error(), "the device is registered, and ") {
			t.Fatalf("%v, files %q", err, names)
		}
		i := slices.IndexFunc(names, func(n string) bool { return strings.HasPrefix(n, ".device.pem.") })
		kept := filepath.Join(f.dir, names[i])
		if _, bad := tls.LoadX509KeyPair(kept, o.KeyFile); bad != nil || !strings.Contains(err.Error(), kept) {
			t.Errorf("%v, %v", err, bad)
		}
		if text, _ := os.ReadFile(o.CertFile); string(text) != "somebody else's" {
			t.Errorf("%q", text)
		}
	})
}

func TestProvisionOptions(t *testing.T) {
	good := iotidentity.ProvisionOptions{Claim: awsiot.ClientOptions{Endpoint: "localhost", Auth: awsiot.PlainTCP()}, TemplateName: "fleet"}
	for _, tt := range []struct {
		name, field string
		change      func(*iotidentity.ProvisionOptions)
	}{
		{"no endpoint", "Endpoint", func(o *iotidentity.ProvisionOptions) { o.Claim.Endpoint = "" }},
		{"no authentication", "Auth", func(o *iotidentity.ProvisionOptions) { o.Claim.Auth = nil }},
		{"no template", "TemplateName", func(o *iotidentity.ProvisionOptions) { o.TemplateName = "" }},
		{"template with a slash", "TemplateName", func(o *iotidentity.ProvisionOptions) { o.TemplateName = "a/b" }},
		{"certificate without key", "KeyFile", func(o *iotidentity.ProvisionOptions) { o.CertFile = "c" }},
		{"key without certificate", "KeyFile", func(o *iotidentity.ProvisionOptions) { o.KeyFile = "k" }},
		{"signer and a file", "KeyFile", func(o *iotidentity.ProvisionOptions) { o.Signer, o.CertFile, o.KeyFile = ecdsaKey(t), "c", "k" }},
		{"one file for both", "KeyFile", func(o *iotidentity.ProvisionOptions) { o.CertFile, o.KeyFile = "k", "k" }},
		{"signer and the service's key", "Signer", func(o *iotidentity.ProvisionOptions) { o.Signer, o.Key = ecdsaKey(t), iotidentity.KeyOfService }},
		{"no such source", "Key", func(o *iotidentity.ProvisionOptions) { o.Key = 7 }},
		{"negative timeout", "RequestTimeout", func(o *iotidentity.ProvisionOptions) { o.RequestTimeout = -1 }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := good
			tt.change(&o)
			_, err := iotidentity.Provision(t.Context(), o)
			failed(t, err, iotidentity.StepPrepare)
			invalid, ok := errors.AsType[*awsiot.ValidationError](err)
			if !ok || invalid.Field != tt.field {
				t.Errorf("%v, want a ValidationError of %s", err, tt.field)
			}
		})
	}
	if got := fmt.Sprint(iotidentity.KeyOfDevice, iotidentity.KeyOfService, iotidentity.KeySource(7), iotidentity.ProvisionStep(7), iotidentity.StepConnect); got != "KeyOfDevice KeyOfService KeySource(7) ProvisionStep(7) connect with the claim" {
		t.Error(got)
	}
}
