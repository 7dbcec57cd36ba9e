package iotlocal_test

import (
	"encoding/json"
	"fmt"
	"log"
	"strings"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"github.com/portage-iot/awsiot/iotlocal"
)

// A topic rule hands what devices say to a function, in place of a Lambda function or of another service.
func ExampleTopicRule() {
	srv, err := iotlocal.Start(iotlocal.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	alarms := make(chan iotlocal.RuleEvent, 1)
	err = srv.Rules().Put(iotlocal.TopicRule{
		Name: "hot",
		SQL:  `SELECT temperature, topic(2) AS room FROM 'home/+/state' WHERE temperature > 30`,
		Actions: []iotlocal.RuleAction{
			{Function: func(e iotlocal.RuleEvent) error { alarms <- e; return nil }},
			{Republish: &iotlocal.RepublishAction{Topic: "alarm/${topic(2)}", QoS: 1}},
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := srv.Publish(iotlocal.Message{Topic: "home/kitchen/state", Payload: []byte(`{"temperature":31,"humidity":40}`)}); err != nil {
		log.Fatal(err)
	}
	e := <-alarms
	fmt.Println(e.Rule, e.Topic, string(e.Payload))
	fmt.Println(srv.Rules().Put(iotlocal.TopicRule{Name: "bad", SQL: `SELECT * FORM 'a'`}))
	// Output:
	// hot home/kitchen/state {"room":"kitchen","temperature":31}
	// iotlocal: rule bad: FROM is missing at "FORM 'a'"
}

// A custom authorizer decides who may connect by the password, and what they may do then.
func ExampleAuthorizer() {
	srv, err := iotlocal.Start(iotlocal.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	err = srv.Authorizers().Put(iotlocal.Authorizer{
		Name:            "by-password",
		SigningDisabled: true, // clients need no signed token
		Function: func(r iotlocal.AuthorizerRequest) (iotlocal.AuthorizerAnswer, error) {
			return iotlocal.AuthorizerAnswer{
				IsAuthenticated: string(r.ProtocolData.MQTT.Password) == "secret",
				PrincipalID:     "lamps",
				PolicyDocuments: []json.RawMessage{json.RawMessage(`{"Version": "2012-10-17", "Statement": [
					{"Effect": "Allow", "Action": "iot:Connect", "Resource": "arn:aws:iot:*:*:client/lamp"}]}`)},
			}, nil
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, password := range []string{"secret", "guess"} {
		client := mqtt.NewClient(mqtt.NewClientOptions().SetClientID("lamp").SetPassword(password).
			SetUsername("bob?x-amz-customauthorizer-name=by-password").SetProtocolVersion(4).SetAutoReconnect(false).
			AddBroker(fmt.Sprintf("tcp://%s:%d", srv.Host(), srv.TCPPort())))
		client.Connect().Wait()
		client.Disconnect(0)
	}
	for _, p := range srv.Recorder().Packets() {
		if p.Type == iotlocal.CONNACK {
			fmt.Println(strings.TrimSpace(p.String() + " " + p.Refusal))
		}
	}
	// Output:
	// ← CONNACK accepted, session present false
	// ← CONNACK refused: return code 7 custom authorizer by-password: not authenticated
}
