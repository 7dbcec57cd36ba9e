// Command ThingShadowEcho reports whatever is wanted of its shadow.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"os"
	"strconv"

	"github.com/portage-iot/awsiot/shadowcompat"
)

//script after subscribe $aws/things/Bot/shadow/update/delta: shadow Bot {"state":{"desired":{"property":1}}}
//script after publish $aws/things/Bot/shadow/update: wait 200ms
//script shadow Bot {"state":{"desired":{"property":2}}}

// container holds the handler for the callback.
type container struct {
	shadow   *shadowcompat.ShadowHandler
	reported chan string
}

func (c *container) delta(payload, responseStatus, token string) {
	var delta struct{ State json.RawMessage }
	if err := json.Unmarshal([]byte(payload), &delta); err != nil {
		log.Fatal(err)
	}
	if _, err := c.shadow.ShadowUpdate(`{"state":{"reported":`+string(delta.State)+`}}`, nil, 60); err != nil {
		log.Fatal(err)
	}
	c.reported <- string(delta.State)
}

func main() {
	port, err := strconv.Atoi(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	client := shadowcompat.NewAWSIoTMQTTShadowClient("ThingShadowEcho")
	client.ConfigureEndpoint(os.Args[1], port)
	client.ConfigureCredentials(os.Args[3], os.Args[5], os.Args[4])
	client.ConfigureConnectDisconnectTimeout(10)
	client.ConfigureMQTTOperationTimeout(65)
	if err := client.Connect(); err != nil {
		log.Fatal(err)
	}
	box := &container{shadow: client.CreateShadowHandlerWithName("Bot", true), reported: make(chan string, 4)}
	if err := box.shadow.ShadowRegisterDeltaCallback(box.delta); err != nil {
		log.Fatal(err)
	}
	for range 2 {
		fmt.Println("reported", <-box.reported)
	}
	// The answer to this comes behind those to the updates, which nobody waits for.
	got := make(chan string, 1)
	if _, err := box.shadow.ShadowGet(func(payload, responseStatus, token string) { got <- responseStatus }, 60); err != nil {
		log.Fatal(err)
	}
	fmt.Println("the shadow is there:", <-got)
	if err := client.Disconnect(); err != nil {
		log.Fatal(err)
	}
}
