package v1compat

import (
	"errors"

	awsiot "github.com/portage-iot/awsiot/v2"
)

// connackV1 returns the return code of MQTT 3.1.1 [MQTT311-3.2.2.3] nearest to a
// reason code of MQTT 5, 0 to 5. Codes that only MQTT 5 has become 3 when waiting
// may help and 5 when it does not.
func connackV1(code awsiot.ReasonCode) int {
	if code < 0x80 {
		return 0
	}
	switch code {
	case 0x84: // unsupported protocol version
		return 1
	case 0x85: // client identifier not valid
		return 2
	case 0x86, 0x8C: // bad user name or password, bad authentication method
		return 4
	case 0x80, // unspecified error
		0x83,       // implementation specific error
		0x88, 0x89, // server unavailable, busy
		0x97, 0x9F, // quota, connection rate exceeded
		0x9C, 0x9D: // use another server, moved
		return 3
	}
	return 5 // not authorized, banned, and whatever the client itself sent wrong
}

// reasonV1 returns the error code of v1 (Paho's MQTT_ERR_*) nearest to a reason
// code of a PUBACK, SUBACK or UNSUBACK.
func reasonV1(code awsiot.ReasonCode) int {
	switch code {
	case 0x87:
		return codeACL
	case 0x8F, 0x90, 0x99: // topic filter, topic name, payload format invalid
		return codeInvalid
	case 0x95:
		return codePayloadSize
	case 0x9A, 0x9B, 0x9E, 0xA1, 0xA2: // retain, QoS, shared, identifiers, wildcards not supported
		return codeUnsupported
	case 0x82, 0x91: // protocol error, packet identifier in use
		return codeProtocol
	}
	return codeUnknown
}

// operationCode returns the code of a PublishError and its like for err.
func operationCode(err error) int {
	var re *awsiot.ReasonError
	if errors.As(err, &re) {
		return reasonV1(re.Code)
	}
	return codeNoConnection
}

// publishError gives an error of the core its v1 type.
func publishError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, awsiot.ErrQueueFull):
		return &PublishQueueFullError{Err: err}
	case errors.Is(err, awsiot.ErrOffline):
		return &PublishQueueDisabledError{Err: err}
	case isValidation(err):
		return valueError(err)
	}
	return &PublishError{Code: operationCode(err), Err: err}
}

// subscribeError is publishError for a SUBSCRIBE.
func subscribeError(err error) error {
	var re *awsiot.ReasonError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &re):
		return &SubackError{Suback: byte(re.Code), Err: err}
	case errors.Is(err, awsiot.ErrQueueFull):
		return &SubscribeQueueFullError{Err: err}
	case errors.Is(err, awsiot.ErrOffline):
		return &SubscribeQueueDisabledError{Err: err}
	case isValidation(err):
		return valueError(err)
	}
	return &SubscribeError{Code: operationCode(err), Err: err}
}

// unsubscribeError is publishError for an UNSUBSCRIBE.
func unsubscribeError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, awsiot.ErrQueueFull):
		return &UnsubscribeQueueFullError{Err: err}
	case errors.Is(err, awsiot.ErrOffline):
		return &UnsubscribeQueueDisabledError{Err: err}
	case isValidation(err):
		return valueError(err)
	}
	return &UnsubscribeError{Code: operationCode(err), Err: err}
}

func isValidation(err error) bool {
	var ve *awsiot.ValidationError
	return errors.As(err, &ve)
}
