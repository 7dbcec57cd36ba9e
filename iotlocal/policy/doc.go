// Package policy decides what a client of AWS IoT Core may do: policy documents
// with wildcards, variables and conditions, and decisions that say which statement
// made them. It knows nothing of MQTT or of the server around it.
//
// It follows the AWS IoT developer guide ("AWS IoT Core policies", "AWS IoT Core
// policy variables", "X.509 certificate AWS IoT Core policy variables", "Thing
// policy variables") and, for the operators of conditions, the IAM user guide
// ("IAM JSON policy elements: Condition operators"). Where both are silent the
// choice is stated at the code. A key, operator, variable or element that is not
// known is an error of Parse: a document is refused rather than understood halfway.
package policy

import "fmt"

// MaxBytes is how long a document may be, white space not counted (AWS General
// Reference, "AWS IoT Core endpoints and quotas").
const MaxBytes = 2048

// The actions of MQTT. Other actions may stand in a document, and be asked about.
const (
	Connect       = "iot:Connect"
	Publish       = "iot:Publish"
	Subscribe     = "iot:Subscribe"
	Receive       = "iot:Receive"
	RetainPublish = "iot:RetainPublish"
)

// Error is what is wrong with a document.
type Error struct {
	// Path is where, as Statement[2].Condition.StringEquals; "" is the whole.
	Path    string
	Problem string
}

// Error returns the path and the problem.
func (e *Error) Error() string {
	if e.Path == "" {
		return "policy document: " + e.Problem
	}
	return "policy document: " + e.Path + ": " + e.Problem
}

func wrong(path, format string, args ...any) error { return &Error{path, fmt.Sprintf(format, args...)} }

// Effect is the outcome of a decision.
type Effect int

// The effects. Without a statement that allows, nothing is allowed; a statement
// that denies wins over all that allow.
const (
	ImplicitDeny Effect = iota // no statement applies
	Allow
	ExplicitDeny
)

var effectNames = [...]string{"implicit deny", "allow", "explicit deny"}

// String returns the effect in words.
func (e Effect) String() string {
	if e >= 0 && int(e) < len(effectNames) {
		return effectNames[e]
	}
	return fmt.Sprintf("Effect(%d)", int(e))
}

// Decision is the answer to a request, and the statement that made it.
type Decision struct {
	Effect Effect
	// Policy is the name of the document that decided, Statement the index of the
	// statement in it, from 0, and Sid its Sid. All are zero for ImplicitDeny.
	Policy    string
	Statement int
	Sid       string
}

// Allowed reports whether the request is allowed.
func (d Decision) Allowed() bool { return d.Effect == Allow }

// String returns the decision for people, as "explicit deny by policy p, statement
// 1 (NoSecrets)".
func (d Decision) String() string {
	if d.Effect == ImplicitDeny {
		return "implicit deny: no statement allows it"
	}
	s := fmt.Sprintf("%v by policy %s, statement %d", d.Effect, d.Policy, d.Statement)
	if d.Sid != "" {
		s += " (" + d.Sid + ")"
	}
	return s
}
