package topic

import (
	"slices"
	"testing"
)

// Every topic of v2's shadow service, written out.
func TestShadowTopics(t *testing.T) {
	classic, named := Shadow{Thing: "t"}, Shadow{Thing: "t", Name: "n"}
	for _, c := range []struct {
		topic  string
		built  string
		parsed ShadowTopic
	}{
		{"$aws/things/t/shadow/get", classic.Request(ShadowGet), ShadowTopic{classic, ShadowGet, Request}},
		{"$aws/things/t/shadow/get/accepted", classic.Accepted(ShadowGet), ShadowTopic{classic, ShadowGet, Accepted}},
		{"$aws/things/t/shadow/get/rejected", classic.Rejected(ShadowGet), ShadowTopic{classic, ShadowGet, Rejected}},
		{"$aws/things/t/shadow/update", classic.Request(ShadowUpdate), ShadowTopic{classic, ShadowUpdate, Request}},
		{"$aws/things/t/shadow/update/accepted", classic.Accepted(ShadowUpdate), ShadowTopic{classic, ShadowUpdate, Accepted}},
		{"$aws/things/t/shadow/update/rejected", classic.Rejected(ShadowUpdate), ShadowTopic{classic, ShadowUpdate, Rejected}},
		{"$aws/things/t/shadow/update/delta", classic.Delta(), ShadowTopic{classic, ShadowDelta, Event}},
		{"$aws/things/t/shadow/update/documents", classic.Documents(), ShadowTopic{classic, ShadowDocuments, Event}},
		{"$aws/things/t/shadow/delete", classic.Request(ShadowDelete), ShadowTopic{classic, ShadowDelete, Request}},
		{"$aws/things/t/shadow/name/n/get", named.Request(ShadowGet), ShadowTopic{named, ShadowGet, Request}},
		{"$aws/things/t/shadow/name/n/update/rejected", named.Rejected(ShadowUpdate), ShadowTopic{named, ShadowUpdate, Rejected}},
		{"$aws/things/t/shadow/name/n/update/delta", named.Delta(), ShadowTopic{named, ShadowDelta, Event}},
		{"$aws/things/t/shadow/name/n/update/documents", named.Documents(), ShadowTopic{named, ShadowDocuments, Event}},
		{"$aws/things/t/shadow/name/n/delete/accepted", named.Accepted(ShadowDelete), ShadowTopic{named, ShadowDelete, Accepted}},
		{"$aws/things/t/shadow/name/get/get", Shadow{"t", "get"}.Request(ShadowGet), ShadowTopic{Shadow{"t", "get"}, ShadowGet, Request}},
	} {
		if c.built != c.topic {
			t.Errorf("built %q, want %q", c.built, c.topic)
		}
		if got, ok := ParseShadow(c.topic); !ok || got != c.parsed {
			t.Errorf("ParseShadow(%q) = %+v, %v, want %+v", c.topic, got, ok, c.parsed)
		}
		if c.parsed.String() != c.topic {
			t.Errorf("%+v.String() = %q", c.parsed, c.parsed.String())
		}
	}
	for _, s := range []string{
		"", "$aws", "$aws/things/t/shadow", "$aws/things/t/shadow/", "$aws/things//shadow/get", "$aws/things/t/shadow/put", "$aws/things/t/shadow/get/x",
		"$aws/things/t/shadow/get/accepted/x", "$aws/things/t/shadow/accepted", "$aws/things/t/shadow/update/delta/accepted", "$aws/things/t/shadow/update/delta/rejected",
		"$aws/things/t/shadow/name/n", "$aws/things/t/shadow/name//get", "$aws/things/t/shadow/name/get", "$aws/things/t/jobs/get", "$AWS/things/t/shadow/get", "x/$aws/things/t/shadow/get",
	} {
		if got, ok := ParseShadow(s); ok || got != (ShadowTopic{}) {
			t.Errorf("ParseShadow(%q) = %+v, %v", s, got, ok)
		}
	}
}

