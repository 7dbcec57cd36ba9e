package migrate

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const ping = `package main

import "github.com/portage-iot/awsiot/v1compat"

func main() {
	c := v1compat.NewAWSIoTMQTTClient("ping")
	c.ConfigureEndpoint("localhost", 8883)
	c.Connect()
}
`

// orderCalls are calls of a program, each with what it becomes.
var orderCalls = [][2]string{
	{`c.ConfigureEndpoint("h", 1)`, `opts.Endpoint, opts.Port =`},
	{`c.ConfigureCredentials("a", "b", "c")`, `opts.CAFile, opts.Auth =`},
	{`c.ConfigureMQTTOperationTimeout(x)`, `opts.AckTimeout =`},
	{`c.ConfigureOfflinePublishQueueing(3)`, `opts.OfflineQueue.MaxOperations =`},
	{`c.OnOnline = func() { c.Publish("t", nil, 0) }`, `opts.OnConnectionSuccess =`},
	{`c.DisableMetricsCollection()`, `opts.DisableMetrics =`},
	{`if x > 1 { c.ClearLastWill() }`, `opts.Will =`},
	{`help(c)`, `help(&opts)`},
	{`x++`, `x++`},
}

// orders are the permutations of orderCalls that are tried.
var orders = func() [][]int {
	rnd := rand.New(rand.NewPCG(1, 2))
	var out [][]int
	for range 16 {
		out = append(out, rnd.Perm(len(orderCalls)))
	}
	return out
}()

// orderPrograms are programs with the calls in these orders.
func orderPrograms() map[string]string {
	files := map[string]string{}
	for i, order := range orders {
		var b strings.Builder
		b.WriteString("package main\n\nimport \"github.com/portage-iot/awsiot/v1compat\"\n\nfunc help(c *v1compat.AWSIoTMQTTClient) { c.ConfigureDrainingFrequency(1) }\n\nfunc main() {\n\tx := 1.0\n\tc := v1compat.NewAWSIoTMQTTClient(\"id\")\n")
		for _, n := range order {
			b.WriteString("\t" + orderCalls[n][0] + "\n")
		}
		b.WriteString("\tc.Connect()\n}\n")
		files[fmt.Sprintf("order%d/main.go", i)] = b.String()
	}
	return files
}

// TestOrder permutes the Configure* calls: every order is rewritten, and the assignments stand in that order.
func TestOrder(t *testing.T) {
	var dirs []string
	for name := range orderPrograms() {
		dirs = append(dirs, strings.TrimSuffix(name, "/main.go"))
	}
	res := shared(t, dirs...).plan(t, Config{})
	for i, order := range orders {
		f := res.Files[filepath.Join(res.Dir, fmt.Sprintf("order%d", i), "main.go")]
		text := string(f.New)
		at, last := strings.Index(text, "OptionsV1"), 0
		for _, n := range order {
			next := strings.Index(text[max(at, 0):], orderCalls[n][1])
			if at < 0 || next < 0 {
				t.Errorf("order %v: %q is missing or out of order in\n%s", order, orderCalls[n][1], text)
				break
			}
			at += next
			if !strings.HasPrefix(orderCalls[n][1], "x") {
				last = at
			}
		}
		if last > strings.Index(text, "awsiot.NewClient(") {
			t.Errorf("order %v: the client is made too early:\n%s", order, text)
		}
	}
	if s := res.Stats(); s.Left != 0 || s.UnitsRewritten != len(orders) {
		t.Errorf("stats %+v", s)
	}
}

const bisectProgram = `package main

import "github.com/portage-iot/awsiot/v1compat"

type holder interface {
	Publish(topic string, payload any, qos byte) (bool, error)
}

type impl struct{ *v1compat.AWSIoTMQTTClient }

var _ holder = impl{}

func main() {
	a := v1compat.NewAWSIoTMQTTClient("a")
	a.Connect()
	i := impl{v1compat.NewAWSIoTMQTTClient("i")}
	i.Connect()
	b := v1compat.NewAWSIoTMQTTClient("b")
	b.Connect()
}
`

// TestBisect mixes a client whose rewrite does not compile with two that do: only that one is taken back, with the
// compiler's message.
func TestBisect(t *testing.T) {
	res := shared(t, "bisect").plan(t, Config{})
	got := map[string]bool{}
	for _, u := range res.Units {
		got[u.Name] = u.Rewritten
		if u.Name == "AWSIoTMQTTClient" && (len(u.Reasons) != 1 || u.Reasons[0].Anchor != "does-not-compile" || !strings.Contains(u.Reasons[0].Text, "wrong type for method Publish")) {
			t.Errorf("reasons %+v", u.Reasons)
		}
	}
	if !got["a"] || !got["b"] || got["AWSIoTMQTTClient"] || len(got) != 3 {
		t.Errorf("rewritten: %v", got)
	}
}

func TestErrors(t *testing.T) {
	ctx := context.Background()
	dir := newModule(t, map[string]string{"good/main.go": ping})
	if _, err := Run(ctx, Config{Dir: dir, Patterns: []string{"./none"}}); err == nil || !strings.Contains(err.Error(), "directory not found") {
		t.Error("a pattern that matches nothing is accepted")
	}
	if _, err := Run(ctx, Config{Dir: filepath.Join(dir, "none")}); err == nil {
		t.Error("a directory that does not exist is accepted")
	}
	if _, err := Run(ctx, Config{Dir: dir, Mode: Fix, Overlay: map[string][]byte{"/x.go": nil}}); !errors.Is(err, errOverlayFix) {
		t.Errorf("overlay with Fix: %v", err)
	}
	name := filepath.Join(dir, "good", "main.go")
	over, err := Run(ctx, Config{Dir: dir, Patterns: []string{"./good"}, Overlay: map[string][]byte{name: []byte(strings.Replace(ping, "8883", "443", 1))}})
	if err != nil || !strings.Contains(over.Diff(), "+\topts.Endpoint, opts.Port = \"localhost\", 443\n") {
		t.Errorf("overlay: %v", err)
	}
	if b, _ := os.ReadFile(name); string(b) != ping {
		t.Error("Check wrote a file")
	}
}
