package iotlocal

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/portage-iot/awsiot/iotlocal/broker"
	"github.com/portage-iot/awsiot/iotlocal/internal/registry"
	"github.com/portage-iot/awsiot/iotlocal/provisioning"
	"github.com/portage-iot/awsiot/iotlocal/wire"
)

// fleet glues fleet provisioning to the broker, to the CA and to the clock.
type fleet struct {
	service *provisioning.Service
	clock   *Clock
	ctx     context.Context // of hooks: ends with the server
	close   context.CancelFunc
	hooks   functions[PreProvisioningHook] // of Templates.Register
}

func newFleet(l ProvisioningLimits, k *Clock, sign provisioning.Issue, r *registry.Registry) *fleet {
	f := &fleet{service: provisioning.NewService(l, sign), clock: k}
	f.service.Use(r)
	f.service.FindHooks(f.hook)
	f.ctx, f.close = context.WithCancel(context.Background())
	return f
}

// handle takes what clients publish under the prefixes of provisioning; topics
// that are no requests pass by. The answer goes to the requester alone, with the
// QoS of its subscription or, without one, of the request. It runs on the
// client's reader, so that requests of one device are answered in their order,
// and one device's hook holds up no other.
func (f *fleet) handle(c *broker.Client, m *broker.Message) {
	t, ok := provisioning.ParseTopic(m.Topic)
	if !ok {
		return
	}
	a := f.service.Do(f.ctx, t, provisioning.Client{ID: c.ID, CertificateID: certificateID(c)}, m.Payload, f.clock.Now())
	qos, subscribed := c.Granted(a.Topic)
	if !subscribed {
		qos = m.QoS
	}
	c.Send(&broker.Message{Topic: a.Topic, Payload: a.Payload, QoS: qos})
}

// admit lets certificates of fleet provisioning connect while they are good; of
// others it knows nothing.
func (f *fleet) admit(c *broker.Client) wire.Code {
	id := certificateID(c)
	if id == "" {
		return wire.Success
	}
	if c.Denial = f.refuses(id); c.Denial != "" {
		return wire.NotAuthorized
	}
	return wire.Success
}

// refuses returns why a certificate is not let in; "" when it is.
func (f *fleet) refuses(id string) string {
	switch status := f.status(id); status {
	case provisioning.PendingActivation, provisioning.Inactive, provisioning.Removed, provisioning.Revoked:
		return fmt.Sprintf("the certificate is %v", status)
	}
	return ""
}

// status is that of a certificate; 0 when the account does not know it.
func (f *fleet) status(id string) provisioning.CertificateStatus {
	return f.service.Status(id, f.clock.Now())
}

// certificateID returns the id of a client's certificate, "" for none.
func certificateID(c *broker.Client) string {
	if len(c.Certificates) == 0 {
		return ""
	}
	return provisioning.CertificateID(c.Certificates[0].Raw)
}

// The parts of fleet provisioning that users name, from package provisioning.
type (
	// ProvisioningTemplate is a provisioning template: see [provisioning.Template].
	ProvisioningTemplate = provisioning.Template
	// TemplateOptions configure a template: its hook: see [provisioning.TemplateOptions].
	TemplateOptions = provisioning.TemplateOptions
	// PreProvisioningHook decides whether a device may be provisioned: see [provisioning.Hook].
	PreProvisioningHook = provisioning.Hook
	// HookRequest is what a pre-provisioning hook gets: see [provisioning.HookRequest].
	HookRequest = provisioning.HookRequest
	// HookResponse is what a pre-provisioning hook decides: see [provisioning.HookResponse].
	HookResponse = provisioning.HookResponse
	// ProvisionedCertificate is a certificate that fleet provisioning has made: see [provisioning.Certificate].
	ProvisionedCertificate = provisioning.Certificate
	// ProvisionedThing is a thing that a device was registered as: see [provisioning.Thing].
	ProvisionedThing = provisioning.Thing
	// CertificateStatus is the status of a certificate: see [provisioning.CertificateStatus].
	CertificateStatus = provisioning.CertificateStatus
	// ProvisioningError is a refusal of fleet provisioning: code and text: see [provisioning.Error].
	ProvisioningError = provisioning.Error
	// ProvisioningErrorCode is an error code of fleet provisioning: see [provisioning.Code].
	ProvisioningErrorCode = provisioning.Code
)

// The statuses of certificates of fleet provisioning.
const (
	CertificatePendingActivation = provisioning.PendingActivation
	CertificateActive            = provisioning.Active
	CertificateInactive          = provisioning.Inactive
	CertificateClaim             = provisioning.Claim
	CertificateRevoked           = provisioning.Revoked
)

// The error codes of fleet provisioning; package provisioning says when each
// comes.
const (
	ProvisioningInvalidPayload    = provisioning.InvalidPayload
	ProvisioningInvalidCSR        = provisioning.InvalidCSR
	ProvisioningInvalidToken      = provisioning.InvalidToken
	ProvisioningInvalidParameters = provisioning.InvalidParameters
	ProvisioningAccessDenied      = provisioning.AccessDenied
	ProvisioningResourceNotFound  = provisioning.ResourceNotFound
	ProvisioningResourceConflict  = provisioning.ResourceConflict
	ProvisioningRequestThrottled  = provisioning.RequestThrottled
	ProvisioningInternalFailure   = provisioning.InternalFailure
)

