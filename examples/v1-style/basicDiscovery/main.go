// Command basicDiscovery is a port of the v1 sample of that name: it asks AWS IoT
// Greengrass where the cores of a thing are, connects to the first address that
// answers, and publishes to it or subscribes.
//
//	go run ./examples/v1-style/basicDiscovery -e ENDPOINT -r CA -c CERT -k KEY -n THING
//	go run ./examples/v1-style/basicDiscovery -e ENDPOINT -r CA -c CERT -k KEY -n THING -p
package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/portage-iot/awsiot/examples/v1-style/internal/sample"
	"github.com/portage-iot/awsiot/v1compat"
	"github.com/portage-iot/awsiot/v1compat/discovery"
)

const (
	// maxTries is how often discovery is tried.
	maxTries = 10
	// groupCAPath is the folder for the certificate authority of the core.
	groupCAPath = "groupCA"
)

// arguments are the values of the flags.
type arguments struct {
	*sample.Program
	thing, topic, message, cert, key *string
	mode                             *sample.Mode
	printOnly                        *bool
	port                             *int
}

func main() {
	p := sample.New("basicDiscovery")
	a := &arguments{Program: p, cert: p.TextFlag("", "file of the device certificate", "c", "cert"),
		key: p.TextFlag("", "file of the private key", "k", "key"), thing: p.ThingFlag(), topic: p.TopicFlag(), mode: p.ModeFlag(),
		message: p.MessageFlag(), printOnly: p.BoolFlag("print the discovery response and end", "p", "print_discover_resp_only"),
		port: p.NumberFlag(8443, "port of discovery", "port")}
	p.LoopFlags("count")
	p.Rule(func() error {
		switch {
		case *a.cert == "" || *a.key == "":
			return errors.New("missing credentials: give a certificate and its key")
		case *a.port < 1 || *a.port > 65535:
			return fmt.Errorf("port %d is not between 1 and 65535", *a.port)
		}
		for _, f := range []struct{ what, path string }{{"root CA", p.RootCA}, {"certificate", *a.cert}, {"private key", *a.key}} {
			if info, err := os.Stat(f.path); err != nil || info.IsDir() {
				return &sample.StatusError{Status: 3, Err: fmt.Errorf("%s: no file at %s", f.what, f.path)}
			}
		}
		return nil
	})
	p.Main(a.run)
}

func (a *arguments) run(ctx context.Context) error {
	info, err := a.discover(ctx)
	if err != nil {
		return err
	}
	if info == nil {
		return nil // Ctrl-C
	}
	if *a.printOnly {
		response, err := groupLevel(info)
		if err != nil {
			return err
		}
		fmt.Println(response)
		return nil
	}
	client, err := a.connect(info)
	if err != nil {
		return err
	}
	return a.talk(ctx, client)
}

// discover asks up to ten times, once with -p. An invalid request would not get better. nil, nil: ctx has ended.
func (a *arguments) discover(ctx context.Context) (*discovery.DiscoveryInfo, error) {
	provider := discovery.NewDiscoveryInfoProvider()
	provider.ConfigureEndpoint(a.Endpoint, *a.port)
	provider.ConfigureCredentials(a.RootCA, *a.cert, *a.key)
	provider.ConfigureTimeout(10)
	backOff := discovery.NewProgressiveBackOffCore()
	tries := maxTries
	if *a.printOnly {
		tries = 1
	}
	for {
		info, err := provider.Discover(*a.thing)
		if err == nil {
			return info, nil
		}
		var invalid *discovery.DiscoveryInvalidRequestError
		tries--
		if errors.As(err, &invalid) || tries == 0 {
			return nil, fmt.Errorf("discover: %w", err)
		}
		fmt.Printf("discovery failed, %d tries left: %v\n", tries, err)
		if backOff.BackOffContext(ctx) != nil {
			return nil, nil
		}
	}
}

