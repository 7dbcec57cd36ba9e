package main

import (
	"fmt"
	"net"
	"os"
	"os/signal"
	"strconv"

	"github.com/portage-iot/awsiot/bench/internal/brokerload"
	"github.com/portage-iot/awsiot/iotlocal"
)

// policies says which policies a broker has.
type policies string

const (
	none policies = "none"
	few  policies = "few"  // one policy of four statements
	many policies = "many" // ten policies, as many as may be attached, of 130 statements, and 5,000 subscriptions beside those of the load
)

const (
	extraPolicies   = 9
	extraStatements = 14 // of each: a document has at most 2,048 characters
	extraClients    = 100
	extraFilters    = 50 // of each: AWS allows no more
)

// serve is the broker. It ends when it is killed.
func serve(p policies) error {
	srv, err := iotlocal.Start(iotlocal.Options{TLSPort: iotlocal.Off, WSPort: iotlocal.Off, WSSPort: iotlocal.Off})
	if err != nil {
		return err
	}
	defer srv.Close()
	if err := p.put(srv.Policy()); err != nil {
		return err
	}
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(srv.TCPPort()))
	if p == many {
		for i := range extraClients {
			c, err := brokerload.Dial(addr, fmt.Sprintf("extra-%d", i), 4096)
			if err != nil {
				return err
			}
			defer c.Close()
			for j := range extraFilters {
				if err := c.Subscribe(fmt.Sprintf("devices/extra-%d-%d/+/telemetry", i, j)); err != nil {
					return err
				}
			}
		}
	}
	fmt.Println(addr)
	end := make(chan os.Signal, 1)
	signal.Notify(end, os.Interrupt)
	<-end
	return nil
}

func (p policies) put(h *iotlocal.Policies) error {
	if p == none {
		return nil
	}
	type statement struct {
		Effect, Action, Resource string
	}
	type document struct {
		Version   string
		Statement []statement
	}
	arn := func(what string) string { return "arn:aws:iot:eu-west-1:123456789012:" + what }
	base := []statement{
		{"Allow", "iot:Connect", arn("client/*")},
		{"Allow", "iot:Publish", arn("topic/devices/*/telemetry")},
		{"Allow", "iot:Receive", arn("topic/devices/*")},
		{"Allow", "iot:Subscribe", arn("topicfilter/devices/*")},
	}
	docs := map[string]document{"base": {"2012-10-17", base}}
	if p == many {
		for i := range extraPolicies {
			var s []statement
			for j := range extraStatements {
				s = append(s, statement{"Deny", "iot:Publish", arn(fmt.Sprintf("topic/devices/*/private-%d-%d", i, j))})
			}
			docs[fmt.Sprintf("extra-%d", i)] = document{"2012-10-17", s}
		}
	}
	for name, d := range docs {
		if err := h.Put(name, d); err != nil {
			return err
		}
		if err := h.Attach(name, iotlocal.AnyPrincipal); err != nil {
			return err
		}
	}
	return nil
}
