package conformance

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/portage-iot/awsiot/iotlocal"
)

func TestTable(t *testing.T) {
	facts := table()
	for _, problem := range check(facts) {
		t.Error(problem)
	}
	count := map[string]int{}
	for _, f := range facts {
		count[f.sure.String()]++
		if f.probe == nil {
			count["not probed"]++
		}
	}
	if count["not probed"] > len(facts)/8 {
		t.Errorf("%d of %d facts are not probed", count["not probed"], len(facts))
	}
	t.Logf("%d facts: %v", len(facts), count)
}

// TestCheckCatches: a table that everything passes would pass too.
func TestCheckCatches(t *testing.T) {
	good := fact{id: "a", says: "b", source: "c", why: "d"}
	for name, rows := range map[string][]fact{
		"twice": {good, good}, "no words": {{id: "a", source: "c", why: "d"}}, "no source": {{id: "a", says: "b", why: "d"}},
		"neither": {{id: "a", says: "b", source: "c"}}, "both": {{id: "a", says: "b", source: "c", why: "d", probe: func(*probe) {}}},
	} {
		if len(check(rows)) == 0 {
			t.Errorf("%s: nothing is wrong", name)
		}
	}
	if problems := check([]fact{good}); len(problems) > 0 {
		t.Errorf("%q", problems)
	}
}

// local starts an endpoint for one fact.
func local(t *testing.T, o iotlocal.Options) target {
	srv := iotlocal.StartT(t, o)
	thing, err := srv.NewThing("conformance-device")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := thing.Certificate()
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(srv.CAPEM())
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(srv.TLSPort()))
	return target{host: "localhost", mqtt: addr, alpn: addr, https: addr, roots: roots, cert: tls.Certificate(pair), thing: thing.Name,
		patience: time.Minute, srv: srv}
}

// TestIotlocal holds iotlocal to every fact that can be asked about.
func TestIotlocal(t *testing.T) {
	for _, f := range table() {
		if f.probe == nil {
			continue
		}
		t.Run(f.id, func(t *testing.T) {
			t.Parallel()
			differs, _ := local(t, f.options).run(f)
			for _, d := range differs {
				t.Errorf("%s\n(%s; %v)\n%s", f.says, f.source, f.sure, d)
			}
		})
	}
}