func TestShadowResponseFilters(t *testing.T) {
	s := Shadow{Thing: "t", Name: "n"}
	for op, want := range map[ShadowOp][]string{
		ShadowGet:    {"$aws/things/t/shadow/name/n/get/+"},
		ShadowDelete: {"$aws/things/t/shadow/name/n/delete/+"},
		ShadowUpdate: {"$aws/things/t/shadow/name/n/update/accepted", "$aws/things/t/shadow/name/n/update/rejected"},
	} {
		got := s.ResponseFilters(op)
		if !slices.Equal(got, want) {
			t.Errorf("%v: %q, want %q", op, got, want)
		}
		for _, answer := range []string{s.Accepted(op), s.Rejected(op)} {
			if !slices.ContainsFunc(got, func(f string) bool { return Match(f, answer) }) {
				t.Errorf("%v: no filter matches %q", op, answer)
			}
		}
		for _, event := range []string{s.Delta(), s.Documents()} {
			if slices.ContainsFunc(got, func(f string) bool { return Match(f, event) }) {
				t.Errorf("%v: a filter catches %q", op, event)
			}
		}
	}
}

// Every topic of v2's jobs service, written out.
func TestJobsTopics(t *testing.T) {
	j := Jobs{Thing: "t"}
	for _, c := range []struct {
		topic  string
		built  string
		parsed JobsTopic
	}{
		{"$aws/things/t/jobs/get", j.Request(JobsGetPending, ""), JobsTopic{j, JobsGetPending, "", Request}},
		{"$aws/things/t/jobs/get/accepted", j.Accepted(JobsGetPending, ""), JobsTopic{j, JobsGetPending, "", Accepted}},
		{"$aws/things/t/jobs/get/rejected", j.Rejected(JobsGetPending, "ignored"), JobsTopic{j, JobsGetPending, "", Rejected}},
		{"$aws/things/t/jobs/start-next", j.Request(JobsStartNext, ""), JobsTopic{j, JobsStartNext, "", Request}},
		{"$aws/things/t/jobs/start-next/accepted", j.Accepted(JobsStartNext, ""), JobsTopic{j, JobsStartNext, "", Accepted}},
		{"$aws/things/t/jobs/id/get", j.Request(JobsDescribe, "id"), JobsTopic{j, JobsDescribe, "id", Request}},
		{"$aws/things/t/jobs/$next/get/accepted", j.Accepted(JobsDescribe, NextJob), JobsTopic{j, JobsDescribe, "$next", Accepted}},
		{"$aws/things/t/jobs/id/update", j.Request(JobsUpdate, "id"), JobsTopic{j, JobsUpdate, "id", Request}},
		{"$aws/things/t/jobs/id/update/rejected", j.Rejected(JobsUpdate, "id"), JobsTopic{j, JobsUpdate, "id", Rejected}},
		{"$aws/things/t/jobs/notify", j.Notify(), JobsTopic{j, JobsNotify, "", Event}},
		{"$aws/things/t/jobs/notify-next", j.NotifyNext(), JobsTopic{j, JobsNotifyNext, "", Event}},
		// jobs that bear the name of an operation
		{"$aws/things/t/jobs/get/get", j.Request(JobsDescribe, "get"), JobsTopic{j, JobsDescribe, "get", Request}},
		{"$aws/things/t/jobs/notify/update", j.Request(JobsUpdate, "notify"), JobsTopic{j, JobsUpdate, "notify", Request}},
		{"$aws/things/t/jobs/start-next/get/accepted", j.Accepted(JobsDescribe, "start-next"), JobsTopic{j, JobsDescribe, "start-next", Accepted}},
	} {
		if c.built != c.topic {
			t.Errorf("built %q, want %q", c.built, c.topic)
		}
		if got, ok := ParseJobs(c.topic); !ok || got != c.parsed {
			t.Errorf("ParseJobs(%q) = %+v, %v, want %+v", c.topic, got, ok, c.parsed)
		}
		if c.parsed.String() != c.topic {
			t.Errorf("%+v.String() = %q", c.parsed, c.parsed.String())
		}
	}
	for _, s := range []string{
		"", "$aws/things/t/jobs", "$aws/things/t/jobs/", "$aws/things//jobs/get", "$aws/things/t/jobs/update", "$aws/things/t/jobs/update/accepted", "$aws/things/t/jobs/id/start-next",
		"$aws/things/t/jobs/id", "$aws/things/t/jobs//get", "$aws/things/t/jobs/id/get/x", "$aws/things/t/jobs/a/b/get", "$aws/things/t/jobs/notify/accepted", "$aws/things/t/jobs/accepted", "$aws/things/t/shadow/get",
	} {
		if got, ok := ParseJobs(s); ok || got != (JobsTopic{}) {
			t.Errorf("ParseJobs(%q) = %+v, %v", s, got, ok)
		}
	}
	if f := j.ResponseFilter(JobsDescribe, "id"); f != "$aws/things/t/jobs/id/get/+" || !Match(f, j.Accepted(JobsDescribe, "id")) {
		t.Errorf("ResponseFilter = %q", f)
	}
}

