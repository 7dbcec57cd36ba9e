// Command shadow shares its connection with a shadow client: hooks of that one, requests that are accepted and rejected,
// deltas, and publishes between them.
package main

import (
	"fmt"
	"os"
	"strconv"

	"github.com/portage-iot/awsiot/shadowcompat"
	"github.com/portage-iot/awsiot/v1compat"
)

// thermostat is a thing that does what it is told.
type thermostat struct {
	shadow  *shadowcompat.ShadowHandler
	answers chan string
}

func (t *thermostat) answered(payload, status, token string) { t.answers <- status }

func (t *thermostat) onDelta(payload, status, token string) {
	if _, err := t.shadow.ShadowUpdate(`{"state": {"reported": {"on": true}}}`, t.answered, 60); err != nil {
		fmt.Println(err)
	}
}

func main() {
	port, err := strconv.Atoi(os.Args[2])
	if err != nil {
		panic(err)
	}
	client := v1compat.NewAWSIoTMQTTClient("shadow")
	client.ConfigureEndpoint(os.Args[1], port)
	client.ConfigureCredentials(os.Args[3], os.Args[5], os.Args[4])
	shadows := shadowcompat.NewAWSIoTMQTTShadowClientWith(client)
	shadows.OnOnline = func() { fmt.Println("online") }
	fmt.Println(shadows.Connect())
	t := &thermostat{shadowsOf(shadows), make(chan string)}
	token, err := t.shadow.ShadowDelete(t.answered, 60)
	fmt.Println(token != "", err, <-t.answers)
	_, err = t.shadow.ShadowGet(t.answered, 60)
	fmt.Println(err, <-t.answers)
	fmt.Println(t.shadow.ShadowRegisterDeltaCallback(t.onDelta))
	acked, err := shadows.GetMQTTConnection().Publish("$aws/things/corpus/shadow/update", `{"state": {"desired": {"on": true}}}`, 1)
	fmt.Println(acked, err, <-t.answers)
	fmt.Println(t.shadow.ShadowUnregisterDeltaCallback())
	_, err = t.shadow.ShadowUpdate(`[]`, nil, 60)
	fmt.Println(err != nil)
	fmt.Println(shadows.Disconnect())
}

func shadowsOf(shadows *shadowcompat.AWSIoTMQTTShadowClient) *shadowcompat.ShadowHandler {
	return shadows.CreateShadowHandlerWithName("corpus", true)
}
