package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// chance writes programs whose statements stand in any order and in any shape that Go has for them.
type chance struct {
	*rand.Rand
	x       string // the expression of the client
	helpers strings.Builder
	n       int
}

// holders are where the client is: declarations outside of main, what stands before the constructor, and its expression.
var holders = []struct{ outside, before, x string }{
	{"", "var client *v1compat.AWSIoTMQTTClient", "client"},
	{"", "client := v1compat.NewAWSIoTMQTTClient(\"unused\")", "client"},
	{"var client *v1compat.AWSIoTMQTTClient", "", "client"},
	{"type thing struct {\n\tname string\n\tclient *v1compat.AWSIoTMQTTClient\n}", "t := thing{name: \"x\"}", "t.client"},
	{"type thing struct{ client *v1compat.AWSIoTMQTTClient }", "t := &thing{}", "t.client"},
	{"var things = map[string]*v1compat.AWSIoTMQTTClient{}", "", `things["a"]`},
	{"", "var pair [2]*v1compat.AWSIoTMQTTClient", "pair[1]"},
}

// settings are Configure calls behind the client.
var settings = []string{
	"ConfigureAutoReconnectBackoffTime(1, 8, float64(len(os.Args)))",
	"ConfigureOfflinePublishQueueing(-1)",
	"ConfigureOfflinePublishQueueing(n, v1compat.DropOldest)",
	"ConfigureDrainingFrequency(20)",
	"ConfigureConnectDisconnectTimeout(10)",
	"ConfigureMQTTOperationTimeout(float64(60 + n))",
	`ConfigureLastWill("chance/will", []byte{1, 2}, 1)`,
	`ConfigureUsernamePassword("me", "secret")`,
	"DisableMetricsCollection()",
	"ClearLastWill()",
	"OnOnline = func() {}",
	"OnMessage = func(m *v1compat.Message) { _ = m.Topic }",
}

// operations are what a connected client is asked, with the number of results.
var operations = []struct {
	call    string
	results int
}{
	{`Publish("chance/a", "text", 1)`, 2},
	{`Publish("chance/b", []byte("bytes"), 0)`, 2},
	{`Publish("chance/a", fmt.Sprint(n), byte(n%2))`, 2},
	{`PublishAsync("chance/c", "later", 1, func(v1compat.Mid) { acked <- true })`, 2},
	{`Subscribe("chance/a", 0, func(_ *v1compat.AWSIoTMQTTClient, _ any, m *v1compat.Message) { _ = string(m.Payload) })`, 2},
	{`Subscribe("chance/+", 0, nil)`, 2},
	{`Unsubscribe("chance/d")`, 2},
}

// program returns a program for a seed.
func program(seed uint64) []byte {
	h := holders[seed%uint64(len(holders))]
	c := &chance{Rand: rand.New(rand.NewPCG(seed, 1)), x: h.x}
	var main strings.Builder
	line := func(format string, a ...any) { fmt.Fprintf(&main, "\t"+format+"\n", a...) }
	if h.before != "" {
		line("%s", h.before)
	}
	options := []string{"", ", v1compat.WithCleanSession(true)", ", v1compat.WithProtocolType(v1compat.MQTTv311)"}
	line("%s = v1compat.NewAWSIoTMQTTClient(fmt.Sprint(\"chance-\", n)%s)", c.x, options[c.IntN(len(options))])
	first := []string{"ConfigureEndpoint(os.Args[1], port)", "ConfigureCredentials(os.Args[3], os.Args[5], os.Args[4])"}
	picked := append(first, c.pick(settings, 6)...)
	c.Shuffle(len(picked), func(i, j int) { picked[i], picked[j] = picked[j], picked[i] })
	for _, s := range picked {
		line("%s", c.wrap(c.x+"."+s, strings.HasPrefix(s, "Configure") && !strings.Contains(s, "port")))
	}
	for round := range 1 + c.IntN(2) {
		line("%s", c.check("Connect()", 1))
		if round > 0 {
			line("%s", c.wrap(c.x+".ConfigureMQTTOperationTimeout(67)", true))
		}
		for range 4 {
			op := operations[c.IntN(len(operations))]
			line("%s", c.wrap(c.check(op.call, op.results), false))
			if strings.Contains(op.call, "acked") {
				line("<-acked")
			}
		}
		line("%s", c.check(`Publish("chance/end", "", 1)`, 2))
		line("%s", c.check("Disconnect()", 1))
	}
	return []byte("// Command chance is made from seed " + fmt.Sprint(seed) + ".\npackage main\n\nimport (\n\t\"fmt\"\n\t\"os\"\n\t\"strconv\"\n\n\t\"" +
		modulePath() + "/v1compat\"\n)\n\n" + h.outside + "\n\nfunc main() {\n\tport, err := strconv.Atoi(os.Args[2])\n\tif err != nil {\n\t\tpanic(err)\n\t}\n" +
		"\tn := len(os.Args)\n\tacked := make(chan bool, 8)\n\t_ = acked\n" + main.String() + "}\n" + c.helpers.String())
}

// pick takes up to n of the texts, each once.
func (c *chance) pick(from []string, n int) []string {
	var out []string
	for _, i := range c.Perm(len(from))[:1+c.IntN(n)] {
		out = append(out, from[i])
	}
	return out
}

// check is a call with something done about its results.
func (c *chance) check(call string, results int) string {
	call = c.x + "." + call
	blank := strings.Repeat("_, ", results-1)
	switch c.IntN(4) {
	case 0:
		return call
	case 1:
		return "if " + blank + "err := " + call + "; err != nil {\nfmt.Println(\"failed\")\n}"
	case 2:
		return blank + "err = " + call + "\nif err != nil {\npanic(err)\n}"
	}
	if results == 1 {
		return "fmt.Println(" + call + ")"
	}
	c.n++
	if strings.Contains(call, "Async") { // ids count other things once a part is rewritten
		return fmt.Sprintf("ok%d, err := %s\nfmt.Println(ok%[1]d > 0, err)", c.n, call)
	}
	return fmt.Sprintf("ok%d, err := %s\nfmt.Println(ok%[1]d, err)", c.n, call)
}

// wrap puts statements into a shape that does not change when they run. apart: they may stand in a function that takes the
// client, since they need nothing else of main but n.
func (c *chance) wrap(text string, apart bool) string {
	c.n++
	switch c.IntN(8) {
	case 0:
		return "if n > 0 {\n" + text + "\n}"
	case 1:
		return "for range 1 {\n" + text + "\n}"
	case 2:
		return "switch {\ncase n < 0:\npanic(n)\ndefault:\n" + text + "\n}"
	case 3:
		return "{\n" + text + " // in a block\n}"
	case 4:
		return "func() {\n" + text + "\n}()"
	case 5:
		if apart {
			name := fmt.Sprint("part", c.n)
			fmt.Fprintf(&c.helpers, "\nfunc %s(c *v1compat.AWSIoTMQTTClient, n int) {\n%s\n}\n", name, strings.Replace(text, c.x+".", "c.", 1))
			return name + "(" + c.x + ", n)"
		}
	}
	return "// a comment\n\t" + text
}
