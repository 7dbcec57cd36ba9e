package iotidentity

import (
	"bytes"
	"cmp"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"time"

	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/internal/backoff"
	"github.com/portage-iot/awsiot/v2/reqresp"
)

// KeySource says where the private key of the device's certificate comes from.
type KeySource int

// The sources.
const (
	// KeyOfDevice: the key is made here, or is Signer, or the one in KeyFile, and never leaves the device: the service
	// gets a certificate signing request.
	KeyOfDevice KeySource = iota
	// KeyOfService: the service makes the key and sends it, RSA of 2,048 bits.
	KeyOfService
)

// String returns the name of the constant.
func (k KeySource) String() string {
	switch k {
	case KeyOfDevice:
		return "KeyOfDevice"
	case KeyOfService:
		return "KeyOfService"
	}
	return fmt.Sprintf("KeySource(%d)", int(k))
}

// ProvisionOptions describe one provisioning of a device. Claim and TemplateName are required, and a place for the key:
// Signer, or CertFile and KeyFile, or neither for a program that keeps the Provisioned itself.
type ProvisionOptions struct {
	// Claim is how to connect with the claim certificate: Endpoint, CAFile, Auth, HTTPProxy and so on.
	Claim awsiot.ClientOptions
	// TemplateName is the provisioning template, and Parameters what it asks of the device.
	TemplateName string
	Parameters   map[string]string

	// Key says who makes the key.
	Key KeySource
	// Signer is the device's key, such as one in hardware: ECDSA on P-256, P-384 or P-521, or RSA of 2,048 bits and more.
	// nil: a new key on P-256.
	Signer crypto.Signer
	// Subject of the certificate signing request; the template can refer to it. Empty: a common name that says what this is.
	Subject pkix.Name

	// CertFile and KeyFile are where the certificate and the key are written, in PEM, with mode 0600, at once or not at
	// all; the certificate last, so that its file means that all is done. Neither may be there before. The exception is
	// a KeyFile without a CertFile, as an interrupted run leaves it: its key is then used. With Signer, KeyFile is "".
	CertFile, KeyFile string

	// Attempts is how often each step is tried when the service says that it may work later, does not answer, or cannot
	// be reached. 0: 5; negative: until the context ends. The delays grow from a second to half a minute.
	Attempts int
	// RequestTimeout is how long one request may take. 0: 60 s.
	RequestTimeout time.Duration
	// Logger gets what is tried again. nil: that of Claim, or none.
	Logger *slog.Logger
}

// Provisioned is what a device has got.
type Provisioned struct {
	// Options connect as the device: those of Claim with its certificate, and with the thing's name as the client id if
	// there is a thing.
	Options awsiot.ClientOptions
	// ThingName is the thing that the template made; "" if it makes none.
	ThingName string
	// DeviceConfiguration is the template's. It is never nil.
	DeviceConfiguration map[string]string
	CertificateID       string
	CertificatePEM      []byte
	// PrivateKeyPEM is the key; nil with Signer.
	PrivateKeyPEM []byte
}

// ProvisionStep is a step of Provision.
type ProvisionStep int

// The steps, in their order.
const (
	StepPrepare           ProvisionStep = iota // options, files, the key
	StepConnect                                // with the claim certificate
	StepCreateCertificate                      // CreateCertificateFromCsr or CreateKeysAndCertificate
	StepRegisterThing                          // RegisterThing
	StepWriteFiles                             // CertFile and KeyFile
)

var stepNames = [...]string{"prepare", "connect with the claim", "create the certificate", "register the thing", "write the files"}

// String returns the step in words.
func (s ProvisionStep) String() string {
	if s >= 0 && int(s) < len(stepNames) {
		return stepNames[s]
	}
	return fmt.Sprintf("ProvisionStep(%d)", int(s))
}

// ProvisionError is the failure of Provision. Err is the last cause: an *awsiot.ConnectError, a *reqresp.Error with a
// *RejectedError in it, an error of the file system, *awsiot.ValidationErrors for wrong options, or that of the context.
type ProvisionError struct {
	Step     ProvisionStep
	Attempts int // how often the step was tried
	// CertificateID is the certificate that was made and is not registered, if any: AWS IoT removes it after an hour.
	CertificateID string
	Err           error
}

