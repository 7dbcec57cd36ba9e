// Command shadow keeps a device's shadow the way programs on paho.mqtt.golang do: topics made by Sprintf, documents by
// encoding/json, one default handler that looks at the topic. It runs with either import line; without -endpoint it starts
// an iotlocal server of its own.
//
//	go run ./examples/paho-style/shadow -n 2
package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/portage-iot/awsiot/examples/internal/local"
	mqtt "github.com/portage-iot/awsiot/pahocompat"
)

func main() {
	target := local.Setup(local.Target{ClientID: "pahoShadow", Thing: "thermostat"})
	err := run(target)
	target.Close()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// device is a thermostat and its shadow.
type device struct {
	client mqtt.Client
	thing  string
	events chan string
}

func (d *device) topic(rest string) string {
	return fmt.Sprintf("$aws/things/%s/shadow/%s", d.thing, rest)
}

// handle gets every message.
func (d *device) handle(_ mqtt.Client, m mqtt.Message) {
	var doc struct {
		State struct{ Temperature *int }
		Code  int
	}
	if err := json.Unmarshal(m.Payload(), &doc); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	what := strings.TrimPrefix(m.Topic(), d.topic(""))
	if what == "update/delta" && doc.State.Temperature != nil {
		d.events <- fmt.Sprintf("delta: temperature %d", *doc.State.Temperature)
		return
	}
	d.events <- what
}

func run(target *local.Target) error {
	cert, err := tls.LoadX509KeyPair(target.Cert, target.Key)
	if err != nil {
		return err
	}
	pem, err := os.ReadFile(target.CA)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)

	d := &device{thing: target.Thing, events: make(chan string, 100)}
	d.client = mqtt.NewClient(mqtt.NewClientOptions().
		AddBroker(fmt.Sprintf("tls://%s:%d", target.Endpoint, target.Port)).
		SetClientID(target.ClientID).
		SetTLSConfig(&tls.Config{Certificates: []tls.Certificate{cert}, RootCAs: roots}).
		SetDefaultPublishHandler(d.handle))
	if token := d.client.Connect(); token.Wait() && token.Error() != nil {
		return fmt.Errorf("connect: %w", token.Error())
	}
	defer d.client.Disconnect(250)
	token := d.client.SubscribeMultiple(map[string]byte{d.topic("update/accepted"): 1, d.topic("update/rejected"): 1, d.topic("update/delta"): 1}, nil)
	if token.Wait(); token.Error() != nil {
		return fmt.Errorf("subscribe: %w", token.Error())
	}

	for i := 0; target.More(i); i++ {
		// Somebody wants another temperature; the device reports what it has reached.
		if err := d.update(target, "desired", 20+i); err != nil {
			return err
		}
		if err := d.update(target, "reported", 20+i); err != nil {
			return err
		}
	}
	return nil
}

// update changes one side of the shadow and prints what comes of it: desired has a delta, reported has none.
func (d *device) update(target *local.Target, side string, temperature int) error {
	doc, err := json.Marshal(map[string]any{"state": map[string]any{side: map[string]int{"temperature": temperature}}})
	if err != nil {
		return err
	}
	if token := d.client.Publish(d.topic("update"), 1, false, doc); token.Wait() && token.Error() != nil {
		return fmt.Errorf("publish: %w", token.Error())
	}
	want := map[string]bool{"update/accepted": true}
	if side == "desired" {
		want[fmt.Sprintf("delta: temperature %d", temperature)] = true
	}
	for len(want) > 0 {
		event, ok := local.Await(target, d.events)
		if !ok || !want[event] {
			return fmt.Errorf("update of %s: got %q", side, event)
		}
		delete(want, event)
	}
	fmt.Printf("%s temperature %d\n", side, temperature)
	return nil
}
