package table

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// Machine is the line that says where and when: processor, cores, system, Go,
// load of the machine before the run, date.
func Machine() string {
	parts := []string{cpuModel(), fmt.Sprintf("%d cores", runtime.NumCPU()), runtime.GOOS + "/" + runtime.GOARCH}
	if b, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		parts = append(parts, "kernel "+strings.TrimSpace(string(b)))
	}
	parts = append(parts, runtime.Version())
	if b, err := os.ReadFile("/proc/loadavg"); err == nil {
		if f := strings.Fields(string(b)); len(f) > 0 {
			parts = append(parts, "load "+f[0]+" before the run")
		}
	}
	return strings.Join(append(parts, time.Now().UTC().Format("2006-01-02 15:04 UTC")), ", ")
}

func cpuModel() string {
	b, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown processor"
	}
	for line := range strings.Lines(string(b)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown processor"
}
