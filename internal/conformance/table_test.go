package conformance

import (
	"fmt"
	"slices"

	"github.com/portage-iot/awsiot/iotlocal"
)

// certainty says how a fact is known.
type certainty int

const (
	documented  certainty = iota // AWS's documentation says it
	measured                     // seen on real clients or on the wire
	reported                     // users of AWS have written it in public
	unconfirmed                  // believed: sources are silent or do not agree; iotlocal has an option
)

func (c certainty) String() string {
	return [...]string{"documented", "measured", "reported", "unconfirmed"}[c]
}

// needs says what a probe needs beside a device's own identity.
type needs int

const (
	device   needs = iota // nothing: it runs against AWS too
	operator              // somebody who makes jobs, templates, policies or authorizers: only iotlocal has one at hand
	clock                 // that time passes: only iotlocal's clock can be put forward
	identity              // a custom authorizer or AWS credentials
)

var needWords = [...]string{"nothing", "an operator of the account (jobs, policies, templates)", "hours to pass", "a custom authorizer or AWS credentials"}

func (n needs) String() string { return needWords[n] }

// fact is a row of the table.
type fact struct {
	id     string // area.subject
	says   string
	source string
	sure   certainty
	needs  needs
	// probe asks the endpoint, and notes what differs. Without one, why says why a device cannot ask.
	probe func(*probe)
	why   string
	// options are those of iotlocal that the fact needs: where it is not the default, because it makes tests slow or is
	// unconfirmed.
	options iotlocal.Options
}

// table returns every fact.
func table() []fact {
	return slices.Concat(shadowFacts, shadowErrorFacts(), shadowHTTPFacts, jobFacts, jobErrorFacts, provisioningFacts, brokerFacts,
		sessionFacts, limitFacts, mqtt5Facts, lifecycleFacts, connectionFacts, policyFacts, authorizerFacts, clientFacts, unprobedFacts)
}

// check returns what is wrong with the table itself.
func check(facts []fact) (problems []string) {
	seen := map[string]bool{}
	for _, f := range facts {
		bad := func(format string, args ...any) { problems = append(problems, f.id+": "+fmt.Sprintf(format, args...)) }
		if seen[f.id] {
			bad("stands twice")
		}
		seen[f.id] = true
		if f.id == "" || f.says == "" || f.source == "" {
			bad("id, words or source are missing")
		}
		if (f.probe == nil) == (f.why == "") {
			bad("want a probe, or why there is none")
		}
	}
	return problems
}

// The sources that many rows share.
const (
	guideShadowDoc    = "AWS IoT developer guide, device-shadow-document"
	guideShadowMQTT   = "AWS IoT developer guide, device-shadow-mqtt"
	guideShadowErrors = "AWS IoT developer guide, device-shadow-error-messages"
	guideJobsMQTT     = "AWS IoT developer guide, jobs-mqtt-api"
	guideJobs         = "AWS IoT developer guide, jobs-api"
	guideJobsLife     = "AWS IoT developer guide, iot-jobs-lifecycle"
	guideNotify       = "AWS IoT developer guide, jobs-comm-notifications"
	guideProvision    = "AWS IoT developer guide, fleet-provision-api"
	guideMQTT         = "AWS IoT developer guide, mqtt"
	guideLife         = "AWS IoT developer guide, life-cycle-events"
	guideProtocols    = "AWS IoT developer guide, protocols"
	guidePolicies     = "AWS IoT developer guide, iot-policies and policy variables"
	guideAuthorizer   = "AWS IoT developer guide, custom-authentication"
	quotas            = "AWS General Reference, AWS IoT Core endpoints and quotas"
)
