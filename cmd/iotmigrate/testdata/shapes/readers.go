// Command readers asks for its shadow through an interface that a fake implements too: that handler stays v1's, on the
// connection of all others.
//
// verify: -thing corpus -thing other -shadow 'corpus={"state":{"reported":{"on":true}}}'
package main

import (
	"fmt"
	"os"
	"strconv"

	"github.com/portage-iot/awsiot/shadowcompat"
)

// reader is a shadow, or what stands for one.
type reader interface {
	ShadowGet(cb shadowcompat.ShadowCallback, timeoutSeconds float64) (string, error)
}

type fake struct{}

func (fake) ShadowGet(cb shadowcompat.ShadowCallback, _ float64) (string, error) {
	cb("{}", "accepted", "none")
	return "none", nil
}

func status(r reader) string {
	answers := make(chan string, 1)
	if _, err := r.ShadowGet(func(_, status, _ string) { answers <- status }, 60); err != nil {
		return err.Error()
	}
	return <-answers
}

func main() {
	port, err := strconv.Atoi(os.Args[2])
	if err != nil {
		panic(err)
	}
	client := shadowcompat.NewAWSIoTMQTTShadowClient("readers")
	client.ConfigureEndpoint(os.Args[1], port)
	client.ConfigureCredentials(os.Args[3], os.Args[5], os.Args[4])
	if err := client.Connect(); err != nil {
		fmt.Println(err)
		return
	}
	lasting := client.CreateShadowHandlerWithName("corpus", true)
	fmt.Println(status(fake{}), status(lasting))
	// Of the same thing, with an end to its subscriptions: both stay on one side.
	brief := client.CreateShadowHandlerWithName("corpus", false)
	answers := make(chan string, 1)
	if _, err := brief.ShadowUpdate(`{"state":{"reported":{"on":false}}}`, func(_, status, _ string) { answers <- status }, 60); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(<-answers, status(lasting))
	// Of another thing: moves.
	other := client.CreateShadowHandlerWithName("other", true)
	if _, err := other.ShadowGet(func(_, status, _ string) { answers <- status }, 60); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(<-answers, status(lasting))
	fmt.Println(client.Disconnect())
}
