// Command thing speaks to its shadow by topics that it makes itself, over TLS with its certificate.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"os"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

const thing = "device"

func tlsConfig(ca, cert, key string) *tls.Config {
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		panic(err)
	}
	pem, err := os.ReadFile(ca)
	if err != nil {
		panic(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	return &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}}
}

func main() {
	opts := mqtt.NewClientOptions()
	opts.AddBroker(fmt.Sprintf("ssl://%s:%s", os.Args[1], os.Args[2]))
	opts.SetClientID(thing).SetTLSConfig(tlsConfig(os.Args[3], os.Args[4], os.Args[5]))
	opts.SetCredentialsProvider(func() (string, string) { return "", "" })
	c := mqtt.NewClient(opts)
	if t := c.Connect(); t.Wait() && t.Error() != nil {
		panic(t.Error())
	}
	answers := make(chan string, 4)
	for _, what := range []string{"accepted", "rejected"} {
		topic := fmt.Sprintf("$aws/things/%s/shadow/update/%s", thing, what)
		c.Subscribe(topic, 1, func(_ mqtt.Client, m mqtt.Message) {
			var doc struct {
				State   json.RawMessage `json:"state"`
				Version int             `json:"version"`
				Code    int             `json:"code"`
			}
			if err := json.Unmarshal(m.Payload(), &doc); err != nil {
				panic(err)
			}
			answers <- fmt.Sprint(what, " ", string(doc.State), " ", doc.Version, " ", doc.Code)
		}).Wait()
	}
	for _, doc := range []string{`{"state":{"reported":{"on":true}}}`, `{"state":`, `{"state":{"desired":null}}`} {
		c.Publish(fmt.Sprintf("$aws/things/%s/shadow/update", thing), 1, false, doc).Wait()
		fmt.Println(<-answers)
	}
	c.Disconnect(200)
}
