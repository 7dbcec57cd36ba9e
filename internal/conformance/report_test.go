package conformance

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/portage-iot/awsiot/iotlocal"
)

// verdict is what a run says of a fact.
type verdict int

const (
	agrees verdict = iota
	disagrees
	notPermitted // the device's policy does not let it ask
	notAsked     // a device alone cannot ask
)

func (v verdict) String() string {
	return [...]string{"agrees", "DIFFERS", "not permitted", "not asked"}[v]
}

// finding is a fact with its verdict.
type finding struct {
	fact
	verdict verdict
	details []string
}

// String is one line for people, and one for each detail.
func (f finding) String() string {
	s := fmt.Sprintf("%-13v %-32s %s [%v: %s]", f.verdict, f.id, f.says, f.sure, f.source)
	for _, d := range f.details {
		s += "\n                " + d
	}
	return s
}

// examine asks an endpoint of which nothing is known but a device's identity about every fact.
func (t target) examine(facts []fact) (all []finding) {
	for _, f := range facts {
		found := finding{fact: f}
		switch {
		case f.probe == nil:
			found.verdict, found.details = notAsked, []string{f.why}
		case f.needs != device:
			found.verdict, found.details = notAsked, []string{"needs " + f.needs.String()}
		default:
			differs, denied := t.run(f)
			switch {
			case len(differs) > 0:
				found.verdict, found.details = disagrees, differs
			case denied != "":
				found.verdict, found.details = notPermitted, []string{"the policy of the certificate must allow " + denied}
			}
		}
		all = append(all, found)
	}
	return all
}

// TestReport runs what is for AWS against iotlocal, of which it is told as little.
func TestReport(t *testing.T) {
	blind := local(t, iotlocal.Options{})
	blind.srv = nil
	all := blind.examine(table())
	for _, f := range all {
		if f.verdict == disagrees || f.verdict == notPermitted {
			t.Error(f)
		}
	}
	if asked := slices.IndexFunc(all, func(f finding) bool { return f.verdict == agrees }); asked < 0 {
		t.Error("no fact is asked about")
	}
}

// TestReportPermissions: what the device may not ask is said, with the permission that is missing, and is no difference.
func TestReportPermissions(t *testing.T) {
	blind := local(t, iotlocal.Options{})
	srv := blind.srv
	blind.srv = nil
	const allow = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iot:Connect","iot:Publish","iot:Receive"],"Resource":"*"}]}`
	if err := srv.Policy().Put("little", allow); err != nil {
		t.Fatal(err)
	}
	if err := srv.Policy().Attach("little", iotlocal.AnyPrincipal); err != nil {
		t.Fatal(err)
	}
	facts := slices.DeleteFunc(table(), func(f fact) bool {
		return f.id != "shadow.merge" && f.id != "broker.hash-parent" && f.id != "connection.mtls"
	})
	got := map[string]string{}
	for _, f := range blind.examine(facts) {
		got[f.id] = f.verdict.String() + ": " + strings.Join(f.details, "; ")
	}
	for id, want := range map[string]string{
		"connection.mtls":    "agrees: ",
		"broker.hash-parent": "not permitted: the policy of the certificate must allow iot:Subscribe on topicfilter/conformance/conformance-device/a/#",
		"shadow.merge":       "not permitted: the policy of the certificate must allow iot:Subscribe on topicfilter/$aws/things/conformance-device/shadow/+/accepted",
	} {
		if got[id] != want {
			t.Errorf("%s: %q, want %q", id, got[id], want)
		}
	}
}

// TestProbesCatch: an endpoint that does not behave so is found out. What is waited for in vain is waited for shortly.
func TestProbesCatch(t *testing.T) {
	limits := func(l iotlocal.Limits) iotlocal.Options { return iotlocal.Options{Limits: l} }
	for id, o := range map[string]iotlocal.Options{
		"broker.hash-parent":       {Standard: iotlocal.Standard{HashMatchesParent: true}},
		"broker.retained-wildcard": {Standard: iotlocal.Standard{RetainedToWildcards: true}},
		"limit.payload":            limits(iotlocal.Limits{Payload: -1, MaximumPacketSize: 1 << 20}),
		"limit.filters":            limits(iotlocal.Limits{FiltersPerSubscribe: -1}),
		"limit.slashes":            limits(iotlocal.Limits{Slashes: -1}),
		"limit.topic":              limits(iotlocal.Limits{TopicBytes: -1}),
		"limit.client-id":          limits(iotlocal.Limits{ClientIDBytes: -1}),
		"limit.subscriptions":      limits(iotlocal.Limits{Subscriptions: -1}),
		"limit.receive-maximum":    limits(iotlocal.Limits{ReceiveMaximum: 50}),
		"limit.outbound":           limits(iotlocal.Limits{Outbound: -1}),
		"limit.keep-alive":         limits(iotlocal.Limits{MaxKeepAlive: -1}),
		"limit.keep-alive-min":     {},
		"limit.publishes":          {},
		"limit.connects":           {},
		"limit.packet":             limits(iotlocal.Limits{MaximumPacketSize: 1 << 20}),
		"session.replay-rate":      {},
		"session.expiry-3":         limits(iotlocal.Limits{PersistentSession: 3 * time.Hour}),
		"session.expiry-max":       limits(iotlocal.Limits{SessionExpiry: -1}),
		"mqtt5.alias-maximum":      limits(iotlocal.Limits{TopicAliasMaximum: -1}),
		"connection.sni":           {},
		"connection.websocket":     {},
		"shadow.size":              {ShadowLimits: iotlocal.ShadowLimits{Bytes: -1}},
		"shadow.nesting":           {ShadowLimits: iotlocal.ShadowLimits{Nesting: -1}},
		"shadow.error.token":       {ShadowLimits: iotlocal.ShadowLimits{ClientToken: -1}},
		"provisioning.token":       {ProvisioningLimits: iotlocal.ProvisioningLimits{TokenLife: 3 * time.Hour}},
	} {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			i := slices.IndexFunc(table(), func(f fact) bool { return f.id == id })
			if i < 0 {
				t.Fatal("there is no such fact")
			}
			wrong := local(t, o)
			wrong.patience = time.Second
			if differs, _ := wrong.run(table()[i]); len(differs) == 0 {
				t.Error("the probe finds nothing")
			}
		})
	}
}
