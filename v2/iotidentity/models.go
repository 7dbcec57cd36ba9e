package iotidentity

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/portage-iot/awsiot/v2/internal/jsonobj"
	"github.com/portage-iot/awsiot/v2/reqresp"
)

// CreateKeysAndCertificateRequest asks for a key and a certificate.
type CreateKeysAndCertificateRequest struct {
	Document []byte        // the whole body as JSON, in place of {}
	Timeout  time.Duration // 0: reqresp.Options.OperationTimeout
}

// CreateCertificateFromCsrRequest asks for a certificate. CertificateSigningRequest, in PEM, is required.
type CreateCertificateFromCsrRequest struct {
	CertificateSigningRequest string
	Document                  []byte
	Timeout                   time.Duration
}

// RegisterThingRequest registers a device. CertificateOwnershipToken, from the answer with the certificate, and
// TemplateName are required.
type RegisterThingRequest struct {
	TemplateName              string
	CertificateOwnershipToken string
	Parameters                map[string]string
	Document                  []byte
	Timeout                   time.Duration
}

// CreateKeysAndCertificateSubscriptionRequest stands for the answers to CreateKeysAndCertificate.
type CreateKeysAndCertificateSubscriptionRequest struct{}

// CreateCertificateFromCsrSubscriptionRequest stands for the answers to CreateCertificateFromCsr.
type CreateCertificateFromCsrSubscriptionRequest struct{}

// RegisterThingSubscriptionRequest names the template of the answers to RegisterThing.
type RegisterThingSubscriptionRequest struct{ TemplateName string }

// CreateKeysAndCertificateResponse has a new key and certificate, both in PEM. The certificate is of use once a thing is
// registered with the token, within an hour.
type CreateKeysAndCertificateResponse struct {
	CertificateID             string
	CertificatePem            string
	PrivateKey                string
	CertificateOwnershipToken string
	Raw                       json.RawMessage // all of it: keep it out of logs
}

// CreateCertificateFromCsrResponse has a new certificate in PEM; see CreateKeysAndCertificateResponse.
type CreateCertificateFromCsrResponse struct {
	CertificateID             string
	CertificatePem            string
	CertificateOwnershipToken string
	Raw                       json.RawMessage
}

// RegisterThingResponse says what the template has made of the device.
type RegisterThingResponse struct {
	ThingName           string
	DeviceConfiguration map[string]string
	Raw                 json.RawMessage
}

func (r *CreateKeysAndCertificateResponse) read(payload []byte) error {
	r.Raw = payload
	return jsonobj.Read(payload, func(name []byte, v jsonobj.Value) error {
		switch string(name) {
		case "certificateId":
			return v.String(&r.CertificateID)
		case "certificatePem":
			return v.String(&r.CertificatePem)
		case "privateKey":
			return v.String(&r.PrivateKey)
		case "certificateOwnershipToken":
			return v.String(&r.CertificateOwnershipToken)
		}
		return nil
	})
}

func (r *CreateCertificateFromCsrResponse) read(payload []byte) error {
	var all CreateKeysAndCertificateResponse
	err := all.read(payload)
	*r = CreateCertificateFromCsrResponse{all.CertificateID, all.CertificatePem, all.CertificateOwnershipToken, all.Raw}
	return err
}

func (r *RegisterThingResponse) read(payload []byte) error {
	r.Raw = payload
	return jsonobj.Read(payload, func(name []byte, v jsonobj.Value) error {
		switch string(name) {
		case "thingName":
			return v.String(&r.ThingName)
		case "deviceConfiguration":
			return v.Strings(&r.DeviceConfiguration)
		}
		return nil
	})
}

// RejectedError is a refusal by the service. A call returns it within a *reqresp.Error.
type RejectedError struct {
	StatusCode   int    // like that of HTTP
	ErrorCode    string // as "InvalidCertificateOwnershipToken"; "" when it was not given
	ErrorMessage string
	Raw          json.RawMessage
}

// Error returns a text such as `rejected (400 InvalidCertificateOwnershipToken): Certificate ownership token cannot be empty.`
func (e *RejectedError) Error() string {
	code := fmt.Sprint(e.StatusCode)
	if e.ErrorCode != "" {
		code += " " + e.ErrorCode
	}
	return fmt.Sprintf("rejected (%s): %s", code, e.ErrorMessage)
}

// refusal decodes a rejected answer.
func refusal(payload []byte) error {
	e := &RejectedError{Raw: payload}
	var code int64
	err := jsonobj.Read(payload, func(name []byte, v jsonobj.Value) error {
		switch string(name) {
		case "statusCode":
			return v.Int(&code)
		case "errorCode":
			return v.String(&e.ErrorCode)
		case "errorMessage":
			return v.String(&e.ErrorMessage)
		}
		return nil
	})
	e.StatusCode = int(code)
	if err != nil {
		return fmt.Errorf("%w (%w: %w)", e, reqresp.ErrMalformed, err)
	}
	return e
}
