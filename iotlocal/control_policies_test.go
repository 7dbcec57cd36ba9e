package iotlocal_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/portage-iot/awsiot/iotlocal"
)

// Policies are attached to what is there; what was attached by the program, to everybody or a claim, is seen and detached.
func TestAPIPolicyTargets(t *testing.T) {
	srv := iotlocal.StartT(t, iotlocal.Options{})
	c := newAPI(t, srv)
	unknown := strings.Repeat("0", 64)
	c.run([]step{
		{name: "policy", method: "POST", path: "/policies/p", body: `{"policyDocument":"` + quoted(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:*","Resource":"*"}]}`) + `"}`},
		{name: "to no certificate", method: "PUT", path: "/target-policies/p", body: `{"target":"` + arnOf + `cert/` + unknown + `"}`, status: 404, want: "ResourceNotFoundException"},
		{name: "to the id of none", method: "PUT", path: "/target-policies/p", body: `{"target":"` + unknown + `"}`, status: 404, want: "ResourceNotFoundException"},
		{name: "to everybody", method: "PUT", path: "/target-policies/p", body: `{"target":"*"}`, status: 400, want: "InvalidRequestException"},
		{name: "to everybody by the old name", method: "PUT", path: "/principal-policies/p", header: "x-amzn-iot-principal: *", status: 400, want: "InvalidRequestException"},
		{name: "nowhere", method: "POST", path: "/policy-targets/p", want: `"targets":[]`},
	})
	p := srv.Policy()
	if err := errors.Join(p.Attach("p", unknown), p.Attach("p", iotlocal.AnyPrincipal)); err != nil {
		t.Fatal(err)
	}
	c.run([]step{
		{name: "targets", method: "POST", path: "/policy-targets/p", want: `"*" | cert/` + unknown},
		{name: "from a certificate that is not known", method: "POST", path: "/target-policies/p", body: `{"target":"` + arnOf + `cert/` + unknown + `"}`, want: "{}"},
		{name: "again", method: "POST", path: "/target-policies/p", body: `{"target":"` + arnOf + `cert/` + unknown + `"}`, status: 404},
		{name: "from everybody", method: "POST", path: "/target-policies/p", body: `{"target":"*"}`, want: "{}"},
		{name: "nowhere again", method: "POST", path: "/policy-targets/p", want: `"targets":[]`},
	})
}

// What cannot be kept is an error of the server; only what is not there is not found.
func TestAPIStateFails(t *testing.T) {
	srv := iotlocal.StartT(t, iotlocal.Options{StateDir: t.TempDir()})
	defer srv.Close() // whose error is that of the state
	lamp, err := srv.NewThing("lamp")
	if err := errors.Join(err, srv.Authorizers().Put(iotlocal.Authorizer{Name: "a", URL: "http://localhost:1/", SigningDisabled: true}), srv.BreakState()); err != nil {
		t.Fatal(err)
	}
	c := newAPI(t, srv)
	c.run([]step{
		{name: "status", method: "PUT", path: "/certificates/" + lamp.CertificateID() + "?newStatus=INACTIVE", status: 500, want: "InternalFailureException"},
		{name: "default", method: "POST", path: "/default-authorizer", body: `{"authorizerName":"a"}`, status: 500, want: "InternalFailureException"},
		{name: "default that is not there", method: "POST", path: "/default-authorizer", body: `{"authorizerName":"none"}`, status: 404, want: "ResourceNotFoundException"},
	})
}
