// Command gateway gathers the readings of many sensors: messages go to a pool of workers, as programs on
// paho.mqtt.golang do it with SetOrderMatters(false) or a channel, and each worker publishes what it has worked out. A Store
// in memory and a kept session are asked for. It runs with either import line; without -endpoint it starts an iotlocal server
// of its own.
//
//	go run ./examples/paho-style/gateway -n 20
package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/portage-iot/awsiot/examples/internal/local"
	mqtt "github.com/portage-iot/awsiot/pahocompat"
)

const workers = 4

func main() {
	target := local.Setup(local.Target{ClientID: "pahoGateway", Topic: "site/1"})
	err := run(target)
	target.Close()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// reading is what a sensor has said.
type reading struct {
	sensor string
	value  int
}

func run(target *local.Target) error {
	options, err := options(target)
	if err != nil {
		return err
	}
	readings := make(chan reading, 100)
	results := make(chan string, 100)
	client := mqtt.NewClient(options.SetOrderMatters(false))
	if token := client.Connect(); token.Wait() && token.Error() != nil {
		return fmt.Errorf("connect: %w", token.Error())
	}
	defer client.Disconnect(500)

	up := client.Subscribe(target.Topic+"/+/up", 1, func(_ mqtt.Client, m mqtt.Message) {
		value, err := strconv.Atoi(string(m.Payload()))
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return
		}
		levels := strings.Split(m.Topic(), "/")
		readings <- reading{levels[len(levels)-2], value}
	})
	down := client.Subscribe(target.Topic+"/+/down", 1, func(_ mqtt.Client, m mqtt.Message) { results <- string(m.Payload()) })
	for _, token := range []mqtt.Token{up, down} {
		if !token.WaitTimeout(target.Timeout) || token.Error() != nil {
			return fmt.Errorf("subscribe: %v", token.Error())
		}
	}

	var pool sync.WaitGroup
	for range workers {
		pool.Go(func() {
			for r := range readings {
				client.Publish(fmt.Sprintf("%s/%s/down", target.Topic, r.sensor), 1, false, strconv.Itoa(2*r.value)).Wait()
			}
		})
	}

	sum, n := 0, 0
	for i := 0; target.More(i); i++ {
		client.Publish(fmt.Sprintf("%s/s%d/up", target.Topic, i%10), 1, false, strconv.Itoa(i))
		n++
	}
	for range n {
		text, ok := local.Await(target, results)
		if !ok {
			break
		}
		value, err := strconv.Atoi(text)
		if err != nil {
			return err
		}
		sum += value
	}
	close(readings)
	pool.Wait()
	fmt.Printf("%d readings, sum of the results %d\n", n, sum)
	return nil
}

func options(target *local.Target) (*mqtt.ClientOptions, error) {
	cert, err := tls.LoadX509KeyPair(target.Cert, target.Key)
	if err != nil {
		return nil, err
	}
	pem, err := os.ReadFile(target.CA)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	o := mqtt.NewClientOptions()
	o.AddBroker(fmt.Sprintf("mqtts://%s:%d", target.Endpoint, target.Port))
	o.SetClientID(target.ClientID)
	o.SetTLSConfig(&tls.Config{Certificates: []tls.Certificate{cert}, RootCAs: roots})
	o.SetCleanSession(false)
	o.SetStore(mqtt.NewOrderedMemoryStore())
	o.SetKeepAlive(30 * time.Second)
	o.SetConnectRetry(true)
	return o, nil
}
