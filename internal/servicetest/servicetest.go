// Package servicetest is what the tests of the service clients (v2/iotshadow, iotjobs, iotidentity, iotcommands) have in
// common: the local endpoint with a connected client, and what that client has put on the wire.
package servicetest

import (
	"context"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/portage-iot/awsiot/internal/memnet"
	"github.com/portage-iot/awsiot/iotlocal"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// Start starts the local endpoint over a network in memory, and connects a client, on which service makes the client
// under test before that. Both end with the test. Use it in a synctest bubble.
func Start[C io.Closer](t testing.TB, service func(*awsiot.Client) C) (*iotlocal.Server, *awsiot.Client, C) {
	t.Helper()
	n := &memnet.Network{}
	server := iotlocal.StartT(t, iotlocal.Options{TLSPort: iotlocal.Off, WSPort: iotlocal.Off, WSSPort: iotlocal.Off,
		Listen: func(_, addr string) (net.Listener, error) { return n.Listen(addr) }})
	client := awsiot.NewClient(awsiot.ClientOptions{Endpoint: server.Host(), Port: server.TCPPort(), ClientID: "device", Auth: awsiot.PlainTCP(), Dialer: n.Dial})
	s := service(client)
	t.Cleanup(func() { _ = s.Close(); _ = client.Close() })
	if err := client.StartAndWait(context.Background()); err != nil {
		t.Fatal(err)
	}
	return server, client, s
}

var ownToken = regexp.MustCompile(`[A-Z2-7]{16}-[0-9a-z]+`)

// Said returns what clients have sent since the last call, a line each: filters, and messages with TOKEN for tokens that
// the client made.
func Said(server *iotlocal.Server) string {
	synctest.Wait() // the record of a packet may come after what the packet caused
	var list []string
	for _, p := range server.Recorder().Packets() {
		if p.Dir != iotlocal.ClientToServer {
			continue
		}
		switch p.Type {
		case iotlocal.SUBSCRIBE, iotlocal.UNSUBSCRIBE:
			for _, f := range p.Filters {
				list = append(list, fmt.Sprintf("%v %s %d", p.Type, f.Filter, f.QoS))
			}
		case iotlocal.PUBLISH:
			list = append(list, fmt.Sprintf("PUBLISH %s %d %s", p.Topic, p.QoS, ownToken.ReplaceAllString(string(p.Payload), "TOKEN")))
		}
	}
	server.Recorder().Reset()
	return strings.Join(list, "\n")
}

// Equal complains when got is not want.
func Equal(t testing.TB, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n got %s\nwant %s", what, got, want)
	}
}
