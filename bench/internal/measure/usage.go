package measure

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// Usage is what the process has used up to one moment.
type Usage struct {
	at             time.Time
	cpu            time.Duration
	mallocs, bytes uint64
}

// Now reads the counters; the clock is read last before the measured part
// begins and first after it ends.
func Now(begin bool) (u Usage) {
	if !begin {
		u.at = time.Now()
		u.cpu = cpuTime()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	u.mallocs, u.bytes = m.Mallocs, m.TotalAlloc
	if begin {
		u.cpu = cpuTime()
		u.at = time.Now()
	}
	return u
}

// maxCount bounds what Calibrate asks for: the latencies of one run, 8 bytes
// each, must not become the load themselves.
const maxCount = 32 << 20

// Calibrate finds a count of messages that takes about d, by running f with
// growing counts; that is the warm-up too.
func Calibrate(d time.Duration, f func(count int) error) (int, error) {
	for k := 200; ; k *= 4 {
		t := time.Now()
		if err := f(k); err != nil {
			return 0, err
		}
		took := max(time.Since(t), time.Microsecond)
		if took > d/6 || k >= maxCount/4 {
			return max(100, min(int(float64(k)*float64(d)/float64(took)), maxCount)), nil
		}
	}
}

// ResidentKiB is the resident memory of a process in KiB, 0 where /proc does not
// tell: where there is none, or no such process.
func ResidentKiB(pid int) int {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		var kib int
		if _, err := fmt.Sscanf(line, "VmRSS: %d kB", &kib); err == nil {
			return kib
		}
	}
	return 0
}
