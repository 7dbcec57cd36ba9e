// Command basicShadowUpdater deletes a shadow and writes it anew.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"os"
	"strconv"

	"github.com/portage-iot/awsiot/shadowcompat"
)

func main() {
	port, err := strconv.Atoi(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	answered := make(chan string)
	client := shadowcompat.NewAWSIoTMQTTShadowClient("basicShadowUpdater")
	client.ConfigureEndpoint(os.Args[1], port)
	client.ConfigureCredentials(os.Args[3], os.Args[5], os.Args[4])
	client.ConfigureAutoReconnectBackoffTime(1, 32, 20)
	client.ConfigureConnectDisconnectTimeout(10)
	client.ConfigureMQTTOperationTimeout(65)
	if err := client.Connect(); err != nil {
		log.Fatal(err)
	}
	bot := client.CreateShadowHandlerWithName("Bot", true)
	if _, err := bot.ShadowDelete(func(payload, responseStatus, token string) { answered <- responseStatus }, 60); err != nil {
		log.Fatal(err)
	}
	fmt.Println("delete", <-answered)
	for i := range 3 {
		if _, err := bot.ShadowUpdate(fmt.Sprintf(`{"state":{"desired":{"property":%d}}}`, i), func(payload, responseStatus, token string) {
			var document struct {
				State struct{ Desired map[string]any }
			}
			if err := json.Unmarshal([]byte(payload), &document); err != nil {
				log.Fatal(err)
			}
			answered <- fmt.Sprint(responseStatus, " ", document.State.Desired["property"], " ", token != "")
		}, 60); err != nil {
			log.Fatal(err)
		}
		fmt.Println("update", <-answered)
	}
	if err := client.Disconnect(); err != nil {
		log.Fatal(err)
	}
}
