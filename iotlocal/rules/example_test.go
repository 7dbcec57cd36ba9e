package rules_test

import (
	"fmt"
	"log"

	"github.com/portage-iot/awsiot/iotlocal/rules"
)

func ExampleParse() {
	s, err := rules.Parse(`SELECT temperature, topic(2) AS room FROM 'home/+/state' WHERE temperature > 30`)
	if err != nil {
		log.Fatal(err)
	}
	out, ok, err := s.Apply(rules.Input{Topic: "home/kitchen/state", Payload: []byte(`{"temperature":31,"humidity":40}`)})
	fmt.Printf("%s %v %v\n", out, ok, err)
	// Output: {"room":"kitchen","temperature":31} true <nil>
}
