package replay

import (
	"context"
	"errors"
	"fmt"
	"net"
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
		"child":   child,
		"silent":  func() error { return nil },
		"obey":    obey,
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
		MinReconnectDelay: 50 * time.Millisecond,
		Auth:              awsiot.MTLSFromPath(os.Args[4], os.Args[5])})
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

// callee is the variable with the address that child calls.
const callee = "REPLAY_TEST_CALLEE"

// parent leaves a child behind that holds its standard output.
func parent() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	child := exec.Command(self)
	child.Env = append(os.Environ(), role+"=child")
	child.Stdout = os.Stdout
	if err := child.Start(); err != nil {
		return err
	}
	select {}
}

// child prints its end of a connection, which its own end ends.
func child() error {
	conn, err := net.Dial("tcp", os.Getenv(callee))
	if err != nil {
		return err
	}
	fmt.Println("child", conn.LocalAddr())
	_, err = conn.Read(make([]byte, 1)) // nobody writes
	return err
}

// patience bounds what must happen, on whatever machine.
const patience = 5 * time.Minute

// outlast records a program that does not end by itself, for longer and longer until it has printed the word.
func outlast(t *testing.T, what, word string, o Options) (*Run, error) {
	t.Helper()
	for o.Timeout = 500 * time.Millisecond; ; o.Timeout *= 2 {
		run, err := play(t, t.Context(), what, o)
		if !errors.Is(err, ErrHangs) {
			t.Fatalf("%v is not %v", err, ErrHangs)
		}
		if part := fmt.Sprintf("program %s: did not end within %v", what, o.Timeout); !strings.Contains(err.Error(), part) {
			t.Errorf("no %q in %v", part, err)
		}
		if strings.Contains(run.Stdout, word) || o.Timeout > patience {
			return run, err
		}
	}
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
		o.Timeout = patience
	}
	return Record(ctx, "program "+what, Program{Path: self}, o)
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
		parts []string
	}{
		{role: "fail", parts: []string{"program fail: exit status 3; stdout:\n\tfirst line; stderr:\n\tthe reason"}},
		{role: "silent", o: Options{Args: []string{"a b"}}, parts: []string{"program silent: never sent a CONNECT to localhost:", "(a b)", "it printed nothing"}},
		{role: "chatty", parts: []string{"exit status 3", "more lines)", "stderr:\n\ttoo much"}},
	}
	for _, tt := range tests {
		t.Run(tt.role, func(t *testing.T) {
			run, err := play(t, t.Context(), tt.role, tt.o)
			if err == nil {
				t.Fatal("no error")
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
	t.Run("hang", func(t *testing.T) {
		if _, err := outlast(t, "hang", "waiting", Options{}); !strings.Contains(err.Error(), "stdout:\n\twaiting") {
			t.Errorf("what it printed is not in %v", err)
		}
	})
	t.Run("no such program", func(t *testing.T) {
		if _, err := Record(t.Context(), "old", Program{Path: filepath.Join(t.TempDir(), "none")}, Options{Thing: "x"}); !errors.Is(err, os.ErrNotExist) {
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
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	run, _ := outlast(t, "parent", "child", Options{Env: []string{callee + "=" + l.Addr().String()}})
	_, from, ok := strings.Cut(strings.TrimSpace(run.Stdout), "child ")
	if !ok {
		t.Fatalf("the child did not start: %q", run.Stdout)
	}
	// Whether anybody buries it or not, a process that runs no more has no connection. Those of shorter times come first.
	var conn net.Conn
	for conn == nil || conn.RemoteAddr().String() != from {
		if conn, err = l.Accept(); err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("the child still runs: %v", err)
	}
}
