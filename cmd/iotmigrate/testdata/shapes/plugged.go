// Command plugged is a plug-in that is started, reloaded with other settings, and stopped.
package main

import (
	"fmt"
	"os"
	"strconv"

	"github.com/portage-iot/awsiot/v1compat"
)

// port is the third word of the command line.
func port() int {
	n, err := strconv.Atoi(os.Args[2])
	if err != nil {
		panic(err)
	}
	return n
}

type plugin struct {
	client   *v1compat.AWSIoTMQTTClient
	settings map[string]float64
	heard    chan string
}

func (p *plugin) start() error {
	if p.client == nil {
		p.client = v1compat.NewAWSIoTMQTTClient("plugged")
		p.client.ConfigureEndpoint(os.Args[1], port())
		p.client.ConfigureCredentials(os.Args[3], os.Args[5], os.Args[4])
		p.client.OnMessage = func(m *v1compat.Message) { p.heard <- m.Topic }
	}
	p.configure()
	if err := p.client.Connect(); err != nil {
		return err
	}
	_, err := p.client.Subscribe("shapes/plugged/+", 0, nil)
	return err
}

func (p *plugin) configure() {
	p.client.ConfigureMQTTOperationTimeout(p.settings["timeout"])
	if p.settings["hz"] > 0 {
		p.client.ConfigureDrainingFrequency(p.settings["hz"])
	}
}

func (p *plugin) stop() error {
	if _, err := p.client.Unsubscribe("shapes/plugged/+"); err != nil {
		return err
	}
	return p.client.Disconnect()
}

func main() {
	p := &plugin{settings: map[string]float64{"timeout": 65}, heard: make(chan string, 4)}
	for i := range 2 {
		fmt.Println(p.start())
		acked, err := p.client.Publish(fmt.Sprint("shapes/plugged/", i), "x", 1)
		fmt.Println(acked, err, <-p.heard)
		fmt.Println(p.stop())
		p.settings["hz"] = 10
	}
}
