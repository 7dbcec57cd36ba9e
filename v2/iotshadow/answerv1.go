package iotshadow

import (
	"errors"

	"github.com/portage-iot/awsiot/v2/reqresp"
)

// What v1's shadow callbacks get as responseStatus, and as payload when no answer came.
const (
	StatusAccepted = "accepted"
	StatusRejected = "rejected"
	StatusTimeout  = "timeout"
	timeoutPayload = "REQUEST TIME OUT"
)

// AnswerV1 makes of a result what a shadow callback of the v1 SDK got: the answer as it came, "accepted", "rejected"
// or "timeout", and the token of the request. Whatever ended a request without an answer is a timeout, as v1's callback
// heard of nothing else.
//
//	shadow.UpdateShadowAsync(&iotshadow.UpdateShadowRequest{ThingName: thing, Document: []byte(payload), Timeout: 5 * time.Second}).
//		OnDone(func(r *iotshadow.UpdateShadowResponse, err error) { callback(iotshadow.AnswerV1(r, err)) })
func AnswerV1(r *Document, err error) (payload, responseStatus, token string) {
	if err == nil && r != nil {
		return string(r.Raw), StatusAccepted, r.ClientToken
	}
	e, ok := errors.AsType[*reqresp.Error](err)
	if ok {
		token = e.Token
	}
	if refused, ok := errors.AsType[*RejectedError](err); ok {
		return string(refused.Raw), StatusRejected, token
	}
	if ok && errors.Is(err, reqresp.ErrMalformed) {
		return string(e.Payload), StatusAccepted, token
	}
	return timeoutPayload, StatusTimeout, token
}