// Error returns a text such as `iotidentity: provision: register the thing: ...`.
func (e *ProvisionError) Error() string {
	tries := ""
	if e.Attempts > 1 {
		tries = fmt.Sprintf(" (tried %d times)", e.Attempts)
	}
	return fmt.Sprintf("iotidentity: provision: %v%s: %v", e.Step, tries, e.Err)
}

// Unwrap returns Err.
func (e *ProvisionError) Unwrap() error { return e.Err }

// Provision turns a claim certificate into the device's own: it connects with the claim, lets the service sign a
// certificate, registers the device with a template (AWS IoT developer guide, "Provisioning by claim"), writes the
// files, and returns options that connect as the device. It makes a client of its own and has closed it when it returns.
//
// Files are prepared before the device is registered, so that what can fail does so while nothing has happened; what
// has been registered is only renamed into place. The error is a *ProvisionError.
func Provision(ctx context.Context, o ProvisionOptions) (*Provisioned, error) {
	p := &provisioning{o: o, log: cmp.Or(o.Logger, o.Claim.Logger, slog.New(slog.DiscardHandler))}
	if err := p.run(ctx); err != nil {
		p.files.discard()
		return nil, err
	}
	return &p.result, nil
}

// provisioning is one call of Provision on its way.
type provisioning struct {
	o      ProvisionOptions
	log    *slog.Logger
	signer crypto.Signer
	files  files
	client *Client
	token  string
	result Provisioned
}

func (p *provisioning) run(ctx context.Context) error {
	if err := p.prepare(); err != nil {
		return &ProvisionError{Step: StepPrepare, Err: err}
	}
	c := awsiot.NewClient(p.o.Claim)
	defer c.Close()
	p.client = NewClient(c, reqresp.Options{OperationTimeout: p.o.RequestTimeout})
	defer p.client.Close()
	for _, s := range []struct {
		step ProvisionStep
		do   func(context.Context) error
	}{
		{StepConnect, c.StartAndWait},
		{StepCreateCertificate, p.create},
		{StepWriteFiles, func(context.Context) error { return p.stage() }},
		{StepRegisterThing, p.register},
		{StepWriteFiles, func(context.Context) error { return p.files.commit() }},
	} {
		tries, err := p.try(ctx, s.step, s.do)
		if err != nil {
			return &ProvisionError{Step: s.step, Attempts: tries, CertificateID: p.result.CertificateID, Err: err}
		}
	}
	p.finish()
	return nil
}

