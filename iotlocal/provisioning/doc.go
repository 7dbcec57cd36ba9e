// Package provisioning is AWS IoT fleet provisioning without MQTT: certificates
// made for devices that hold a claim, ownership tokens and their expiry, templates
// with parameters, intrinsic functions and pre-provisioning hooks, and the things
// that come of them, with requests and answers in JSON and CBOR. The server glues
// it to topics and signs.
//
// It follows the AWS IoT developer guide (fleet-provision-api.html,
// provision-wo-cert.html, provision-template.html, pre-provisioning-hook.html) and
// the API reference (CreateProvisioningTemplate, CreateProvisioningClaim,
// RegisterThing). Where they are silent the choice is stated at the code.
//
// Policies are kept by name with the certificate they are attached to, and their
// documents by name; nothing here judges what they allow.
package provisioning

import (
	"fmt"
	"time"
)

// Limits are the quotas of the service. A zero field is the one given here, a
// negative one no limit.
type Limits struct {
	// TemplateBody in bytes. 10,240.
	TemplateBody int
	// ParameterName and ParameterValue are how long a parameter of a device may be,
	// in bytes. 2,048 and 4,096.
	ParameterName, ParameterValue int
	// Parameters of one request. 100; AWS names no number.
	Parameters int
	// CSR in bytes. 16,384; AWS names no number.
	CSR int
	// TokenLife is how long a certificate waits to be registered. 1 h.
	TokenLife time.Duration
	// Pending is how many certificates may wait; more are refused with
	// RequestThrottled. 1,000; AWS limits the rate instead.
	Pending int
	// HookTime is how long a pre-provisioning hook may take, by the machine's
	// clock. 5 s.
	HookTime time.Duration
}

func (l Limits) withDefaults() Limits {
	for _, f := range []struct {
		field *int
		value int
	}{{&l.TemplateBody, 10240}, {&l.ParameterName, 2048}, {&l.ParameterValue, 4096}, {&l.Parameters, 100}, {&l.CSR, 16 << 10}, {&l.Pending, 1000}} {
		if *f.field == 0 {
			*f.field = f.value
		}
	}
	for _, f := range []struct {
		field *time.Duration
		value time.Duration
	}{{&l.TokenLife, time.Hour}, {&l.HookTime, 5 * time.Second}} {
		if *f.field == 0 {
			*f.field = f.value
		}
	}
	return l
}

func over(n, limit int) bool { return limit >= 0 && n > limit }

// ClaimLife is how long a claim certificate of CreateProvisioningClaim is good.
const ClaimLife = 5 * time.Minute

// Code is an error code of the service.
type Code string

// The error codes. The guide shows the form of errors and no list of codes:
// InvalidCertificateOwnershipToken and InvalidParameters are those that users of
// the service quote, the others are named in their style.
const (
	// InvalidPayload: the request is not one object in the format of its topic, or
	// a member is not of its type. 400.
	InvalidPayload Code = "InvalidPayload"
	// InvalidCSR: the certificate signing request is not valid. 400.
	InvalidCSR Code = "InvalidCSR"
	// InvalidToken: the ownership token is missing, unknown or expired. 400.
	InvalidToken Code = "InvalidCertificateOwnershipToken"
	// InvalidParameters: the template cannot be filled in with the parameters. 400.
	InvalidParameters Code = "InvalidParameters"
	// AccessDenied: the pre-provisioning hook or the claim does not allow it. 403.
	AccessDenied Code = "AccessDenied"
	// ResourceNotFound: there is no such template, or it is disabled. 404.
	ResourceNotFound Code = "ResourceNotFound"
	// ResourceConflict: the thing is there and the template says FAIL. 409.
	ResourceConflict Code = "ResourceConflict"
	// RequestThrottled: too many certificates wait, or a test asked for it. 429. A
	// device should try again later.
	RequestThrottled Code = "RequestThrottled"
	// InternalFailure: the certificate could not be signed, or a test asked for it.
	// 500. A device should try again.
	InternalFailure Code = "InternalFailure"
)

// statusOf is the status code that goes with an error code.
var statusOf = map[Code]int{InvalidPayload: 400, InvalidCSR: 400, InvalidToken: 400, InvalidParameters: 400,
	AccessDenied: 403, ResourceNotFound: 404, ResourceConflict: 409, RequestThrottled: 429, InternalFailure: 500}

// String returns the code as it stands in answers.
func (c Code) String() string { return string(c) }

// Status returns the HTTP-like status code that answers carry with the code.
func (c Code) Status() int { return statusOf[c] }

// Error is a refusal of the service.
type Error struct {
	Code    Code
	Message string
}

// Error returns the code and the text.
func (e *Error) Error() string {
	return fmt.Sprintf("iotlocal: provisioning: %d %v: %s", e.Code.Status(), e.Code, e.Message)
}

func refuse(code Code, format string, a ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, a...)}
}
