package iotlocal_test

import (
	"errors"
	"fmt"
	"net"
	"testing"

	p5 "github.com/eclipse/paho.golang/packets"

	"github.com/portage-iot/awsiot/iotlocal"
)

// Who connects while the server is prepared waits, and meets what has been prepared.
func TestPrepare(t *testing.T) {
	var early *raw
	srv := iotlocal.StartT(t, iotlocal.Options{Prepare: func(srv *iotlocal.Server) error {
		nc, err := net.Dial("tcp", net.JoinHostPort(srv.Host(), fmt.Sprint(srv.TCPPort())))
		if err != nil {
			return err
		}
		early = &raw{t: t, nc: nc, id: "early"}
		early.send(connect5("early"))
		if srv.APIPort() <= 0 || srv.TLSPort() <= 0 {
			t.Errorf("ports %d and %d", srv.APIPort(), srv.TLSPort())
		}
		return errors.Join(srv.Policy().Put("nobody", `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"iot:*","Resource":"*"}]}`),
			srv.Policy().Attach("nobody", iotlocal.AnyPrincipal))
	}})
	defer early.nc.Close()
	if ack := want[*p5.Connack](early); ack.ReasonCode != 0x87 {
		t.Errorf("%v", ack)
	}
	if names := srv.Policy().Names(); len(names) != 1 {
		t.Errorf("%v", names)
	}
}

// An error of Prepare is that of Start, which leaves no port open.
func TestPrepareFails(t *testing.T) {
	no := errors.New("no")
	port := 0
	srv, err := iotlocal.Start(iotlocal.Options{Prepare: func(srv *iotlocal.Server) error { port = srv.TCPPort(); return no }})
	if srv != nil || !errors.Is(err, no) {
		t.Fatalf("%v", err)
	}
	if nc, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", fmt.Sprint(port))); err == nil {
		nc.Close()
		t.Error("the port is open")
	}
}
