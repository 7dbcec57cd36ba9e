// Command plugin makes its client anew at every start and configures it in methods; a second one is made by who needs it first.
package main

import (
	"fmt"
	"os"
	"strconv"

	"github.com/portage-iot/awsiot/v1compat"
)

type settings struct {
	host, ca, cert, key, will string
	port                      int
}

type plugin struct {
	conf   settings
	client *v1compat.AWSIoTMQTTClient
	starts int
}

func (p *plugin) start() error {
	p.starts++
	p.client = v1compat.NewAWSIoTMQTTClient("plugin-" + strconv.Itoa(p.starts))
	p.configure()
	if err := p.client.Connect(30); err != nil {
		return err
	}
	_, err := p.client.Publish("corpus/plugin/started", strconv.Itoa(p.starts), 1)
	return err
}

func (p *plugin) configure() {
	p.endpoint()
	if p.conf.will != "" {
		p.client.ConfigureLastWill(p.conf.will, "gone", 1, false)
	}
	p.client.OnOnline = func() { fmt.Println("online") }
	p.client.OnOffline = p.offline
}

func (p *plugin) endpoint() {
	p.client.ConfigureEndpoint(p.conf.host, p.conf.port)
	p.client.ConfigureCredentials(p.conf.ca, p.conf.key, p.conf.cert)
}

func (p *plugin) offline() { fmt.Println("offline") }

func (p *plugin) stop() error {
	if p.client == nil {
		return nil
	}
	err := p.client.Disconnect()
	p.client = nil
	return err
}

func (p *plugin) reload(will string) error {
	if err := p.stop(); err != nil {
		return err
	}
	p.conf.will = will
	return p.start()
}

// reporter connects when it has something to say.
type reporter struct {
	conf   settings
	client *v1compat.AWSIoTMQTTClient
}

func (r *reporter) connected() (*v1compat.AWSIoTMQTTClient, error) {
	if r.client == nil {
		r.client = v1compat.NewAWSIoTMQTTClient("reporter")
		r.configure()
		if err := r.client.Connect(); err != nil {
			return nil, err
		}
	}
	return r.client, nil
}

func (r *reporter) configure() {
	r.client.ConfigureEndpoint(r.conf.host, r.conf.port)
	r.client.ConfigureCredentials(r.conf.ca, r.conf.key, r.conf.cert)
	r.client.ConfigureMQTTOperationTimeout(63)
}

func (r *reporter) report(text string) {
	c, err := r.connected()
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = c.Publish("corpus/plugin/report", text, 1)
	fmt.Println("reported", err)
}

func main() {
	port, err := strconv.Atoi(os.Args[2])
	if err != nil {
		panic(err)
	}
	p := &plugin{conf: settings{host: os.Args[1], port: port, ca: os.Args[3], cert: os.Args[4], key: os.Args[5]}}
	fmt.Println("start:", p.start())
	fmt.Println("reload:", p.reload("corpus/plugin/will"))
	fmt.Println("reload:", p.reload(""))
	fmt.Println("stop:", p.stop())
	fmt.Println("stop:", p.stop())
	r := &reporter{conf: p.conf}
	r.report("one")
	r.report("two")
	fmt.Println(r.client.Disconnect())
}