// DefaultTemplate is a provisioning template that will do for most tests: a device
// gives the parameter SerialNumber and becomes the thing of that name, with the
// policy "device" on its certificate.
const DefaultTemplate = `{
	"Parameters": {"SerialNumber": {"Type": "String"}},
	"Resources": {
		"thing": {"Type": "AWS::IoT::Thing", "Properties": {"ThingName": {"Ref": "SerialNumber"}}},
		"certificate": {"Type": "AWS::IoT::Certificate", "Properties": {"CertificateId": {"Ref": "AWS::IoT::Certificate::Id"}, "Status": "ACTIVE"}},
		"policy": {"Type": "AWS::IoT::Policy", "Properties": {"PolicyName": "device"}}
	}
}`

// Templates is a handle on fleet provisioning for the program around the server,
// which plays the operator of the fleet.
type Templates struct{ server *Server }

// Templates returns the handle of fleet provisioning.
func (s *Server) Templates() *Templates { return &Templates{s} }

// Create makes a provisioning template, or replaces the one of its name. The name
// is 1 to 36 of a-z A-Z 0-9 _ -. The body is a template as AWS takes it, with
// Parameters, Mappings, Resources and DeviceConfiguration, and the functions Ref,
// Fn::Join, Fn::Select, Fn::Split, Fn::FindInMap and Fn::Sub: a string, []byte or
// json.RawMessage holds JSON, anything else is marshalled. The error says what is
// wrong with it.
func (h *Templates) Create(name string, body any, o TemplateOptions) error {
	text, err := jsonText(body)
	if err != nil {
		return fmt.Errorf("iotlocal: provisioning template: %w", err)
	}
	if err := h.service().PutTemplate(name, text, o); err != nil {
		return fmt.Errorf("iotlocal: provisioning: %w", err)
	}
	return nil
}

func (h *Templates) service() *provisioning.Service { return h.server.fleet.service }

func (h *Templates) now() time.Time { return h.server.clock.Now() }

// Delete forgets a template and reports whether it was there. What was registered
// with it stays. One that Options.StateDir cannot let go of stays, too.
func (h *Templates) Delete(name string) bool {
	ok, _ := h.service().DeleteTemplate(name) // an error is logged
	return ok
}

// List returns the templates, sorted by name.
func (h *Templates) List() []ProvisioningTemplate { return h.service().Templates() }

// ClaimOptions configure Templates.Claim.
type ClaimOptions struct {
	// Life is how long the claim is good, by the server's clock. 0 is 5 minutes, as
	// CreateProvisioningClaim makes them; negative is no end, as for a claim that is
	// built into devices at the factory.
	Life time.Duration
}

// Claim makes a claim certificate for a template and writes NAME.claim.pem and
// NAME.claim.key, which no thing's files can be. The Thing's name is that of the
// template. A connection with it can register devices with this template only;
// when its life is over it cannot connect. The error is a *ProvisioningError when
// there is no such template.
func (h *Templates) Claim(name string, o ClaimOptions) (Thing, error) {
	life := o.Life
	if life == 0 {
		life = provisioning.ClaimLife
	}
	c, key, err := h.service().NewClaim(name, max(life, 0), h.now())
	if err != nil {
		var refused *ProvisioningError
		if errors.As(err, &refused) {
			return Thing{}, err
		}
		return Thing{}, fmt.Errorf("iotlocal: provisioning claim: %w", err)
	}
	base := filepath.Join(h.server.dir, name+".claim")
	t := Thing{Name: name, CertFile: base + certExt, KeyFile: base + keyExt, CertPEM: []byte(c.PEM), KeyPEM: []byte(key)}
	return t, errors.Join(writeFile(t.CertFile, t.CertPEM, public), writeFile(t.KeyFile, t.KeyPEM, secret))
}

// Certificates returns the certificates that provisioning has made, claims too, in
// the order of making; those that were not registered in time are gone.
func (h *Templates) Certificates() []ProvisionedCertificate {
	return h.service().Certificates(h.now())
}

// SetActive turns a registered certificate on or off: one that is off cannot
// connect. It reports false for a certificate that is not there or not registered.
// A connection that is open stays.
func (h *Templates) SetActive(certificateID string, active bool) bool {
	ok, _ := h.service().SetActive(certificateID, active, h.now()) // an error is logged
	return ok
}

// Thing returns a thing that a device was registered as.
func (h *Templates) Thing(name string) (ProvisionedThing, bool) { return h.service().Thing(name) }

// PolicyDocument returns the document of a policy that a template brought along;
// ok is false for a policy that a template only names.
func (h *Templates) PolicyDocument(policy string) (document string, ok bool) {
	return h.service().PolicyDocument(policy)
}

// Refuse makes the service answer the next n requests of all devices with
// ProvisioningRequestThrottled or ProvisioningInternalFailure; 0 takes back what is
// left. The error names another code, or a negative n.
func (h *Templates) Refuse(code ProvisioningErrorCode, n int) error {
	if err := h.service().Refuse(code, n); err != nil {
		return fmt.Errorf("iotlocal: provisioning: %w", err)
	}
	return nil
}