func TestCutJobs(t *testing.T) {
	for _, c := range []struct {
		topic, thing, rest string
		ok                 bool
	}{
		{"$aws/things/t/jobs/id/get", "t", "id/get", true},
		{"$aws/things/t/jobs/no/such/op", "t", "no/such/op", true},
		{"$aws/things/t/jobs/", "t", "", true},
		{"$aws/things/t/jobs", "t", "jobs", false},
		{"$aws/things//jobs/get", "", "", false},
		{"$aws/things/t/shadow/get", "t", "shadow/get", false},
		{"x", "", "", false},
	} {
		thing, rest, ok := CutJobs(c.topic)
		if ok != c.ok || ok && (thing != c.thing || rest != c.rest) {
			t.Errorf("CutJobs(%q) = %q, %q, %v", c.topic, thing, rest, ok)
		}
	}
}

func TestServiceValidate(t *testing.T) {
	for _, c := range []struct {
		err  error
		kind Kind
		rule Rule
	}{
		{Shadow{Thing: "t"}.Validate(), 0, 0},
		{Shadow{Thing: "t", Name: "$n"}.Validate(), 0, 0},
		{Shadow{}.Validate(), KindThing, RuleEmpty},
		{Shadow{Thing: "t/x"}.Validate(), KindThing, RuleAWSName},
		{Shadow{Thing: "t", Name: "+"}.Validate(), KindShadowName, RuleAWSName},
		{Jobs{Thing: "t"}.Validate(), 0, 0},
		{Jobs{Thing: "#"}.Validate(), KindThing, RuleAWSName},
	} {
		if rule, _ := broke(t, c.err, c.kind); rule != c.rule {
			t.Errorf("%v, want kind %v rule %v", c.err, c.kind, c.rule)
		}
	}
	for _, s := range []string{ShadowDelta.String(), ShadowOp(9).String(), JobsNotifyNext.String(), JobsOp(9).String(), Event.String(), Role(9).String()} {
		if !slices.Contains([]string{"update/delta", "ShadowOp(9)", "notify-next", "JobsOp(9)", "Event", "Role(9)"}, s) {
			t.Errorf("unexpected text %q", s)
		}
	}
}

// What a parser accepts is what the builder makes of the result, and no topic
// belongs to both services.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"$aws/things/t/shadow/get", "$aws/things/t/shadow/name/n/update/delta", "$aws/things/t/jobs/$next/get/accepted", "$aws/things/t/jobs/notify", "$aws/things//shadow/get", "$aws/things/t/jobs//get"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		sh, isShadow := ParseShadow(s)
		if isShadow && sh.String() != s {
			t.Errorf("%q parsed to %+v, which is %q", s, sh, sh.String())
		}
		j, isJobs := ParseJobs(s)
		if isJobs && j.String() != s {
			t.Errorf("%q parsed to %+v, which is %q", s, j, j.String())
		}
		if isShadow && isJobs {
			t.Errorf("%q is of both services", s)
		}
	})
}
