// Command backup queues without a limit while it is offline, and keeps a copy in a file.
package main

import (
	"fmt"
	"os"
	"strconv"

	"github.com/portage-iot/awsiot/v1compat"
)

// port is the third word of the command line.
func port() int {
	n, err := strconv.Atoi(os.Args[2])
	if err != nil {
		panic(err)
	}
	return n
}

type store struct {
	client *v1compat.AWSIoTMQTTClient
	file   *os.File
}

func (s *store) put(text string) {
	fmt.Fprintln(s.file, text)
	sent, err := s.client.Publish("shapes/backup", text, 1)
	if err != nil {
		fmt.Println(err)
	} else if !sent {
		fmt.Println("queued", text)
	}
}

func main() {
	f, err := os.CreateTemp("", "backup")
	if err != nil {
		panic(err)
	}
	defer os.Remove(f.Name())
	s := &store{file: f}
	s.client = v1compat.NewAWSIoTMQTTClient("backup")
	s.client.ConfigureEndpoint(os.Args[1], port())
	s.client.ConfigureCredentials(os.Args[3], os.Args[5], os.Args[4])
	s.client.ConfigureOfflinePublishQueueing(-1)
	s.client.ConfigureDrainingFrequency(50)
	got := make(chan string, 10)
	s.put("a")
	s.put("b")
	queued, err := s.client.Subscribe("shapes/backup/end", 1, func(_ *v1compat.AWSIoTMQTTClient, _ any, m *v1compat.Message) { got <- string(m.Payload) })
	fmt.Println(queued, err)
	queued, err = s.client.Publish("shapes/backup/end", "end", 1)
	fmt.Println(queued, err)
	fmt.Println(s.client.Connect())
	fmt.Println(<-got)
	fmt.Println(s.client.Disconnect())
}
