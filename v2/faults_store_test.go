package awsiot_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/portage-iot/awsiot/internal/memnet"
	"github.com/portage-iot/awsiot/iotlocal"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// fillStore leaves n publishes of "0", "1", ... in a store, and returns its one segment.
func fillStore(t *testing.T, dir string, n int) (segment string) {
	t.Helper()
	c := awsiot.NewClient(awsiot.ClientOptions{Endpoint: "nobody", Auth: awsiot.PlainTCP(), Dialer: (&memnet.Network{}).Dial, Store: awsiot.NewFileStore(dir)})
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if err := c.PublishAsync(packet("t", "payload "+fmt.Sprint(i), 1)).Err(); err != nil {
			t.Fatal(err)
		}
	}
	_ = c.Close()
	<-c.Done()
	segs, err := filepath.Glob(filepath.Join(dir, "*.seg"))
	if err != nil || len(segs) != 1 {
		t.Fatal(segs, err)
	}
	return segs[0]
}

// drainStore starts a client with the store against a server and returns what it sends, and its log.
func drainStore(t *testing.T, dir string) (sent []string, log *stateLog) {
	t.Helper()
	log = newStateLog(t)
	withLocal(t, iotlocal.Options{TLSPort: iotlocal.Off}, func(t *testing.T, e *onLocal) {
		n := e.client("c", func(o *awsiot.ClientOptions) { o.Store, o.Logger = awsiot.NewFileStore(dir), slog.New(log) }).up()
		n.publish("t", "last")
		sent = payloads(n.sent(iotlocal.PUBLISH))
	})
	return sent, log
}

