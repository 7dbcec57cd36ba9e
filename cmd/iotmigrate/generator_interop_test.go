//go:build interop

package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// generated is the source of a program with clients in random shapes.
func generated(r *rand.Rand) string {
	var decls, main strings.Builder
	for n := range generatedCases {
		g := &generator{Rand: r, n: n}
		fmt.Fprintf(&main, "case%d(port, plainPort)\n", n)
		body := g.body()
		fmt.Fprintf(&decls, "%sfunc case%d(port, plainPort int) {\n%s}\n\n", g.decls.String(), n, body)
	}
	return `package main

import (
	"fmt"
	"os"
	"strconv"

	"github.com/portage-iot/awsiot/v1compat"
)

// pick prints what it returns.
func pick[T any](x T) T {
	fmt.Println("pick", x)
	return x
}

` + decls.String() + `func main() {
	port, err := strconv.Atoi(os.Args[2])
	if err != nil {
		panic(err)
	}
	plainPort, err := strconv.Atoi(os.Args[6])
	if err != nil {
		panic(err)
	}
` + main.String() + "}\n"
}

// generator writes one case: a function, and what it declares around it.
type generator struct {
	*rand.Rand
	n     int
	decls strings.Builder
	names int
	kind  clientKind
	at    string // how the client is written in the function
}

// clientKind is where the client of a case is.
type clientKind int

const (
	inVariable clientKind = iota
	inField
	inPackage
	inMap
	clientKinds
)

// one returns one of the texts.
func (g *generator) one(texts ...string) string { return texts[g.IntN(len(texts))] }

// name is a new one at package level.
func (g *generator) name(base string) string {
	g.names++
	return fmt.Sprintf("%s%dx%d", base, g.n, g.names)
}

// body is the function: the client is made and configured, talks, and perhaps is configured again and talks again.
func (g *generator) body() string {
	g.kind = clientKind(g.IntN(int(clientKinds)))
	var b strings.Builder
	b.WriteString(g.made())
	first := append(g.reachable(), g.configs(1+g.IntN(4))...)
	g.Shuffle(len(first), func(i, j int) { first[i], first[j] = first[j], first[i] })
	for _, s := range first {
		b.WriteString(s)
		if g.IntN(4) == 0 {
			b.WriteString(g.one("fmt.Println(\"between\")\n", "if pick(false) {\nreturn\n}\n", "fmt.Println(port > 0)\n"))
		}
	}
	if g.IntN(3) == 0 {
		fmt.Fprintf(&b, "%s.OnOnline = func() { fmt.Println(\"online\", %d) }\n", g.at, g.n)
	}
	b.WriteString(g.talk())
	if g.IntN(2) == 0 {
		b.WriteString(strings.Join(g.configs(1+g.IntN(3)), ""))
		b.WriteString(g.talk())
	}
	return b.String()
}

// made declares what holds the client, and makes it.
func (g *generator) made() string {
	id := fmt.Sprintf("%q", fmt.Sprint("generated-", g.n))
	ctor := "v1compat.NewAWSIoTMQTTClient(" + g.one(id, "pick("+id+")") +
		g.one("", "", ", v1compat.WithCleanSession(pick(false))", ", v1compat.WithCleanSession(len(os.Args) == 0), v1compat.WithWebsocket(false)") + ")"
	switch g.kind {
	case inField:
		fmt.Fprintf(&g.decls, "type holder%d struct {\n\tclient *v1compat.AWSIoTMQTTClient\n\tname string\n}\n\n", g.n)
		g.at = "d.client"
		holder := fmt.Sprint("holder", g.n)
		return g.one("d := &"+holder+"{name: \"x\"}\nd.client = "+ctor+"\n", "d := &"+holder+"{client: "+ctor+", name: pick(\"y\")}\n",
			"d := &"+holder+"{name: pick(\"z\"), client: "+ctor+"}\n", "var d "+holder+"\nd.client = "+ctor+"\n")
	case inPackage:
		g.at = fmt.Sprint("client", g.n)
		if g.IntN(4) == 0 {
			fmt.Fprintf(&g.decls, "var %s = %s\n\n", g.at, ctor)
			return ""
		}
		fmt.Fprintf(&g.decls, "var %s *v1compat.AWSIoTMQTTClient\n\n", g.at)
		return g.at + " = " + ctor + "\n"
	case inMap:
		g.at = "clients[name]"
		return "clients := map[string]*v1compat.AWSIoTMQTTClient{}\nname := \"x\"\nclients[name] = " + ctor + "\n"
	}
	g.at = "c"
	const declared = "var c *v1compat.AWSIoTMQTTClient\n"
	return g.one("c := "+ctor+"\n", "var c = "+ctor+"\n", declared+"c = "+ctor+"\n",
		declared+"if pick(port > 0) {\nc = "+ctor+"\n} else {\nc = v1compat.NewAWSIoTMQTTClient(\"other\")\nc.ConfigureDrainingFrequency(3)\n}\n",
		declared+"switch {\ncase pick(port == 0):\nc = v1compat.NewAWSIoTMQTTClient(\"zero\")\ndefault:\nc = "+ctor+"\n}\n")
}

