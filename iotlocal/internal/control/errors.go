package control

import (
	"net/http"

	"github.com/portage-iot/awsiot/iotlocal/internal/rest"
)

// Error types of the APIs, with the statuses that they come with (AWS IoT API reference, "Common Errors" and those of each operation).
const (
	AlreadyExists       = "ResourceAlreadyExistsException"
	VersionConflict     = "VersionConflictException"
	DeleteConflict      = "DeleteConflictException"
	LimitExceeded       = "LimitExceededException"
	VersionsLimit       = "VersionsLimitExceededException"
	MalformedPolicy     = "MalformedPolicyException"
	CertificateState    = "CertificateStateException"
	CertificateInvalid  = "CertificateValidationException"
	CertificateConflict = "CertificateConflictException"
	RegistrationFailed  = "ResourceRegistrationFailureException"
	ConflictingUpdate   = "ConflictingResourceUpdateException"
	SQLParse            = "SqlParseException"
	Unauthorized        = "UnauthorizedException"
	InvalidResponse     = "InvalidResponseException"
	InvalidTransition   = "InvalidStateTransitionException"
)

var statuses = map[string]int{
	AlreadyExists: http.StatusConflict, VersionConflict: http.StatusConflict, DeleteConflict: http.StatusConflict, LimitExceeded: http.StatusGone,
	VersionsLimit: http.StatusConflict, MalformedPolicy: http.StatusBadRequest, CertificateState: http.StatusNotAcceptable,
	CertificateInvalid: http.StatusBadRequest, CertificateConflict: http.StatusConflict, RegistrationFailed: http.StatusBadRequest,
	ConflictingUpdate: http.StatusConflict, SQLParse: http.StatusBadRequest, Unauthorized: http.StatusUnauthorized,
	InvalidResponse: http.StatusBadRequest, InvalidTransition: http.StatusConflict,
}

// Refuse is a refusal of one of the types above.
func Refuse(kind, format string, args ...any) error {
	return rest.Refuse(statuses[kind], kind, format, args...)
}

// Exists says that there is a resource of that name; same is whether it is what is asked for all the same.
func Exists(same bool, id, arn, format string, args ...any) error {
	e := rest.Refuse(statuses[AlreadyExists], AlreadyExists, format, args...)
	e.Same, e.Members = same, map[string]string{"resourceId": id, "resourceArn": arn}
	return e
}

func serialization(format string, args ...any) error {
	return rest.Refuse(http.StatusBadRequest, "SerializationException", format, args...)
}

// complain makes an error of what check returns.
func complain(wrong string) error {
	if wrong == "" {
		return nil
	}
	return rest.Invalid("%s", wrong)
}
