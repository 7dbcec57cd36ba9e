// Package v1errors rewrites the places where a program asks for the error types of v1: errors.As, errors.AsType, type
// switches and assertions. A check becomes one on the v2 error that v1compat's error wraps, so that it means the same
// before and after the rewrite of the clients, where the table has an exact one for the operations whose errors can get
// there. Where it has none the check stays, and these operations have to stay on v1's shape.
package v1errors

import (
	"cmp"

	"github.com/portage-iot/awsiot/migrate/internal/paths"
)

// Op is a set of operations of v1's clients.
type Op uint8

// The operations.
const (
	Connect Op = 1 << iota
	Disconnect
	Publish
	Subscribe
	Unsubscribe
	Discover

	requests = Publish | Subscribe | Unsubscribe
	all      = Connect | Disconnect | requests
)

// ops are the methods of the facades that return errors.
var ops = map[string]Op{
	"Connect": Connect, "ConnectAsync": Connect,
	"Disconnect": Disconnect, "DisconnectAsync": Disconnect,
	"Publish": Publish, "PublishAsync": Publish,
	"Subscribe": Subscribe, "SubscribeAsync": Subscribe,
	"Unsubscribe": Unsubscribe, "UnsubscribeAsync": Unsubscribe,

	"ShadowGet": requests, "ShadowUpdate": requests, "ShadowDelete": requests,
	"ShadowRegisterDeltaCallback": Subscribe, "ShadowUnregisterDeltaCallback": Unsubscribe,
	"CreateJobSubscription": Subscribe, "CreateJobSubscriptionAsync": Subscribe,
	"Discover":      Discover,
	"SendJobsQuery": Publish, "SendJobsStartNext": Publish, "SendJobsUpdate": Publish, "SendJobsDescribe": Publish,
}

// row tells what becomes of a check for one type of v1.
type row struct {
	from    Op                // the operations that return it
	matches Op                // the operations for whose errors the new check can hold; 0: there is none
	in      string            // the package of is and as; "": awsiot
	is      string            // the error for errors.Is, or
	as      string            // the type for errors.As
	and     string            // what has to hold besides, with %[1]s for the variable
	fields  map[string]string // fields of the old type by what they become, with %s for the variable
	drops   bool              // with DropOldest v1 told the call that pushed another out, and v2 tells the other
}

// rows are the types of v1compat that a check can name, also the two roots, which are interfaces. What has no new check
// is bridged: either v2 has no such error, or the one it has is that of other causes too.
var rows = map[string]row{
	"PublishTimeoutError":     {from: Publish, matches: requests, is: "ErrAckTimeout"},
	"SubscribeTimeoutError":   {from: Subscribe, matches: requests, is: "ErrAckTimeout"},
	"UnsubscribeTimeoutError": {from: Unsubscribe, matches: requests, is: "ErrAckTimeout"},
	"OperationTimeoutError":   {from: all | Discover, matches: requests, is: "ErrAckTimeout"},

	"PublishQueueFullError":     {from: Publish, matches: requests, is: "ErrQueueFull", drops: true},
	"SubscribeQueueFullError":   {from: Subscribe, matches: requests, is: "ErrQueueFull", drops: true},
	"UnsubscribeQueueFullError": {from: Unsubscribe, matches: requests, is: "ErrQueueFull", drops: true},

	"PublishQueueDisabledError":     {from: Publish, matches: requests, is: "ErrOffline"},
	"SubscribeQueueDisabledError":   {from: Subscribe, matches: requests, is: "ErrOffline"},
	"UnsubscribeQueueDisabledError": {from: Unsubscribe, matches: requests, is: "ErrOffline"},

	// A refusal, which a dial error is not.
	"ConnectError": {from: Connect, matches: Connect, as: "ConnectError", and: "%[1]s.Connack != nil && %[1]s.Connack.Code >= 0x80"},
	// The error of a refused CONNECT wraps a ReasonError too.
	"SubackError":      {from: Subscribe, matches: Connect | requests, as: "ReasonError", fields: map[string]string{"Suback": "byte(%s.Code)"}},
	"PublishError":     {from: Publish, matches: Connect | requests, as: "ReasonError"},
	"UnsubscribeError": {from: Unsubscribe, matches: Connect | requests, as: "ReasonError"},

	"DiscoveryTimeoutError":        {from: Discover, matches: Discover | Disconnect, in: "context", is: "DeadlineExceeded"},
	"DiscoveryInvalidRequestError": {from: Discover, matches: Discover, in: paths.Greengrass, is: "ErrInvalidRequest"},
	"DiscoveryUnauthorizedError":   {from: Discover, matches: Discover, in: paths.Greengrass, is: "ErrUnauthorized"},
	"DiscoveryDataNotFoundError":   {from: Discover, matches: Discover, in: paths.Greengrass, is: "ErrNotFound"},
	"DiscoveryThrottlingError":     {from: Discover, matches: Discover, in: paths.Greengrass, is: "ErrThrottled"},
	"DiscoveryFailure": {from: Discover, matches: Discover, in: paths.Greengrass, as: "StatusError", fields: map[string]string{"Message": "%s.Body"},
		and: "%[1]s.Code != 400 && %[1]s.Code != 401 && %[1]s.Code != 404 && %[1]s.Code != 429"}, // any other status

	"ConnectTimeoutError":        {from: Connect}, // no CONNACK, or an end instead of one: four errors of v2
	"DisconnectTimeoutError":     {from: Disconnect},
	"DisconnectError":            {from: Disconnect}, // Stop of a stopped client is no error
	"SubscribeError":             {from: Subscribe},
	"OperationError":             {from: all | Discover},
	"ConfigureError":             {from: Connect | Discover},
	"ErrTooManyArguments":        {from: Connect},
	"WssHandShakeError":          {from: Connect},
	"WssNoKeyInEnvironmentError": {from: Connect},
	"ValueError":                 {from: all | Discover},
	"TypeError":                  {from: all},
	"KeyError":                   {from: Unsubscribe},
}

// home is the package of the new error.
func (r row) home() string { return cmp.Or(r.in, paths.V2) }

// exact reports whether the new check of a row says the same as the old one for errors of the operations of o.
func (r row) exact(o Op) bool { return r.matches != 0 && r.from&o == r.matches&o }
