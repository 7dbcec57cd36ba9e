package iotlocal_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"strconv"

	"github.com/portage-iot/awsiot/iotlocal"
)

// A program that shows what a device says, as it says it.
func ExampleRecorder() {
	srv, err := iotlocal.Start(iotlocal.Options{})
	if err != nil {
		log.Fatal(err)
	}
	packets := srv.Recorder().Follow(context.Background())
	nc, err := net.Dial("tcp", net.JoinHostPort(srv.Host(), strconv.Itoa(srv.TCPPort())))
	if err != nil {
		log.Fatal(err)
	}
	defer nc.Close()
	if _, err := nc.Write([]byte("\xC0\x00")); err != nil { // a PINGREQ, before any CONNECT
		log.Fatal(err)
	}
	for p, missed := range packets {
		if missed > 0 {
			fmt.Println(missed, "packets were faster")
		}
		if p.Type == iotlocal.TransportOpen {
			continue // it names the port of the peer
		}
		fmt.Println(p)
		if p.Type == iotlocal.ServerClosed {
			break
		}
	}
	fmt.Println(srv.Close())
	// Output:
	// → PINGREQ (iotlocal: first packet is PINGREQ, not CONNECT: protocol error (0x82))
	// · SERVER_SIDE_CLOSED (first packet is PINGREQ, not CONNECT)
	// <nil>
}

// The error of Start says which port is taken.
func ExamplePortError() {
	first, err := iotlocal.Start(iotlocal.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer first.Close()
	_, err = iotlocal.Start(iotlocal.Options{TLSPort: first.TLSPort()})
	if taken, ok := errors.AsType[*iotlocal.PortError](err); ok {
		fmt.Println(taken.Option, taken.Port == first.TLSPort())
	}
	// Output: TLSPort true
}

// Would the thermostat be allowed to, and who says so?
func ExamplePolicies() {
	srv, err := iotlocal.Start(iotlocal.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	thing, err := srv.NewThing("thermostat")
	if err != nil {
		log.Fatal(err)
	}
	policies := srv.Policy()
	if err := policies.Put("device", `{"Version": "2012-10-17", "Statement": [
		{"Sid": "Own", "Effect": "Allow", "Action": ["iot:Connect", "iot:Publish"],
		 "Resource": ["arn:aws:iot:*:*:client/${iot:ClientId}", "arn:aws:iot:*:*:topic/${iot:ClientId}/*"]},
		{"Effect": "Deny", "Action": "iot:Publish", "Resource": "arn:aws:iot:*:*:topic/*/admin"}]}`); err != nil {
		log.Fatal(err)
	}
	if err := policies.Attach("device", thing.CertificateID()); err != nil {
		log.Fatal(err)
	}
	for _, topic := range []string{"thermostat/temperature", "thermostat/admin", "lamp/on"} {
		fmt.Println(policies.Test(thing.CertificateID(), iotlocal.PolicyRequest{
			ClientID: "thermostat", Action: "iot:Publish", Resource: "topic/" + topic,
		}))
	}
	// Output:
	// allow by policy device, statement 0 (Own)
	// explicit deny by policy device, statement 1
	// implicit deny: no statement allows it
}
