package v1compat_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/portage-iot/awsiot/internal/facadetest"

	"github.com/portage-iot/awsiot/iotlocal"
	"github.com/portage-iot/awsiot/v1compat"
)

func TestMain(m *testing.M) { os.Exit(facadetest.Main(m, v1compat.SetLogger)) }

// server starts an endpoint.
func server(t *testing.T) *iotlocal.Server {
	t.Helper()
	return iotlocal.StartT(t, iotlocal.Options{})
}

// plain makes a client that talks plain TCP to srv and is not connected.
func plain(t *testing.T, srv *iotlocal.Server, id string, opts ...v1compat.ClientOption) *v1compat.AWSIoTMQTTClient {
	t.Helper()
	c := v1compat.NewAWSIoTMQTTClient(id, opts...)
	c.ConfigureEndpoint(srv.Host(), srv.TCPPort())
	c.ConfigureConnectDisconnectTimeout(5)
	t.Cleanup(func() {
		c.Disconnect() // an error says that it is not connected
		core := c.V2() // asked for again, it would be made anew
		core.Close()
		<-core.Done()
	})
	return c
}

// connected makes a client that is connected.
func connected(t *testing.T, srv *iotlocal.Server, id string, opts ...v1compat.ClientOption) *v1compat.AWSIoTMQTTClient {
	t.Helper()
	c := plain(t, srv, id, opts...)
	require.NoError(t, c.Connect())
	return c
}

// fault adds a rule.
func fault(t *testing.T, srv *iotlocal.Server, r iotlocal.Rule) *iotlocal.RuleHandle {
	t.Helper()
	h, err := srv.Faults().Add(r)
	require.NoError(t, err)
	return h
}

func bg() context.Context { return context.Background() }

func itoa(n int) string { return strconv.Itoa(n) }

// connectText returns the interesting parts of the last CONNECT of a client.
func connectText(srv *iotlocal.Server, id string) string {
	s := "no CONNECT"
	for _, p := range srv.Recorder().Packets() {
		k := p.Connect
		if k == nil || p.ClientID != id {
			continue
		}
		s = "rejoin"
		if k.CleanStart {
			s = "clean"
		}
		if k.SessionExpiry != nil {
			s += fmt.Sprintf(" %d", *k.SessionExpiry)
		}
		user := k.Username
		if i := strings.Index(user, "SDK"); i >= 0 {
			user = user[:i+3]
		}
		s += fmt.Sprintf(" %d %s", k.KeepAlive, user)
		if k.HasPassword {
			s += " password"
		}
		if w := k.Will; w != nil {
			s += fmt.Sprintf(" will %s %s %d %v", w.Topic, w.Payload, w.QoS, w.Retain)
		}
	}
	return s
}