// groupLevel is the discovery response as text.
func groupLevel(info *discovery.DiscoveryInfo) (string, error) {
	groups, err := info.GetAllGroups()
	if err != nil {
		return "", fmt.Errorf("discovery response: %w", err)
	}
	b, err := json.MarshalIndent(groups, "", "  ")
	return string(b), err
}

// connect tries the addresses of the first core with the first certificate authority until one works.
func (a *arguments) connect(info *discovery.DiscoveryInfo) (*v1compat.AWSIoTMQTTClient, error) {
	cores, err1 := info.GetAllCores()
	cas, err2 := info.GetAllCas()
	if err := errors.Join(err1, err2); err != nil {
		return nil, fmt.Errorf("discovery response: %w", err)
	}
	if len(cores) == 0 || len(cas) == 0 {
		return nil, errors.New("the discovery response has no core or no certificate authority")
	}
	core, ca := cores[0], cas[0]
	fmt.Printf("discovered core %s of group %s\n", core.CoreThingArn, ca.GroupID)
	if len(core.ConnectivityInfoList) == 0 {
		return nil, fmt.Errorf("core %s has no address", core.CoreThingArn)
	}
	groupCA, err := saveCA(ca)
	if err != nil {
		return nil, err
	}
	client := v1compat.NewAWSIoTMQTTClient(*a.thing)
	client.ConfigureCredentials(groupCA, *a.key, *a.cert)
	var failed []error
	for _, at := range core.ConnectivityInfoList {
		fmt.Printf("trying %s:%d\n", at.Host, at.Port)
		client.ConfigureEndpoint(at.Host, at.Port)
		if err := client.Connect(); err != nil {
			fmt.Printf("cannot connect to %s:%d\n", at.Host, at.Port)
			failed = append(failed, err)
			continue
		}
		fmt.Printf("connected to %s:%d\n", at.Host, at.Port)
		return client, nil
	}
	return nil, fmt.Errorf("cannot connect to core %s: %w", core.CoreThingArn, errors.Join(failed...))
}

// saveCA writes the certificate authority to a file with a new name. The group's id comes from the network: it is no path.
func saveCA(ca discovery.Ca) (string, error) {
	if err := os.MkdirAll(groupCAPath, 0o755); err != nil {
		return "", err
	}
	name := fmt.Sprintf("%s_CA_%s.crt", filepath.Base(ca.GroupID), uuid())
	name = filepath.Join(groupCAPath, name)
	return name, os.WriteFile(name, []byte(ca.Ca), 0o644)
}

// uuid is a random one, version 4.
func uuid() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// talk publishes or subscribes with QoS 0, as basicPubSub does.
func (a *arguments) talk(ctx context.Context, client *v1compat.AWSIoTMQTTClient) error {
	received := sample.NewTally()
	if a.mode.Subscribes() {
		if _, err := client.Subscribe(*a.topic, 0, func(_ *v1compat.AWSIoTMQTTClient, _ any, message *v1compat.Message) {
			fmt.Printf("received %s from %s\n", message.Payload, message.Topic)
			received.Add()
		}); err != nil {
			return fmt.Errorf("subscribe: %w", err)
		}
	}
	a.Pause(ctx, 2)
	sent := 0
	if a.mode.Publishes() {
		for i := range a.Messages(ctx) {
			payload, err := sample.Message(*a.message, i)
			if err != nil {
				return err
			}
			if _, err := client.Publish(*a.topic, payload, 0); err != nil {
				return fmt.Errorf("publish: %w", err)
			}
			sent++
			if *a.mode == sample.Publish {
				fmt.Printf("published %s to %s\n", payload, *a.topic)
			}
		}
	}
	switch *a.mode {
	case sample.Subscribe:
		received.Reach(ctx, a.Count)
	case sample.Both:
		if err := received.Await(ctx, sent, "messages came back"); err != nil {
			return err
		}
	}
	return client.Disconnect()
}
