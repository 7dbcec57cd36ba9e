package commands

import (
	"encoding/base64"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/portage-iot/awsiot/iotlocal/internal/payload"
)

// StatusReason says more about a status.
type StatusReason struct {
	// Code is 1 to 64 of A-Z 0-9 _ -, or NoResponse.
	Code string
	// Description has at most 1,024 characters and no control character.
	Description string
}

// Result is one value of the result of an execution. Exactly one field is set.
type Result struct {
	S   *string // text
	B   *bool
	Bin []byte // base64 in JSON
}

// update is an update of a device, checked.
type update struct {
	token  *string
	status Status
	reason *StatusReason
	result map[string]Result // nil: not specified
}

// parseUpdate checks the body of an update; what it returns has the token also
// when it returns an error, if the token is good. Members it has no use for are
// not looked at: devices are seen to send a timestamp, and their own id.
func parseUpdate(f payload.Format, body []byte, lim Limits) (u update, err *Error) {
	o, bad := f.Decode(body)
	if bad != nil {
		return u, refuse(InvalidJSON, "%v", bad)
	}
	token, err := text(o, "clientToken")
	if err == nil && token != nil && over(len(*token), lim.ClientToken) {
		err = refuse(InvalidRequest, "clientToken is longer than %d bytes", lim.ClientToken)
	}
	if err != nil {
		return u, err
	}
	u.token = token
	status, err := text(o, "status")
	if err != nil {
		return u, err
	}
	if status == nil {
		return u, refuse(InvalidRequest, "status is missing")
	}
	if u.status.UnmarshalText([]byte(*status)) != nil || u.status == Created {
		return u, refuse(InvalidRequest, "status must be IN_PROGRESS, SUCCEEDED, FAILED, REJECTED or TIMED_OUT")
	}
	if u.reason, err = parseReason(o, lim); err != nil {
		return u, err
	}
	u.result, err = parseResult(o)
	return u, err
}

// text reads a string member; nil when absent.
func text(o payload.Object, name string) (*string, *Error) {
	s, present, err := o.Text(name)
	switch {
	case err != nil:
		return nil, refuse(InvalidRequest, "%v", err)
	case !present:
		return nil, nil
	}
	return &s, nil
}

func parseReason(o payload.Object, lim Limits) (*StatusReason, *Error) {
	m, bad := o.Object("statusReason")
	if bad != nil {
		return nil, refuse(InvalidRequest, "%v", bad)
	}
	if m == nil {
		return nil, nil
	}
	code, err := text(m, "reasonCode")
	if err != nil {
		return nil, err
	}
	description, err := text(m, "reasonDescription")
	if err != nil {
		return nil, err
	}
	if code == nil {
		return nil, refuse(InvalidRequest, "statusReason needs a reasonCode")
	}
	r := &StatusReason{Code: *code}
	if description != nil {
		r.Description = *description
	}
	wrong := strings.ContainsFunc(r.Code, func(c rune) bool {
		return !(c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-')
	})
	if r.Code == "" || wrong || over(len(r.Code), lim.ReasonCode) {
		return nil, refuse(InvalidRequest, "reasonCode is not 1 to %d of A-Z 0-9 _ -", lim.ReasonCode)
	}
	if over(utf8.RuneCountInString(r.Description), lim.ReasonDescription) {
		return nil, refuse(InvalidRequest, "reasonDescription is longer than %d characters", lim.ReasonDescription)
	}
	if strings.ContainsFunc(r.Description, func(c rune) bool { return unicode.Is(unicode.C, c) }) {
		return nil, refuse(InvalidRequest, "reasonDescription has a control character")
	}
	return r, nil
}

// parseResult reads the result: at least one entry, each an object that names
// the type of its value, in lower case.
func parseResult(o payload.Object) (map[string]Result, *Error) {
	m, bad := o.Object("result")
	if bad != nil {
		return nil, refuse(InvalidRequest, "%v", bad)
	}
	if m == nil {
		return nil, nil
	}
	if len(m) == 0 {
		return nil, refuse(InvalidRequest, "At least 1 command execution result is required")
	}
	out := make(map[string]Result, len(m))
	for name, v := range m {
		entry, ok := v.(payload.Object)
		if !ok || len(entry) != 1 {
			return nil, refuse(InvalidRequest, "result: the value of %q is not an object with one of s, b and bin", name)
		}
		r, ok := parseValue(entry)
		if !ok {
			return nil, refuse(InvalidRequest, "result: the value of %q is not text as s, true or false as b, or binary as bin", name)
		}
		out[name] = r
	}
	return out, nil
}

func parseValue(entry payload.Object) (r Result, ok bool) {
	for kind, v := range entry {
		switch v := v.(type) {
		case string:
			if kind == "bin" { // JSON has no bytes
				b, err := base64.StdEncoding.DecodeString(v)
				return Result{Bin: b}, err == nil
			}
			return Result{S: &v}, kind == "s"
		case bool:
			return Result{B: &v}, kind == "b"
		case []byte:
			return Result{Bin: v}, kind == "bin"
		}
	}
	return r, false
}
