package table

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/portage-iot/awsiot/bench/internal/measure"
)

// TestLab builds the programs, starts the broker and measures cells for as
// short as can be, through the same processes as the command does.
func TestLab(t *testing.T) {
	loss := measure.Spec{Work: measure.Reconnect, QoS: 1, Size: 20, Window: 1, Topics: 1, Delay: time.Millisecond}
	resend := measure.Spec{Work: measure.Resend, QoS: 1, Size: 20, Window: 200, Topics: 1, Delay: time.Millisecond}
	cells := []Cell{
		{"limit-pingpong", pub(1, 1)}, {"limit-batch", overTLS(pub(1, 100))}, {"limit-recv", recv(0, 3)},
		{pahoGo, pub(1, 10)}, {pahoGo, overTLS(recv(1, 2))}, {"v2", idle(3)}, dispatch(100, true), dispatch(1, false),
		{"limit-redial", loss}, {"v2-block", loss}, {"limit-resend", resend}, {"v2", resend},
	}
	l, err := Open(t.Context(), cells)
	if err != nil {
		t.Fatal(err)
	}
	dir := l.dir
	for _, c := range cells {
		r, err := l.Run(t.Context(), c, 5*time.Millisecond)
		if err != nil {
			t.Errorf("%v: %v", c, err)
			continue
		}
		if r.Client != c.Peer || r.Spec != c.Spec || r.Count == 0 || r.Rate <= 0 || r.CPU <= 0 {
			t.Errorf("%v: %+v", c, r)
		}
		if (r.P50 > 0) != (c.Spec.Window == 1 || c.Spec.Work == measure.Resend) {
			t.Errorf("%v: p50 %v", c, r.P50)
		}
	}
	if _, err := l.Run(t.Context(), Cell{"nobody", pub(1, 1)}, time.Millisecond); err == nil || !strings.Contains(err.Error(), `no client "nobody"`) {
		t.Errorf("an unknown client: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Error("Close:", err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("%s is still there: %v", dir, err)
	}
}
