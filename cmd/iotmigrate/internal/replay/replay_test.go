package replay

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/portage-iot/awsiot/iotlocal/wire"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// The test binary is also the program that Record runs: the variable says what it does.
const role = "REPLAY_TEST_ROLE"

func TestMain(m *testing.M) {
	play, ok := map[string]func() error{
		"publish": publish,
		"abort":   func() error { return connect(func(c *awsiot.Client) error { os.Exit(0); return nil }) },
		"fail":    func() error { fmt.Println("first line"); return errors.New("the reason") },
		"hang":    func() error { fmt.Println("waiting"); select {} },
		"parent":  parent,
		"silent":  func() error { return nil },
		"chatty":  func() error { fmt.Print(strings.Repeat("0123456789abcde\n", 100_000)); return errors.New("too much") },
	}[os.Getenv(role)]
	if !ok {
		os.Exit(m.Run())
	}
	if err := play(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(3)
	}
}

// connect runs f with a client that is made from the arguments HOST PORT CA CERT KEY.
func connect(f func(*awsiot.Client) error) error {
	port, err := strconv.Atoi(os.Args[2])
	if err != nil {
		return err
	}
	c := awsiot.NewClient(awsiot.ClientOptions{Endpoint: os.Args[1], Port: port, ClientID: "replay", CAFile: os.Args[3],
		Auth: awsiot.MTLSFromPath(os.Args[4], os.Args[5])})
	if err := c.StartAndWait(context.Background()); err != nil {
		return err
	}
	return errors.Join(f(c), c.Close())
}

func publish() error {
	return connect(func(c *awsiot.Client) error {
		fmt.Println("out")
		fmt.Fprintln(os.Stderr, "err")
		_, err := c.Publish(context.Background(), &awsiot.PublishPacket{Topic: "a/b", Payload: []byte("x"), QoS: awsiot.AtLeastOnce})
		return errors.Join(err, c.Stop(context.Background(), nil))
	})
}

// parent leaves a child behind that holds its standard output.
func parent() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	child := exec.Command(self)
	child.Env = append(os.Environ(), role+"=hang")
	child.Stdout = os.Stdout
	if err := child.Start(); err != nil {
		return err
	}
	fmt.Println("child", child.Process.Pid)
	select {}
}

// play records the test binary in a role.
func play(t *testing.T, ctx context.Context, what string, o Options) (*Run, error) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(role, what)
	if o.Args == nil {
		o.Args = []string{"{host}", "{port}", "{ca}", "{cert}", "{key}"}
	}
	o.Thing = "device"
	if o.Timeout == 0 {
		o.Timeout = time.Minute
	}
	return Record(ctx, "program "+what, self, o)
}

func TestRecord(t *testing.T) {
	address := ""
	run, err := play(t, t.Context(), "publish", Options{Started: func(a string) { address = a }})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range run.Packets {
		got = append(got, p.Dir.String()+" "+p.Type.String())
	}
	want := "event TRANSPORT_OPEN, c2s CONNECT, s2c CONNACK, c2s PUBLISH, s2c PUBACK, c2s DISCONNECT, event "
	if list := strings.Join(got, ", "); !strings.HasPrefix(list, want) {
		t.Errorf("packets %s, want %s...", list, want)
	}
	if run.Packets[0].Transport.ClientCert != "device" {
		t.Errorf("certificate of %q, want that of the thing", run.Packets[0].Transport.ClientCert)
	}
	if run.Stdout != "out\n" || run.Stderr != "err\n" {
		t.Errorf("stdout %q, stderr %q", run.Stdout, run.Stderr)
	}
	if !strings.HasPrefix(address, "localhost:") || run.Took <= 0 {
		t.Errorf("address %q, took %v", address, run.Took)
	}
}

// TestRecordAbort: the record is complete also when the program just goes away.
func TestRecordAbort(t *testing.T) {
	run, err := play(t, t.Context(), "abort", Options{})
	if err != nil {
		t.Fatal(err)
	}
	if last := run.Packets[len(run.Packets)-1]; last.Type != wire.ClientClosed {
		t.Errorf("last %v, want the end of the connection", last)
	}
}

func TestRecordErrors(t *testing.T) {
	tests := []struct {
		role  string
		o     Options
		is    error
		parts []string
	}{
		{role: "fail", parts: []string{"program fail: exit status 3; stdout:\n\tfirst line; stderr:\n\tthe reason"}},
		{role: "hang", o: Options{Timeout: 500 * time.Millisecond}, is: ErrHangs, parts: []string{"program hang: did not end within 500ms", "waiting"}},
		{role: "silent", o: Options{Args: []string{"a b"}}, parts: []string{"program silent: never sent a CONNECT to localhost:", "(a b)", "it printed nothing"}},
		{role: "chatty", parts: []string{"exit status 3", "more lines)", "stderr:\n\ttoo much"}},
	}
	for _, tt := range tests {
		t.Run(tt.role, func(t *testing.T) {
			run, err := play(t, t.Context(), tt.role, tt.o)
			if err == nil {
				t.Fatal("no error")
			}
			if tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("%v is not %v", err, tt.is)
			}
			for _, part := range tt.parts {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("no %q in %v", part, err)
				}
			}
			if len(err.Error()) > 2000 || len(run.Stdout) > maxOutput {
				t.Errorf("error of %d bytes, output of %d", len(err.Error()), len(run.Stdout))
			}
		})
	}
	t.Run("no such program", func(t *testing.T) {
		if _, err := Record(t.Context(), "old", filepath.Join(t.TempDir(), "none"), Options{Thing: "x"}); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%v", err)
		}
	})
	t.Run("interrupted", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		why := errors.New("Ctrl-C")
		_, err := play(t, ctx, "hang", Options{Started: func(string) { cancel(why) }})
		if !errors.Is(err, why) {
			t.Errorf("%v, want %v", err, why)
		}
	})
}

// TestRecordKillsChildren: what a program has started ends with it.
func TestRecordKillsChildren(t *testing.T) {
	if runtime.GOOS == "windows" || runtime.GOOS == "plan9" {
		return // no process groups: see group_other.go
	}
	run, err := play(t, t.Context(), "parent", Options{Timeout: time.Second})
	if !errors.Is(err, ErrHangs) {
		t.Fatal(err)
	}
	_, pid, ok := strings.Cut(run.Stdout, "child ")
	if !ok {
		t.Fatalf("the child did not start: %q", run.Stdout)
	}
	pid, _, _ = strings.Cut(pid, "\n")
	// Killed and, without a parent, buried by init or left as a zombie: either way it does not run.
	deadline := time.Now().Add(10 * time.Second)
	for running(pid) {
		if time.Now().After(deadline) {
			t.Fatalf("child %s still runs", pid)
		}
		runtime.Gosched()
	}
}

// running reports whether a process is there and no zombie.
func running(pid string) bool {
	out, err := exec.Command("ps", "-o", "stat=", "-p", pid).Output()
	return err == nil && !strings.HasPrefix(strings.TrimSpace(string(out)), "Z")
}
