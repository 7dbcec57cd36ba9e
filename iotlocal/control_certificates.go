package iotlocal

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/portage-iot/awsiot/iotlocal/broker"
	"github.com/portage-iot/awsiot/iotlocal/internal/control"
	"github.com/portage-iot/awsiot/iotlocal/internal/registry"
	"github.com/portage-iot/awsiot/iotlocal/internal/rest"
	"github.com/portage-iot/awsiot/iotlocal/provisioning"
	"github.com/portage-iot/awsiot/iotlocal/wire"
)

func (a *controlAPI) certificateHandlers() map[string]control.Handler {
	return map[string]control.Handler{
		"CreateKeysAndCertificate": a.createKeysAndCertificate, "CreateCertificateFromCsr": a.createCertificateFromCSR,
		"RegisterCertificate": a.registerCertificate, "RegisterCertificateWithoutCA": a.registerCertificate,
		"DescribeCertificate": a.describeCertificate, "ListCertificates": a.listCertificates,
		"UpdateCertificate": a.updateCertificate, "DeleteCertificate": a.deleteCertificate,
	}
}

// add takes a certificate into the account.
func (a *controlAPI) add(c *control.Call, issued provisioning.Issued, active, foreign bool) error {
	status := registry.Inactive
	if active {
		status = registry.Active
	}
	err := a.s.registry.AddCertificate(registry.Certificate{ID: issued.ID, PEM: issued.PEM, Status: status, Foreign: foreign}, a.s.clock.Now())
	return refusal(c, err)
}

func (a *controlAPI) createKeysAndCertificate(c *control.Call) (any, error) {
	issued, err := a.s.fleet.service.NewKeys()
	if err != nil {
		return nil, err
	}
	if err := a.add(c, issued, c.Bool("setAsActive", false), false); err != nil {
		return nil, err
	}
	return map[string]any{"certificateArn": certificateARN(c, issued.ID), "certificateId": issued.ID, "certificatePem": issued.PEM,
		"keyPair": map[string]string{"PublicKey": issued.PublicPEM, "PrivateKey": issued.PrivatePEM}}, nil
}

func (a *controlAPI) createCertificateFromCSR(c *control.Call) (any, error) {
	issued, err := a.s.fleet.service.FromCSR(c.Text("certificateSigningRequest"))
	if e, ok := errors.AsType[*provisioning.Error](err); ok {
		return nil, rest.Invalid("%s", e.Message)
	} else if err != nil {
		return nil, err
	}
	if err := a.add(c, issued, c.Bool("setAsActive", false), false); err != nil {
		return nil, err
	}
	return map[string]string{"certificateArn": certificateARN(c, issued.ID), "certificateId": issued.ID, "certificatePem": issued.PEM}, nil
}

// registerCertificate is RegisterCertificate, for which the server's CA must have signed the certificate, and
// RegisterCertificateWithoutCA, for which anybody may have.
func (a *controlAPI) registerCertificate(c *control.Call) (any, error) {
	text := c.Text("certificatePem")
	block, tail := pem.Decode([]byte(text))
	if block == nil || block.Type != "CERTIFICATE" || strings.TrimSpace(string(tail)) != "" {
		return nil, control.Refuse(control.CertificateInvalid, "certificatePem is not one certificate in PEM")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, control.Refuse(control.CertificateInvalid, "certificatePem: %v", err)
	}
	now := a.s.clock.Now()
	if now.After(cert.NotAfter) {
		return nil, control.Refuse(control.CertificateInvalid, "the certificate has expired: it was good until %s", cert.NotAfter.Format(time.RFC3339))
	}
	own := a.s.signedByCA(cert)
	if c.Operation == "RegisterCertificate" {
		if ca := c.Text("caCertificatePem"); ca != "" && parsePEM(ca) != parsePEM(string(a.s.CAPEM())) {
			return nil, rest.NotFound("CA Certificate not found: this endpoint knows its own CA only (ca.pem); RegisterCertificateWithoutCA takes certificates of others")
		}
		if !own {
			return nil, control.Refuse(control.CertificateInvalid, "the certificate is not signed by the CA of this endpoint (ca.pem); RegisterCertificateWithoutCA takes certificates of others")
		}
	}
	active := c.Bool("setAsActive", false)
	switch status := c.Text("status"); status {
	case "", "INACTIVE":
	case "ACTIVE":
		active = true
	default:
		return nil, rest.Invalid("a certificate is registered as ACTIVE or INACTIVE, not %s", status)
	}
	id := provisioning.CertificateID(cert.Raw)
	if err := a.add(c, provisioning.Issued{ID: id, PEM: string(pem.EncodeToMemory(block))}, active, !own); err != nil {
		return nil, err
	}
	return map[string]string{"certificateArn": certificateARN(c, id), "certificateId": id}, nil
}

// parsePEM returns the bytes of the first block; "" for none.
func parsePEM(text string) string {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return ""
	}
	return string(block.Bytes)
}

