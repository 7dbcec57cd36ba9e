package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/portage-iot/awsiot/bench/internal/measure"
)

// process is a broker that was started.
type process struct {
	addr string
	cmd  *exec.Cmd
	dir  string // removed at the end
}

// startSelf starts this program as the broker.
func startSelf(ctx context.Context, p policies) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, "-serve", string(p))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, errors.Join(fmt.Errorf("it did not say its address: %w", err), cmd.Process.Kill(), cmd.Wait())
	}
	return &process{addr: strings.TrimSpace(line), cmd: cmd}, nil
}

// startMosquitto starts mosquitto with the queues that the load needs.
func startMosquitto(ctx context.Context, path string) (*process, error) {
	dir, err := os.MkdirTemp("", "mosquitto")
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	addr := l.Addr().(*net.TCPAddr)
	l.Close()
	conf := fmt.Sprintf("listener %d 127.0.0.1\nallow_anonymous true\nmax_inflight_messages 100\nmax_queued_messages 0\nlog_type none\n", addr.Port)
	file := filepath.Join(dir, "mosquitto.conf")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		return nil, err
	}
	p := &process{addr: addr.String(), cmd: exec.CommandContext(ctx, path, "-c", file), dir: dir}
	p.cmd.Stderr = os.Stderr
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	for range 1000 {
		c, err := net.Dial("tcp", p.addr)
		if err == nil {
			return p, c.Close()
		}
		time.Sleep(10 * time.Millisecond)
	}
	return nil, errors.Join(fmt.Errorf("nothing listens at %s", p.addr), p.stop())
}

// stop ends the process.
func (p *process) stop() error {
	err := p.cmd.Process.Kill()
	p.cmd.Wait() // killed, which it reports as an error
	if p.dir != "" {
		err = errors.Join(err, os.RemoveAll(p.dir))
	}
	return err
}

// rss is the resident memory of the process, in KiB; Linux only.
func (p *process) rss() (float64, error) {
	kib := measure.ResidentKiB(p.cmd.Process.Pid)
	if kib == 0 {
		return 0, errors.New("/proc does not tell the resident memory")
	}
	return float64(kib), nil
}

// cpu is the processor time of the process so far; Linux only.
func (p *process) cpu() (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0, fmt.Errorf("processor time is read from /proc: %w", err)
	}
	// The name, in parentheses, may contain blanks; utime and stime are the 12th and
	// 13th field behind it, in hundredths of a second.
	_, rest, _ := strings.Cut(string(b), ") ")
	f := strings.Fields(rest)
	if len(f) < 13 {
		return 0, errors.New("/proc has no processor time")
	}
	user, err1 := strconv.Atoi(f[11])
	system, err2 := strconv.Atoi(f[12])
	return time.Duration(user+system) * 10 * time.Millisecond, errors.Join(err1, err2)
}
