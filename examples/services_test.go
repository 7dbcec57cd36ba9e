package examples_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/portage-iot/awsiot/iotlocal"
)

var (
	shadowNamed = program("v2-style/shadow-named")
	jobs        = program("v2-style/jobs")
)

// The programs of the service clients as a new user runs them.
func TestServicesByThemselves(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		program *example
		want    []string
	}{
		{shadowNamed, []string{"dimming to 10", `in sync: {"level":10}`, "dimming to 20", `in sync: {"level":20}`, "deleted"}},
		{jobs, []string{"jobs that wait: 2", "job-0: firmware 1.0", "job-1: firmware 1.1", "no job is left"}},
	} {
		t.Run(tt.program.dir, func(t *testing.T) {
			p := tt.program.start(t, nil, "-n", "2", "-interval", "1ms")
			if status := p.wait(t); status != 0 || p.stderr.Len() > 0 {
				t.Errorf("status %d, stderr:\n%s", status, &p.stderr)
			}
			if got := p.said(); !slices.Equal(got, tt.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
		})
	}
}

// Against an endpoint: a job of the operator's is done, and one that is none of the program's rejected.
func TestJobsOfTheOperator(t *testing.T) {
	t.Parallel()
	srv := iotlocal.StartT(t, iotlocal.Options{})
	thing, err := srv.NewThing("bulb")
	if err != nil {
		t.Fatal(err)
	}
	for id, document := range map[string]string{"good": `{"firmware":"7"}`, "bad": `{"firmware":7}`} {
		if err := srv.Jobs("bulb").Create(id, document, iotlocal.JobOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	p := jobs.start(t, nil, "-e", srv.Host(), "-p", fmt.Sprint(srv.TLSPort()), "-r", srv.CAFile(), "-c", thing.CertFile, "-k", thing.KeyFile,
		"-id", "bulb", "-thing", "bulb", "-n", "2")
	if status := p.wait(t); status != 0 {
		t.Errorf("status %d, stderr:\n%s", status, &p.stderr)
	}
	good, err := srv.Jobs("bulb").Describe("good")
	if err != nil || good.Status != iotlocal.JobSucceeded || good.StatusDetails["installed"] != "7" {
		t.Errorf("%+v, %v", good, err)
	}
	if bad, err := srv.Jobs("bulb").Describe("bad"); err != nil || bad.Status != iotlocal.JobRejected {
		t.Errorf("%+v, %v", bad, err)
	}
}
