package measure

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestFromUsage(t *testing.T) {
	at := time.Unix(100, 0)
	from := Usage{at: at, cpu: time.Second, mallocs: 10, bytes: 1000}
	to := Usage{at: at.Add(2 * time.Second), cpu: 1500 * time.Millisecond, mallocs: 1010, bytes: 65000}
	lat := make([]time.Duration, 1000)
	for i := range lat {
		lat[i] = time.Duration(1000-i) * time.Microsecond
	}
	var r Result
	r.FromUsage(from, to, 1000, lat)
	want := Result{Count: 1000, Rate: 500, CPU: 500, Allocs: 1, Bytes: 64, P50: 501, P99: 991}
	if r != want {
		t.Fatalf("got  %+v\nwant %+v", r, want)
	}
}

func TestResultIsOneLine(t *testing.T) {
	r := Result{Client: "x", Spec: Spec{Work: Pub, QoS: 1, Size: 256, Window: 100, Topics: 1, TLS: true}, Count: 5, Rate: 12.5, CPU: 1}
	var b bytes.Buffer
	if err := r.Write(&b); err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(b.Bytes(), []byte("\n")); n != 1 {
		t.Fatalf("%d lines: %s", n, &b)
	}
	var back Result
	if err := json.Unmarshal(b.Bytes(), &back); err != nil || back != r {
		t.Fatalf("%+v, %v; want %+v", back, err, r)
	}
}

func TestSpecValidate(t *testing.T) {
	good := Spec{Work: Pub, QoS: 1, Size: 256, Window: 100, Topics: 1}
	for _, c := range []struct {
		name string
		edit func(*Spec)
		ok   bool
	}{
		{"good", func(*Spec) {}, true},
		{"empty payload", func(s *Spec) { s.Size = 0 }, true},
		{"largest payload", func(s *Spec) { s.Size = 128 << 10 }, true},
		{"payload too large", func(s *Spec) { s.Size = 128<<10 + 1 }, false},
		{"QoS 2", func(s *Spec) { s.QoS = 2 }, false},
		{"negative QoS", func(s *Spec) { s.QoS = -1 }, false},
		{"no clients", func(s *Spec) { s.Clients = -1 }, false},
		{"reconnect", func(s *Spec) { s.Work, s.Delay = Reconnect, time.Millisecond }, true},
		{"reconnect without a delay", func(s *Spec) { s.Work = Reconnect }, false},
		{"resend after an hour", func(s *Spec) { s.Work, s.Delay = Resend, time.Hour }, false},
		{"no window", func(s *Spec) { s.Window = 0 }, false},
		{"window beyond the identifiers", func(s *Spec) { s.Window = 65536 }, false},
		{"no topic", func(s *Spec) { s.Topics = 0 }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := good
			c.edit(&s)
			if err := s.Validate(); (err == nil) != c.ok {
				t.Fatalf("%v: %v", s, err)
			}
		})
	}
}

func TestCalibrate(t *testing.T) {
	var counts []int
	n, err := Calibrate(time.Minute, func(n int) error { counts = append(counts, n); return nil })
	if err != nil || n != maxCount {
		t.Fatalf("an instant workload: %d, %v; want the bound %d", n, err, maxCount)
	}
	for i, k := range counts {
		if want := 200 << (2 * i); k != want {
			t.Fatalf("counts %v: not growing by 4 from 200", counts)
		}
	}
	busy := func(n int) error {
		for t := time.Now(); time.Since(t) < time.Duration(n)*10*time.Microsecond; {
		}
		return nil
	}
	// 10 us each: 30 ms are 3,000, when the machine does not stand still meanwhile
	if n, err = Calibrate(30*time.Millisecond, busy); err != nil || n < 100 || n > 3000 {
		t.Fatalf("10 us each: %d, %v; want 100 to 3,000", n, err)
	}
	boom := errors.New("boom")
	if _, err = Calibrate(time.Second, func(int) error { return boom }); !errors.Is(err, boom) {
		t.Fatalf("error %v, want %v", err, boom)
	}
}

func TestUsageCounts(t *testing.T) {
	from := Now(true)
	var keep [][]byte
	for t := time.Now(); time.Since(t) < 5*time.Millisecond; {
		keep = append(keep[:0], make([]byte, 100))
	}
	to := Now(false)
	if len(keep) == 0 || to.mallocs <= from.mallocs || to.bytes <= from.bytes || to.cpu <= from.cpu || !to.at.After(from.at) {
		t.Fatalf("nothing used between %+v and %+v", from, to)
	}
}

func TestProfiles(t *testing.T) {
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	p := Profiles{CPU: file("cpu"), Mutex: file("mutex"), Block: file("block"), Allocs: file("allocs")}
	stop, err := p.Start()
	if err != nil {
		t.Fatal(err)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"cpu", "mutex", "block", "allocs"} {
		if st, err := os.Stat(file(name)); err != nil || st.Size() == 0 {
			t.Errorf("%s: %v, empty or missing", name, err)
		}
	}
	if _, err := (Profiles{CPU: filepath.Join(dir, "no", "such", "folder")}).Start(); err == nil {
		t.Error("no error for a folder that does not exist")
	}
}

func TestResidentKiB(t *testing.T) {
	if _, err := os.Stat("/proc/self/status"); err != nil {
		if n := ResidentKiB(os.Getpid()); n != 0 {
			t.Errorf("%d KiB where nothing tells", n)
		}
		return
	}
	before := ResidentKiB(os.Getpid())
	b := make([]byte, 64<<20)
	for i := range b {
		b[i] = 1
	}
	if after := ResidentKiB(os.Getpid()); before <= 0 || after < before+32<<10 {
		t.Errorf("%d KiB, then %d with %d more", before, after, len(b)>>10)
	}
	if n := ResidentKiB(-1); n != 0 {
		t.Errorf("%d KiB of a process that there is not", n)
	}
}
