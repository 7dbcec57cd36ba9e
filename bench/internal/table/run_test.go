package table

import (
	"os"
	"strings"
	"testing"
	"time"
)

// TestLab builds the programs, starts the broker and measures cells for as
// short as can be, through the same processes as the command does.
func TestLab(t *testing.T) {
	l, err := Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	dir := l.dir
	for _, c := range []Cell{
		{"limit-pingpong", pub(1, 1)}, {"limit-batch", overTLS(pub(1, 100))}, {"limit-recv", recv(0, 3)},
		{pahoGo, pub(1, 10)}, {pahoGo, overTLS(recv(1, 2))},
	} {
		r, err := l.Run(t.Context(), c, 5*time.Millisecond)
		if err != nil {
			t.Errorf("%v: %v", c, err)
			continue
		}
		if r.Client != c.Peer || r.Spec != c.Spec || r.Count == 0 || r.Rate <= 0 || r.CPU <= 0 {
			t.Errorf("%v: %+v", c, r)
		}
		if (r.P50 > 0) != (c.Spec.Window == 1) {
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
