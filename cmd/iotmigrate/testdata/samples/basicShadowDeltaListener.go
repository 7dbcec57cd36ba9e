// Command basicShadowDeltaListener prints what is wanted of a shadow.
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
//script shadow Bot {"state":{"desired":{"property":2}}}

func main() {
	port, err := strconv.Atoi(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	wanted := make(chan string)
	client := shadowcompat.NewAWSIoTMQTTShadowClient("basicShadowDeltaListener")
	client.ConfigureEndpoint(os.Args[1], port)
	client.ConfigureCredentials(os.Args[3], os.Args[5], os.Args[4])
	client.ConfigureConnectDisconnectTimeout(10)
	client.ConfigureMQTTOperationTimeout(65)
	if err := client.Connect(); err != nil {
		log.Fatal(err)
	}
	bot := client.CreateShadowHandlerWithName("Bot", true)
	if err := bot.ShadowRegisterDeltaCallback(func(payload, responseStatus, token string) {
		var delta struct {
			State   map[string]any
			Version int
		}
		if err := json.Unmarshal([]byte(payload), &delta); err != nil {
			log.Fatal(err)
		}
		wanted <- fmt.Sprint(responseStatus, " ", delta.State["property"], " ", delta.Version)
	}); err != nil {
		log.Fatal(err)
	}
	for range 2 {
		fmt.Println(<-wanted)
	}
	if err := bot.ShadowUnregisterDeltaCallback(); err != nil {
		log.Fatal(err)
	}
	if err := client.Disconnect(); err != nil {
		log.Fatal(err)
	}
}
