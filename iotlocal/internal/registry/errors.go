package registry

import "fmt"

// Kind is why the registry refuses.
type Kind uint8

// The kinds.
const (
	NotFound Kind = iota + 1
	Exists
	VersionConflict // not the version that was expected
	InUse           // something depends on it
	Invalid         // it cannot be asked for
	Limit           // AWS's limits
	VersionsLimit   // too many versions of a policy
	WrongState      // the certificate is active, or revoked
	Conflict        // with what a provisioning template says
)

var kindNames = [...]string{"", "not found", "exists", "version conflict", "in use", "invalid", "limit", "versions limit", "wrong state", "conflict"}

// String returns the name of the kind.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// Error is a refusal.
type Error struct {
	Kind     Kind
	Message  string
	ID       string // with Exists: the id of what is there
	Resource string // with Exists: what stands in its ARN behind the account
	Same     bool   // with Exists: it has the properties that were asked for
}

// Error returns kind and text.
func (e *Error) Error() string { return e.Kind.String() + ": " + e.Message }

func refuse(k Kind, format string, args ...any) *Error {
	return &Error{Kind: k, Message: fmt.Sprintf(format, args...)}
}