// prepare checks the options and gets the key. Nothing is sent before it has succeeded.
func (p *provisioning) prepare() error {
	if err := p.o.validate(); err != nil {
		return err
	}
	p.files = files{cert: p.o.CertFile, key: p.o.KeyFile}
	old, err := p.files.begin(p.o.Key)
	if err != nil {
		return err
	}
	switch {
	case p.o.Key == KeyOfService:
		return nil
	case p.o.Signer != nil:
		p.signer = p.o.Signer
		return nil
	case old != nil:
		p.result.PrivateKeyPEM = old
		if p.signer, err = parseKey(old); err != nil {
			err = fmt.Errorf("%s: %w", p.o.KeyFile, err)
		}
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	p.signer, p.result.PrivateKeyPEM = key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	return nil
}

// The delays between attempts.
const (
	firstDelay      = time.Second
	maxDelay        = 30 * time.Second
	defaultAttempts = 5
)

// try does a step until it succeeds, fails for good, or has been tried often enough.
func (p *provisioning) try(ctx context.Context, step ProvisionStep, do func(context.Context) error) (tries int, err error) {
	limit := cmp.Or(p.o.Attempts, defaultAttempts)
	// Decorrelated: a fleet that is switched on at once must not come back at once, and at least a second passes.
	delays := backoff.Backoff{Mode: backoff.Decorrelated, Min: firstDelay, Max: maxDelay}
	for tries = 1; ; tries++ {
		if err = do(ctx); err == nil || ctx.Err() != nil || !again(err) || limit > 0 && tries >= limit {
			return tries, err
		}
		d := delays.Next()
		p.log.LogAttrs(ctx, slog.LevelWarn, "iotidentity: provisioning is tried again", slog.String("step", step.String()),
			slog.Int("attempt", tries), slog.Duration("delay", d), slog.Any("error", err))
		select {
		case <-time.After(d):
		case <-ctx.Done():
			return tries, errors.Join(context.Cause(ctx), err)
		}
	}
}

// again reports whether a step may succeed later as it is: the service says so by its status, did not answer, or the
// network did not let it. A request that was answered twice does no harm: a second certificate that nobody registers is
// removed, and a registration with the same token is the same registration.
func again(err error) bool {
	var rejected *RejectedError
	if errors.As(err, &rejected) {
		return rejected.StatusCode == 429 || rejected.StatusCode >= 500
	}
	if errors.Is(err, reqresp.ErrTimeout) || errors.Is(err, reqresp.ErrAnswerLost) {
		return true
	}
	if _, request := errors.AsType[*reqresp.Error](err); request {
		return reqresp.Retryable(err) // not what the policy denies: most of the time a wrong TemplateName
	}
	return awsiot.Retryable(err)
}

// create lets the service make the certificate.
func (p *provisioning) create(ctx context.Context) error {
	if p.o.Key == KeyOfService {
		a, err := p.client.CreateKeysAndCertificate(ctx, &CreateKeysAndCertificateRequest{})
		if err != nil {
			return err
		}
		p.token, p.result.CertificateID = a.CertificateOwnershipToken, a.CertificateID
		p.result.CertificatePEM, p.result.PrivateKeyPEM = []byte(a.CertificatePem), []byte(a.PrivateKey)
		p.signer, err = parseKey(p.result.PrivateKeyPEM)
		return errors.Join(err, p.matches())
	}
	subject := p.o.Subject
	if subject.String() == "" {
		subject.CommonName = "AWS IoT device"
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: subject}, p.signer)
	if err != nil {
		return fmt.Errorf("certificate signing request: %w", err)
	}
	a, err := p.client.CreateCertificateFromCsr(ctx, &CreateCertificateFromCsrRequest{
		CertificateSigningRequest: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))})
	if err != nil {
		return err
	}
	p.token, p.result.CertificateID, p.result.CertificatePEM = a.CertificateOwnershipToken, a.CertificateID, []byte(a.CertificatePem)
	return p.matches()
}

// matches checks that the certificate is for the key, before anything depends on it.
func (p *provisioning) matches() error {
	block, _ := pem.Decode(p.result.CertificatePEM)
	if block == nil || block.Type != "CERTIFICATE" {
		return errors.New("the service's certificate is not PEM")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return fmt.Errorf("the service's certificate: %w", err)
	}
	of, err := x509.MarshalPKIXPublicKey(p.signer.Public())
	if err != nil {
		return fmt.Errorf("the key: %w", err)
	}
	if !bytes.Equal(cert.RawSubjectPublicKeyInfo, of) {
		return errors.New("the service's certificate is not for the device's key")
	}
	return nil
}

func (p *provisioning) stage() error {
	return p.files.stage(p.result.CertificatePEM, p.result.PrivateKeyPEM)
}

func (p *provisioning) register(ctx context.Context) error {
	a, err := p.client.RegisterThing(ctx, &RegisterThingRequest{TemplateName: p.o.TemplateName,
		CertificateOwnershipToken: p.token, Parameters: maps.Clone(p.o.Parameters)})
	if err != nil {
		return err
	}
	p.result.ThingName, p.result.DeviceConfiguration = a.ThingName, maps.Clone(a.DeviceConfiguration)
	if p.result.DeviceConfiguration == nil {
		p.result.DeviceConfiguration = map[string]string{}
	}
	return nil
}

// finish makes the options of the device's own connection.
func (p *provisioning) finish() {
	p.result.Options = p.o.Claim
	if p.result.ThingName != "" {
		p.result.Options.ClientID = p.result.ThingName
	}
	if p.o.CertFile != "" && p.o.KeyFile != "" {
		p.result.Options.Auth = awsiot.MTLSFromPath(p.o.CertFile, p.o.KeyFile)
		return
	}
	cert := tls.Certificate{PrivateKey: p.signer}
	for rest := p.result.CertificatePEM; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		cert.Certificate = append(cert.Certificate, block.Bytes)
	}
	p.result.Options.Auth = awsiot.MTLSFromCertificate(cert)
}