// Persistent queue that is damaged or not to be had: start with what is intact; otherwise Start's
// error names the file, and nothing crashes. (A full disk, and files that belong to somebody else,
// are tested below the client: TestDiskFull, TestPermissions of v2/internal/journal.)
func TestFaultStoreDamaged(t *testing.T) {
	const records = 5
	record := func(i int) []byte { return []byte("payload " + fmt.Sprint(i)) }
	t.Run("torn last record", func(t *testing.T) {
		master := t.TempDir()
		whole, err := os.ReadFile(fillStore(t, master, records))
		if err != nil {
			t.Fatal(err)
		}
		first := bytes.Index(whole, record(records-2)) + len(record(0)) // the end of the last but one
		for end := first; end < len(whole); end += 3 {
			dir := t.TempDir()
			seg := fillStore(t, dir, 1)
			if err := os.WriteFile(seg, whole[:end], 0o600); err != nil {
				t.Fatal(err)
			}
			sent, _ := drainStore(t, dir)
			equal(t, fmt.Sprintf("%d of %d bytes", end, len(whole)), sent, []string{"payload 0", "payload 1", "payload 2", "payload 3", "last"})
		}
	})
	t.Run("bit flip", func(t *testing.T) {
		for i := range records {
			dir := t.TempDir()
			seg := fillStore(t, dir, records)
			b, err := os.ReadFile(seg)
			if err != nil {
				t.Fatal(err)
			}
			b[bytes.Index(b, record(i))+2] ^= 4
			if err := os.WriteFile(seg, b, 0o600); err != nil {
				t.Fatal(err)
			}
			sent, log := drainStore(t, dir)
			var want []string
			for k := range records {
				if k != i {
					want = append(want, string(record(k)))
				}
			}
			equal(t, fmt.Sprintf("record %d", i), sent, append(want, "last"))
			if l := log.matching("WARN the store was damaged"); len(l) != 1 || !strings.Contains(l[0], filepath.Base(seg)) {
				t.Errorf("record %d: log %q", i, l)
			}
		}
	})
	t.Run("locked", func(t *testing.T) {
		dir := t.TempDir()
		fillStore(t, dir, 1)
		synctest.Test(t, func(t *testing.T) {
			one := awsiot.NewClient(awsiot.ClientOptions{Endpoint: "nobody", Auth: awsiot.PlainTCP(), Dialer: (&memnet.Network{}).Dial, Store: awsiot.NewFileStore(dir)})
			two := awsiot.NewClient(awsiot.ClientOptions{Endpoint: "nobody", Auth: awsiot.PlainTCP(), Dialer: (&memnet.Network{}).Dial, Store: awsiot.NewFileStore(dir)})
			if err := one.Start(); err != nil {
				t.Fatal(err)
			}
			if err := two.Start(); !errors.Is(err, awsiot.ErrStoreLocked) || !strings.Contains(err.Error(), dir) || two.State() != awsiot.StateStopped {
				t.Errorf("%v", err)
			}
			_ = one.Close()
			if err := two.Start(); err != nil {
				t.Errorf("once it is free: %v", err)
			}
			_ = two.Close()
			<-one.Done()
			<-two.Done()
		})
		equal(t, "nothing was lost", first(drainStore(t, dir)), []string{"payload 0", "last"})
	})
	for name, prepare := range map[string]func(dir string) (bad string, err error){
		"a file": func(dir string) (string, error) {
			f := filepath.Join(dir, "file")
			return f, os.WriteFile(f, nil, 0o600)
		},
		"below a file": func(dir string) (string, error) {
			f := filepath.Join(dir, "file")
			return filepath.Join(f, "store"), os.WriteFile(f, nil, 0o600)
		},
		"lock is a directory": func(dir string) (string, error) { return dir, os.Mkdir(filepath.Join(dir, "lock"), 0o700) },
		"segment is a directory": func(dir string) (string, error) {
			return dir, os.Mkdir(filepath.Join(dir, "0000000000000001.seg"), 0o700)
		},
	} {
		t.Run(name, func(t *testing.T) {
			bad, err := prepare(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			c := awsiot.NewClient(awsiot.ClientOptions{Endpoint: "nobody", Auth: awsiot.PlainTCP(), Store: awsiot.NewFileStore(bad)})
			defer c.Close()
			if err := c.Start(); err == nil || !strings.Contains(err.Error(), bad) || !strings.HasPrefix(err.Error(), "awsiot: store: open") || strings.Count(err.Error(), "store: ") > 1 || c.State() != awsiot.StateStopped {
				t.Errorf("%v, %v", err, c.State())
			}
			if err := c.PublishAsync(packet("t", "x", 1)).Err(); err != nil {
				t.Errorf("the queue in memory: %v", err)
			}
		})
	}
}

func first[A, B any](a A, _ B) A { return a }

// killedEnv tells the helper process that is killed what to do: directory, port, first number.
const killedEnv = "AWSIOT_FAULT34"

// Process killed (SIGKILL) at random points with a persistent queue: every message that Publish
// accepted before the kill arrives at least once after a restart, whatever became of the
// connection and of the acknowledgements.
func TestFaultProcessKilled(t *testing.T) {
	if job := os.Getenv(killedEnv); job != "" {
		publishUntilKilled(t, job)
		return
	}
	dir := t.TempDir()
	srv := iotlocal.StartT(t, iotlocal.Options{TLSPort: iotlocal.Off, RecorderCap: 1 << 20})
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	accepted, next := map[int]bool{}, 0
	for round := range 8 {
		srv.Faults().Clear()
		for _, r := range []iotlocal.Rule{
			{Dir: iotlocal.ServerToClient, Type: iotlocal.PUBACK, Nth: 1 + rand.IntN(50), Times: 100, Action: iotlocal.Drop},
			{Dir: iotlocal.ClientToServer, Type: iotlocal.PUBLISH, Nth: 1 + rand.IntN(300), Action: iotlocal.CutBefore},
		} {
			if _, err := srv.Faults().Add(r); err != nil {
				t.Fatal(err)
			}
		}
		if round%4 == 3 {
			srv.Faults().RefuseConnections(-1) // this life is spent without a connection
		}
		cmd := exec.CommandContext(t.Context(), exe, "-test.run=^TestFaultProcessKilled$")
		cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d %d %s", killedEnv, srv.TCPPort(), next, dir))
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		killAfter := rand.IntN(600)
		lines, count := bufio.NewScanner(out), 0
		for lines.Scan() {
			if count == killAfter {
				_ = cmd.Process.Kill() // what it has said already is read on
			}
			number, ok := strings.CutPrefix(lines.Text(), "accepted ")
			if n, err := strconv.Atoi(number); ok && err == nil {
				accepted[n], next = true, max(next, n+1)
				count++
			} else {
				t.Errorf("round %d: %s", round, lines.Text())
			}
		}
		if err := cmd.Wait(); err == nil || cmd.ProcessState.Exited() {
			t.Fatalf("round %d: the helper ended by itself: %v", round, err)
		}
		srv.Faults().RefuseConnections(0)
		next += 100 // what it was about to publish
	}
	srv.Faults().Clear()
	c := awsiot.NewClient(awsiot.ClientOptions{Endpoint: srv.Host(), Port: srv.TCPPort(), ClientID: "heir", Auth: awsiot.PlainTCP(), Store: awsiot.NewFileStore(dir)})
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	if err := errors.Join(c.StartAndWait(ctx), c.Drain(ctx)); err != nil {
		t.Fatal(err)
	}
	arrived := map[int]int{}
	for _, p := range srv.Recorder().Packets() {
		if n, err := strconv.Atoi(string(p.Payload)); err == nil && p.Type == iotlocal.PUBLISH && p.Dir == iotlocal.ClientToServer && p.Fault == "" {
			arrived[n]++
		}
	}
	lost, twice := 0, 0
	for n := range accepted {
		switch {
		case arrived[n] == 0:
			lost++
		case arrived[n] > 1:
			twice++
		}
	}
	t.Logf("%d accepted, %d of them arrived more than once", len(accepted), twice)
	if lost > 0 || len(accepted) < 500 {
		t.Errorf("%d of %d accepted messages are lost", lost, len(accepted))
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*.seg")); err != nil || len(left) != 0 {
		t.Errorf("left in the store: %v, %v", left, err)
	}
}

// publishUntilKilled is the helper process: it publishes numbers, and says which were accepted.
func publishUntilKilled(t *testing.T, job string) {
	var port, next int
	var dir string
	if _, err := fmt.Sscan(job, &port, &next, &dir); err != nil {
		t.Fatal(err)
	}
	c := awsiot.NewClient(awsiot.ClientOptions{Endpoint: "127.0.0.1", Port: port, ClientID: "victim", Auth: awsiot.PlainTCP(), Store: awsiot.NewFileStore(dir),
		SessionBehavior: awsiot.RejoinAlways, SessionExpiry: time.Hour, MinReconnectDelay: time.Millisecond, MaxReconnectDelay: 20 * time.Millisecond,
		Dialer: (&net.Dialer{}).DialContext})
	if err := c.Start(); err != nil {
		fmt.Println(err)
		return
	}
	for ; ; next++ {
		f := c.PublishAsync(packet("t", strconv.Itoa(next), 1))
		if err := f.Err(); err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("accepted %d\n", next)
		if next%20 == 0 { // now and then with nothing in flight
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Millisecond)
			_, _ = f.Wait(ctx)
			cancel()
		}
	}
}
