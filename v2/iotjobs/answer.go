package iotjobs

import (
	"encoding/json"
	"errors"

	"github.com/portage-iot/awsiot/v2/reqresp"
)

// The statuses of AnswerV1. v1's jobs client had no timeout of its own; shadows had.
const (
	AnswerAccepted = "accepted"
	AnswerRejected = "rejected"
	AnswerTimeout  = "timeout"
)

// Answer is the answer to a request of this package.
type Answer interface {
	*GetPendingJobExecutionsResponse | *ExecutionResponse | *UpdateJobExecutionResponse
	v1() (json.RawMessage, string)
}

func (r *GetPendingJobExecutionsResponse) v1() (json.RawMessage, string) { return r.Raw, r.ClientToken }
func (r *ExecutionResponse) v1() (json.RawMessage, string)               { return r.Raw, r.ClientToken }
func (r *UpdateJobExecutionResponse) v1() (json.RawMessage, string)      { return r.Raw, r.ClientToken }

// AnswerV1 makes of a result what a callback of v1's jobs client read out of its message: the answer as it came, whether
// it was the topic "accepted" or "rejected", and the token. Whatever ended a request without an answer is "timeout",
// with its error as the payload: v1's callback would not have been called.
//
//	jobs.UpdateJobExecutionAsync(&iotjobs.UpdateJobExecutionRequest{ThingName: thing, JobID: id, Document: []byte(payload)}).
//		OnDone(func(r *iotjobs.UpdateJobExecutionResponse, err error) { updated(iotjobs.AnswerV1(r, err)) })
func AnswerV1[R Answer](r R, err error) (payload, responseStatus, token string) {
	if err == nil && r != nil {
		raw, token := r.v1()
		return string(raw), AnswerAccepted, token
	}
	e, ok := errors.AsType[*reqresp.Error](err)
	if ok {
		token = e.Token
	}
	if refused, ok := errors.AsType[*RejectedError](err); ok {
		return string(refused.Raw), AnswerRejected, token
	}
	if ok && errors.Is(err, reqresp.ErrMalformed) {
		return string(e.Payload), AnswerAccepted, token
	}
	if err != nil {
		payload = err.Error()
	}
	return payload, AnswerTimeout, token
}
