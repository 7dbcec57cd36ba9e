package iotidentity

import (
	"fmt"

	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/internal/jsonobj"
	"github.com/portage-iot/awsiot/v2/internal/service"
)

// The table of the service: each operation once. Answers carry no token.
var (
	createKeysAndCertificate = operation("CreateKeysAndCertificate", func(service.Names) string { return TopicCreateKeysAndCertificate() },
		(*CreateKeysAndCertificateRequest).common, (*CreateKeysAndCertificateRequest).encode, (*CreateKeysAndCertificateResponse).read)
	createCertificateFromCsr = operation("CreateCertificateFromCsr", func(service.Names) string { return TopicCreateCertificateFromCsr() },
		(*CreateCertificateFromCsrRequest).common, (*CreateCertificateFromCsrRequest).encode, (*CreateCertificateFromCsrResponse).read)
	registerThing = operation("RegisterThing", func(n service.Names) string { return TopicRegisterThing(n[0]) },
		(*RegisterThingRequest).common, (*RegisterThingRequest).encode, (*RegisterThingResponse).read)
)

func operation[Req, Resp any](name string, topic func(service.Names) string, common func(*Req) (service.Common, error),
	encode func(*Req, *jsonobj.Writer), read func(*Resp, []byte) error) *service.Operation[Req, Resp] {
	return &service.Operation[Req, Resp]{
		Name:    "iotidentity." + name,
		Topic:   topic,
		Answers: service.Suffixed,
		Common:  common,
		Encode:  func(w *jsonobj.Writer, r *Req) { encode(r, w) },
		Decode:  func(_ string, payload []byte, to *Resp) error { return read(to, payload) },
		Refusal: refusal,
	}
}

// TopicCreateKeysAndCertificate returns the topic on which a key and a certificate are asked for. Its answers, and those of the
// other topics here, come on TOPIC/accepted and TOPIC/rejected.
func TopicCreateKeysAndCertificate() string { return "$aws/certificates/create/json" }

// TopicCreateCertificateFromCsr returns the topic on which a certificate is asked for.
func TopicCreateCertificateFromCsr() string { return "$aws/certificates/create-from-csr/json" }

// TopicRegisterThing returns the topic on which a device is registered with a template, whose name is not checked.
func TopicRegisterThing(templateName string) string {
	return "$aws/provisioning-templates/" + templateName + "/provision/json"
}

// maxTemplateName is the longest name of a template (AWS IoT API reference, CreateProvisioningTemplate).
const maxTemplateName = 36

// template checks the name of a template: 1 to 36 of a-z A-Z 0-9 _ -.
func template(name string) (service.Names, error) {
	problem := ""
	switch {
	case name == "":
		problem = "is empty"
	case len(name) > maxTemplateName:
		problem = fmt.Sprintf("%d bytes; at most %d are allowed", len(name), maxTemplateName)
	}
	for i := range len(name) {
		c := name[i]
		if problem == "" && (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && c != '_' && c != '-' {
			problem = fmt.Sprintf("%q has a character that is not allowed, at %d", name, i)
		}
	}
	if problem != "" {
		return service.Names{}, &awsiot.ValidationError{Field: "TemplateName", Problem: problem}
	}
	return service.Names{name}, nil
}

func (r CreateKeysAndCertificateSubscriptionRequest) names() (service.Names, error) {
	return service.Names{}, nil
}

func (r CreateCertificateFromCsrSubscriptionRequest) names() (service.Names, error) {
	return service.Names{}, nil
}

func (r RegisterThingSubscriptionRequest) names() (service.Names, error) {
	return template(r.TemplateName)
}

func (r *CreateKeysAndCertificateRequest) common() (service.Common, error) {
	return service.Common{Document: r.Document, Timeout: r.Timeout}, nil
}

func (r *CreateKeysAndCertificateRequest) encode(*jsonobj.Writer) {}

func (r *CreateCertificateFromCsrRequest) common() (service.Common, error) {
	m := service.Common{Document: r.Document, Timeout: r.Timeout}
	return m, m.Require("CertificateSigningRequest", r.CertificateSigningRequest)
}

func (r *CreateCertificateFromCsrRequest) encode(w *jsonobj.Writer) {
	w.String("certificateSigningRequest", r.CertificateSigningRequest)
}

func (r *RegisterThingRequest) common() (service.Common, error) {
	n, err := template(r.TemplateName)
	m := service.Common{Names: n, Document: r.Document, Timeout: r.Timeout}
	if err != nil {
		return m, err
	}
	if r.Parameters != nil {
		m.Mixed = "Parameters"
	}
	return m, m.Require("CertificateOwnershipToken", r.CertificateOwnershipToken)
}

func (r *RegisterThingRequest) encode(w *jsonobj.Writer) {
	w.String("certificateOwnershipToken", r.CertificateOwnershipToken)
	w.Strings("parameters", r.Parameters)
}
