package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const before = `package main

import (
	"io"

	"github.com/portage-iot/awsiot/shadowcompat"
	"github.com/portage-iot/awsiot/v1compat"
)

type closer interface{ Disconnect() error }

type thing struct{ client *v1compat.AWSIoTMQTTClient }

func main() {
	t := thing{v1compat.NewAWSIoTMQTTClient("a", v1compat.WithWebsocket(false))} // 1
	t.client.ConfigureEndpoint("localhost", 1883)                               // 2
	t.client.OnOnline = func() {}                                               // 3
	_ = t.client.Connect()                                                      // 4
	publish := t.client.Publish                                                 // 5
	_, _ = publish("t", "x", 1)
	shadow := shadowcompat.NewAWSIoTMQTTShadowClientWith(t.client)              // 6
	h := shadow.CreateShadowHandlerWithName("thing", true)                      // 7
	_, err := h.ShadowGet(nil, 5)                                               // 8
	if err == io.EOF {
		println(err.Error())
	}
	var c closer = t.client
	_ = c.Disconnect() // 9
	v1compat.SetLogger(nil) // 10
}
`

const after = `package main

import (
	"context"

	"github.com/portage-iot/awsiot/shadowcompat"
	"github.com/portage-iot/awsiot/v1compat"
	awsiot "github.com/portage-iot/awsiot/v2"
)

func main() {
	opts := awsiot.OptionsV1("a")
	opts.Endpoint, opts.Logger = "localhost", v1compat.Logger("x")
	v1compat.SetLogger(nil)
	client := awsiot.NewClient(opts)
	_ = client.StartAndWait(context.TODO())
	legacy := v1compat.FromV2(client)
	_, _ = legacy.Publish("t", "x", 1)
	shadow := shadowcompat.NewAWSIoTMQTTShadowClientWith(v1compat.FromV2(client))
	h := shadow.CreateShadowHandlerWithName("thing", true)
	_, _ = h.ShadowGet(nil, 5)
	other := v1compat.NewAWSIoTMQTTClient("b")
	_ = other.V2().Stop(context.TODO(), nil)
	var shape any = v1compat.FromV2(client)
	switch c := shape.(type) {
	case *v1compat.AWSIoTMQTTClient:
		_ = c.Disconnect()
	}
}
`

// writeModule writes a program with the packages of this repository.
func writeModule(t *testing.T, source string) string {
	t.Helper()
	dir := t.TempDir()
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	gomod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	sum, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(gomod), "module "+module, "module program", 1) +
		"\nrequire " + module + " v0.0.0\nreplace " + module + " => " + root + "\n"
	for name, data := range map[string]string{"go.mod": text, "go.sum": string(sum), "main.go": source} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestCompare(t *testing.T) {
	r, err := compare(writeModule(t, before), writeModule(t, after))
	if err != nil {
		t.Fatal(err)
	}
	// Bridged: the Disconnect of the type switch, Publish, the shadow client, its handler, ShadowGet, the Stop through V2 and SetLogger; left: the second constructor.
	if want := (result{sites: 10, rewritten: 2, bridged: 7, left: 1}); r != want {
		t.Errorf("got %+v, want %+v", r, want)
	}
}

func TestErrors(t *testing.T) {
	if err := run([]string{"one"}, os.Stdout); err == nil || !strings.Contains(err.Error(), "pairs of directories") {
		t.Errorf("one argument: %v", err)
	}
	dir := writeModule(t, "package main\n\nfunc main() { undefined() }\n")
	if _, err := count(dir); err == nil || !strings.Contains(err.Error(), "undefined") {
		t.Errorf("a program that does not compile: %v", err)
	}
	if _, err := compare(writeModule(t, after), writeModule(t, before)); err == nil || !strings.Contains(err.Error(), "more than before") {
		t.Errorf("the wrong way round: %v", err)
	}
}