// certificateView is a certificate of the account, or one of fleet provisioning that waits to be registered.
type certificateView struct {
	registry.Certificate
	status string
}

// certificates returns every certificate, claims left out, in the order of making.
func (a *controlAPI) certificates() (all []certificateView) {
	for _, c := range a.s.registry.Certificates() {
		all = append(all, registeredView(c))
	}
	for _, c := range a.s.fleet.service.Certificates(a.s.clock.Now()) {
		if _, registered := a.s.registry.Certificate(c.ID); !registered && !a.s.fleet.service.Claims(c.ID) {
			all = append(all, waitingView(c))
		}
	}
	slices.SortFunc(all, func(a, b certificateView) int { return strings.Compare(a.key(), b.key()) })
	return all
}

func registeredView(c registry.Certificate) certificateView {
	return certificateView{Certificate: c, status: c.Status.String()}
}

func waitingView(c provisioning.Certificate) certificateView {
	return certificateView{status: c.Status.String(), Certificate: registry.Certificate{ID: c.ID, PEM: c.PEM, CreatedAt: c.CreatedAt, ModifiedAt: c.CreatedAt, Version: 1}}
}

// certificate returns one of certificates.
func (a *controlAPI) certificate(id string) (v certificateView, ok bool) {
	if c, ok := a.s.registry.Certificate(id); ok {
		return registeredView(c), true
	}
	c, ok := a.s.fleet.service.Certificate(id)
	if !ok || a.s.fleet.service.Claims(id) {
		return v, false
	}
	return waitingView(c), true
}

// key sorts by time of making, and names the certificate.
func (v *certificateView) key() string {
	return v.CreatedAt.UTC().Format("20060102150405.000000000") + " " + v.ID
}

// mode is the certificate mode of the API.
func (v *certificateView) mode() string {
	if v.Foreign {
		return "SNI_ONLY"
	}
	return "DEFAULT"
}

// certificateID is the id of a call, in lower case.
func certificateIDOf(c *control.Call) string {
	return strings.ToLower(strings.TrimPrefix(c.Text("certificateId"), "0x"))
}

func (a *controlAPI) describeCertificate(c *control.Call) (any, error) {
	id := certificateIDOf(c)
	v, ok := a.certificate(id)
	if !ok {
		return nil, rest.NotFound("Certificate %s not found", id)
	}
	d := map[string]any{"certificateArn": certificateARN(c, id), "certificateId": id, "status": v.status, "certificatePem": v.PEM, "ownedBy": c.Account,
		"creationDate": v.CreatedAt.Unix(), "lastModifiedDate": v.ModifiedAt.Unix(), "customerVersion": v.Version, "certificateMode": v.mode()}
	if cert := parseCertificate(v.PEM); cert != nil {
		d["validity"] = map[string]int64{"notBefore": cert.NotBefore.Unix(), "notAfter": cert.NotAfter.Unix()}
	}
	return map[string]any{"certificateDescription": d}, nil
}

func (a *controlAPI) listCertificates(c *control.Call) (any, error) {
	all, down := a.certificates(), !c.Bool("ascendingOrder", false)
	if down { // the newest first, as AWS
		slices.Reverse(all)
	}
	return control.List(c, control.ByMarker, "certificates", all, down, func(v certificateView) string { return v.key() }, func(v certificateView) map[string]any {
		return map[string]any{"certificateArn": certificateARN(c, v.ID), "certificateId": v.ID, "status": v.status,
			"creationDate": v.CreatedAt.Unix(), "certificateMode": v.mode()}
	})
}

func (a *controlAPI) updateCertificate(c *control.Call) (any, error) {
	id := certificateIDOf(c)
	if _, ok := a.s.CertificateStatus(id); !ok || a.s.fleet.status(id) == provisioning.Removed {
		return nil, rest.NotFound("Certificate %s not found", id)
	}
	status := map[string]CertificateStatus{"ACTIVE": CertificateActive, "INACTIVE": CertificateInactive, "REVOKED": CertificateRevoked}[c.Text("newStatus")]
	if status == 0 {
		return nil, rest.Invalid("certificates become ACTIVE, INACTIVE or REVOKED, not %s", c.Text("newStatus"))
	}
	if err := a.s.SetCertificateStatus(id, status); err != nil {
		return nil, asAbsent(err, "Certificate %s not found", id)
	}
	return empty{}, nil
}

func (a *controlAPI) deleteCertificate(c *control.Call) (any, error) {
	id := certificateIDOf(c)
	if err := a.s.registry.DeleteCertificate(id, c.Bool("forceDelete", false)); err != nil {
		return nil, refusal(c, err)
	}
	a.s.broker.DisconnectWhere(func(cl *broker.Client) bool { return certificateID(cl) == id }, wire.NotAuthorized, "the certificate was deleted")
	return empty{}, nil
}
