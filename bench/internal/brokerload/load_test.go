package brokerload

import (
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/portage-iot/awsiot/iotlocal"
)

func TestLoads(t *testing.T) {
	srv, err := iotlocal.Start(iotlocal.Options{TLSPort: iotlocal.Off, WSPort: iotlocal.Off, WSSPort: iotlocal.Off})
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(srv.TCPPort()))
	for _, l := range []Load{{Size: 10, Window: 100}, {Size: 3000, Window: 7, EndToEnd: true}} {
		rate, n, err := l.Run(addr, 50*time.Millisecond)
		if err != nil || rate <= 0 || n <= int64(l.Window) {
			t.Errorf("%+v: %v per second, %d, %v", l, rate, n, err)
		}
	}
	closeAll, err := Idle(addr, 20)
	if err != nil {
		t.Fatal(err)
	}
	if s, ok := srv.Session("idle-19"); !ok || !s.Connected {
		t.Errorf("session %+v, %v", s, ok)
	}
	closeAll()
	if _, err := Idle("127.0.0.1:1", 1); err == nil {
		t.Error("connected to nobody")
	}
}