// reachable are the statements that say where the broker is: with a certificate, or without TLS.
func (g *generator) reachable() []string {
	if g.IntN(4) == 0 {
		return []string{g.placed("%s.ConfigureEndpoint(os.Args[1], plainPort)\n")}
	}
	endpoint := g.one("%s.ConfigureEndpoint(os.Args[1], port)\n", "%s.ConfigureEndpoint(pick(os.Args[1]), port)\n")
	credentials := "%s.ConfigureCredentials(os.Args[3], os.Args[5], os.Args[4])\n"
	if g.IntN(2) == 0 {
		return []string{g.placed(endpoint + credentials)}
	}
	return []string{g.placed(endpoint), g.placed(credentials)}
}

// configs are n calls that change what the client says or does.
func (g *generator) configs(n int) []string {
	var out []string
	for range n {
		x := g.IntN(1000)
		out = append(out, g.placed(g.one(
			fmt.Sprintf("%%s.ConfigureLastWill(\"generated/will\", pick(\"gone %d\"), 1)\n", x),
			fmt.Sprintf("%%s.ConfigureLastWill(pick(\"generated/will/%d\"), \"gone\", 0, true)\n", x),
			"%s.ClearLastWill()\n",
			fmt.Sprintf("%%s.ConfigureUsernamePassword(pick(\"user %d\"), \"secret\")\n", x),
			fmt.Sprintf("%%s.ConfigureUsernamePassword(\"user %d\")\n", x),
			fmt.Sprintf("%%s.ConfigureMQTTOperationTimeout(float64(pick(%d)))\n", 65+x%5),
			"%s.ConfigureOfflinePublishQueueing(pick(3))\n",
			"%s.DisableMetricsCollection()\n",
			"%s.EnableMetricsCollection()\n",
		)))
	}
	return out
}

// placed puts a configuring statement, with the client for %s, somewhere: where it is, in a statement, or in a function.
func (g *generator) placed(format string) string {
	s := client(format, g.at)
	switch g.IntN(10) {
	case 0:
		return "if pick(port > 0) {\n" + s + "}\n"
	case 1:
		return "if pick(port == 0) {\n" + client("%s.ConfigureDrainingFrequency(7)\n", g.at) + "} else {\n" + s + "}\n"
	case 2:
		return "switch pick(port > 0) {\ncase true:\n" + s + "default:\nfmt.Println(\"no\")\n}\n"
	case 3:
		return "for range 2 {\n" + s + "}\n"
	case 4:
		return "{\nfmt.Println(\"block\")\n" + s + "}\n"
	case 5:
		return "func() {\n" + s + "}()\n"
	case 6, 7, 8:
		return g.function(format)
	}
	return s
}

// function puts the statement into a function that can reach the client, perhaps through another one.
func (g *generator) function(format string) string {
	f := g.name("set")
	params, args, inside, receiver, call := "port, plainPort int", "port, plainPort", g.at, "", f
	switch g.kind {
	case inField:
		receiver, inside, call = fmt.Sprintf("(h *holder%d) ", g.n), "h.client", "d."+f
		if g.IntN(3) == 0 {
			receiver, call = "", f
			params, args, inside = "h *v1compat.AWSIoTMQTTClient, port, plainPort int", g.at+", port, plainPort", "h"
		}
	case inVariable, inMap:
		params, args, inside = "h *v1compat.AWSIoTMQTTClient, "+params, g.at+", "+args, "h"
	}
	body := client(format, inside)
	if g.kind == inField && receiver != "" && g.IntN(3) == 0 {
		inner := g.name("inner")
		fmt.Fprintf(&g.decls, "func %s%s(%s) {\n_, _ = port, plainPort\n%s}\n\n", receiver, inner, params, body)
		body = "fmt.Println(h.name)\nh." + inner + "(port, plainPort)\n"
	}
	if g.IntN(4) == 0 {
		body = "if pick(port == 0) {\nreturn\n}\n" + body
	}
	fmt.Fprintf(&g.decls, "func %s%s(%s) {\n_, _ = port, plainPort\n%s}\n\n", receiver, f, params, body)
	out := call + "(" + args + ")\n"
	if g.IntN(5) == 0 {
		return "if pick(port > 0) {\n" + out + "}\n"
	}
	return out
}

// talk connects, publishes and disconnects.
func (g *generator) talk() string {
	text := fmt.Sprintf("hello %d", g.n)
	return client("if err := %s.Connect("+g.one("", "30", "600")+"); err != nil {\nfmt.Println(\"connect\", err)\nreturn\n}\n"+
		"if acked, err := %s.Publish(\"generated\", pick(\""+text+"\"), 1); err == nil {\nfmt.Println(\"published\", acked)\n}\n"+
		"fmt.Println(%s.Disconnect())\n", g.at)
}

// client writes a format with the client.
func client(format, at string) string {
	return strings.ReplaceAll(format, "%s", at)
}
