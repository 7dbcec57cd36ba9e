package examples_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/portage-iot/awsiot/iotlocal"
)

// The ports of v1's samples.
var (
	basicPubSub              = program("v1-style/basicPubSub")
	basicPubSubAsync         = program("v1-style/basicPubSubAsync")
	basicPubSubProxy         = program("v1-style/basicPubSubProxy")
	apiCallInCallback        = program("v1-style/basicPubSub_APICallInCallback")
	basicShadowUpdater       = program("v1-style/basicShadowUpdater")
	basicShadowDeltaListener = program("v1-style/basicShadowDeltaListener")
	thingShadowEcho          = program("v1-style/ThingShadowEcho")
)

// quickly are the flags with which a sample ends after n messages.
func quickly(n int) []string { return []string{"--count", fmt.Sprint(n), "--interval", "1ms"} }

// done waits for the end of a program with status 0.
func done(t *testing.T, p *process) {
	t.Helper()
	if status := p.wait(t); status != 0 {
		t.Fatalf("status %d", status)
	}
}

func equal(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n%s\nwant:\n%s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestBasicPubSub(t *testing.T) {
	t.Parallel()
	hello := func(i int) string { return fmt.Sprintf(`{"message":"Hello World!","sequence":%d}`, i) }
	t.Run("both", func(t *testing.T) {
		e := newEndpoint(t)
		p := basicPubSub.start(t, nil, e.flags(quickly(3)...)...)
		done(t, p)
		equal(t, "output", p.said(), []string{"received " + hello(0) + " from sdk/test/Python",
			"received " + hello(1) + " from sdk/test/Python", "received " + hello(2) + " from sdk/test/Python"})
		if log := p.stderr.String(); troubled(&p.stderr) || !strings.Contains(log, " client_id=basicPubSub ") {
			t.Errorf("the terminal shows another log:\n%s", log)
		}
		equal(t, "wire", e.wire(t, iotlocal.CONNECT, iotlocal.SUBSCRIBE, iotlocal.PUBLISH, iotlocal.DISCONNECT), []string{
			"CONNECT basicPubSub", "SUBSCRIBE sdk/test/Python 1", "PUBLISH sdk/test/Python 1 " + hello(0),
			"PUBLISH sdk/test/Python 1 " + hello(1), "PUBLISH sdk/test/Python 1 " + hello(2), "DISCONNECT basicPubSub"})
	})
	t.Run("publish", func(t *testing.T) {
		e := newEndpoint(t)
		p := basicPubSub.start(t, nil, e.flags("-n", "2", "--interval", "1ms", "-m", "publish", "-t", "a/b", "-M", "<ü>", "-id", "me")...)
		done(t, p)
		equal(t, "output", p.said(), []string{`published {"message":"<ü>","sequence":0} to a/b`, `published {"message":"<ü>","sequence":1} to a/b`})
		equal(t, "wire", e.wire(t, iotlocal.CONNECT, iotlocal.SUBSCRIBE, iotlocal.PUBLISH, iotlocal.DISCONNECT), []string{
			"CONNECT me", `PUBLISH a/b 1 {"message":"<ü>","sequence":0}`, `PUBLISH a/b 1 {"message":"<ü>","sequence":1}`, "DISCONNECT me"})
	})
	t.Run("subscribe", func(t *testing.T) {
		e := newEndpoint(t)
		p := basicPubSub.start(t, nil, e.flags(append(quickly(2), "--mode", "subscribe", "--topic", "a/+")...)...)
		e.granted(t)
		equal(t, "subscribed", e.soFar(iotlocal.SUBSCRIBE), []string{"SUBSCRIBE a/+ 1"})
		for _, m := range []iotlocal.Message{{Topic: "a/b", Payload: []byte("one"), QoS: 1}, {Topic: "a/c", Payload: []byte("two"), QoS: 1}} {
			if n, err := e.Publish(m); n != 1 || err != nil {
				t.Fatalf("%d subscribers, %v", n, err)
			}
		}
		done(t, p)
		equal(t, "output", p.said(), []string{"received one from a/b", "received two from a/c"})
		equal(t, "wire", e.wire(t, iotlocal.PUBLISH), nil)
	})
}

func TestBasicPubSubAsync(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t)
	p := basicPubSubAsync.start(t, nil, e.flags(quickly(2)...)...)
	done(t, p)
	// The order of an acknowledgement and of the message that comes back is the server's.
	equal(t, "output", slices.Sorted(slices.Values(p.said())), []string{"PUBACK of New Message 0", "PUBACK of New Message 1", "SUBACK of sdk/test/Python: granted QoS [1]",
		"received New Message 0 from sdk/test/Python", "received New Message 1 from sdk/test/Python"})
	equal(t, "wire", e.wire(t, iotlocal.CONNECT, iotlocal.SUBSCRIBE, iotlocal.PUBLISH, iotlocal.DISCONNECT), []string{"CONNECT basicPubSubAsync",
		"SUBSCRIBE sdk/test/Python 1", "PUBLISH sdk/test/Python 1 New Message 0", "PUBLISH sdk/test/Python 1 New Message 1", "DISCONNECT basicPubSubAsync"})
}

func TestAPICallInCallback(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t)
	p := apiCallInCallback.start(t, nil, e.flags(append(quickly(2), "-t", "a")...)...)
	done(t, p)
	got := slices.DeleteFunc(slices.Clone(p.said()), func(line string) bool { return strings.HasPrefix(line, "PUBACK of ") })
	if acks := len(p.said()) - len(got); acks != 4 {
		t.Errorf("%d PUBACKs, want 4", acks)
	}
	equal(t, "output", slices.Sorted(slices.Values(got)), []string{
		"forwarding New Message 0 from a to a/republish", "forwarding New Message 1 from a to a/republish",
		"received New Message 0 from a/republish", "received New Message 1 from a/republish"})
	equal(t, "wire", e.wire(t, iotlocal.SUBSCRIBE), []string{"SUBSCRIBE a 1", "SUBSCRIBE a/republish 1"})
	equal(t, "wire", slices.Sorted(slices.Values(e.wire(t, iotlocal.PUBLISH))), []string{"PUBLISH a 1 New Message 0", "PUBLISH a 1 New Message 1",
		"PUBLISH a/republish 1 New Message 0", "PUBLISH a/republish 1 New Message 1"})
}

// TestShadowSamples runs the updater against the two things that listen to it.
func TestShadowSamples(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t)
	if _, err := e.Shadow("lamp", "").Update(`{"state":{"desired":{"property":"of old"}}}`); err != nil {
		t.Fatal(err)
	}
	echo := thingShadowEcho.start(t, nil, e.flags("-n", "lamp")...)
	echo.waitFor(t, "listening to lamp")
	listener := basicShadowDeltaListener.start(t, nil, e.flags("--thingName", "lamp", "--count", "2")...)
	listener.waitFor(t, "listening to lamp")
	updater := basicShadowUpdater.start(t, nil, e.flags(append(quickly(1), "-n", "lamp")...)...)
	done(t, updater)
	echo.waitFor(t, `reported {"property":0}`)
	e.sent(t, `PUBLISH $aws/things/lamp/shadow/update 0 {"state": {"reported": {"property": 0}}, "clientToken": "`)
	// The echo speaks before its report arrives: until the shadow has it, the next wish would differ from it twice.
	e.reported(t, "lamp", `"reported":{"property":0}`)

	// The updater names its requests by their tokens.
	var got []string
	for _, line := range updater.said() {
		f := strings.SplitN(line, " ", 3)
		if len(f) != 3 || len(f[1]) != 36 {
			t.Fatalf("no token in %q", line)
		}
		got = append(got, f[0]+" "+f[2])
	}
	equal(t, "output of the updater", slices.Sorted(slices.Values(got)), []string{"delete accepted", "update accepted: property 0"})

	if _, err := e.Shadow("lamp", "").Update(`{"state":{"desired":{"property":1}}}`); err != nil {
		t.Fatal(err)
	}
	done(t, listener)
	echo.waitFor(t, `reported {"property":1}`)
	echo.interrupt(t)
	done(t, echo)
	equal(t, "output of the echo", echo.said(), []string{"listening to lamp", `delta/lamp: {"property":0}`, `reported {"property":0}`,
		`delta/lamp: {"property":1}`, `reported {"property":1}`})
	want := []string{"listening to lamp", "delta/lamp: property 0, version ", "delta/lamp: property 1, version "}
	said := listener.said()
	if len(said) != len(want) {
		t.Fatalf("the listener says %q, want %q", said, want)
	}
	for i, line := range said {
		if !strings.HasPrefix(line, want[i]) {
			t.Errorf("the listener says %q, want %q", line, want[i])
		}
	}
	doc, err := e.Shadow("lamp", "").Get()
	if want := `"reported":{"property":1}`; err != nil || !strings.Contains(string(doc), want) {
		t.Errorf("the shadow is %s (%v), want %s", doc, err, want)
	}
}

// TestShadowUpdaterRejected: a thing without a shadow has none to delete, which the callback says.
func TestShadowUpdaterRejected(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t)
	p := basicShadowUpdater.start(t, nil, e.flags(quickly(2)...)...)
	done(t, p)
	rejected, accepted := 0, 0
	for _, line := range p.said() {
		if strings.HasPrefix(line, "delete ") && strings.HasSuffix(line, " rejected") {
			rejected++
		}
		if strings.HasPrefix(line, "update ") && strings.Contains(line, " accepted: property ") {
			accepted++
		}
	}
	if rejected != 1 || accepted != 2 {
		t.Errorf("%d deletes rejected and %d updates accepted, want 1 and 2", rejected, accepted)
	}
	equal(t, "wire", e.wire(t, iotlocal.CONNECT, iotlocal.DISCONNECT), []string{"CONNECT basicShadowUpdater", "DISCONNECT basicShadowUpdater"})
}

// TestSamplesInterrupted: samples without an end go on until Ctrl-C, then disconnect.
func TestSamplesInterrupted(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		example *example
		after   string
	}{
		{basicPubSub, `"sequence":3}`},
		{basicPubSubAsync, "New Message 3"},
		{apiCallInCallback, "received New Message 3"},
		{basicShadowUpdater, "property 3"},
		{basicShadowDeltaListener, "listening"},
		{thingShadowEcho, "listening"},
	} {
		t.Run(tt.example.dir, func(t *testing.T) {
			e := newEndpoint(t)
			p := tt.example.start(t, nil, e.flags("--interval", "10ms")...)
			p.waitFor(t, tt.after)
			p.interrupt(t)
			done(t, p)
			if got := e.wire(t, iotlocal.DISCONNECT); len(got) != 1 {
				t.Errorf("said at the end: %v", got)
			}
		})
	}
}

// TestSamplesInterruptedTwice: where Ctrl-C has to wait for an answer that does not come, the second one does not.
func TestSamplesInterruptedTwice(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t)
	e.Faults().SilenceConnections(-1)
	p := basicPubSub.start(t, nil, e.flags()...)
	if err := e.Recorder().Wait(t.Context(), func(all []iotlocal.Packet) bool { return len(all) > 0 }); err != nil {
		t.Fatal(err)
	}
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	limit := time.After(patience) // Connect takes 10 s, and ends with another status
	for {
		select {
		case <-p.exited:
			if status := p.wait(t); status != -1 {
				t.Errorf("status %d, want the end by a signal", status)
			}
			return
		case <-again.C:
			_ = p.cmd.Process.Signal(os.Interrupt) // it may have ended
		case <-limit:
			t.Fatal("it does not end")
		}
	}
}

// TestSamplesUsage: what the command line lacks ends every sample with status 2, the usage and the reason.
func TestSamplesUsage(t *testing.T) {
	t.Parallel()
	device := "-e host -r ca -c cert -k key"
	proxied := device + " --proxyHost proxy"
	all := []*example{basicPubSub, basicPubSubAsync, basicPubSubProxy, apiCallInCallback, basicShadowUpdater, basicShadowDeltaListener, thingShadowEcho}
	type row struct{ args, want string }
	for _, e := range all {
		name := strings.TrimPrefix(e.dir, "v1-style/")
		proxy := ""
		if e == basicPubSubProxy {
			proxy = " --proxyHost proxy"
		}
		rows := []row{
			{"-r ca -w" + proxy, "missing -e/--endpoint"},
			{"-e host -w" + proxy, "missing -r/--rootCA"},
			{"-e host -r ca" + proxy, "missing credentials"},
			{"-e host -r ca -c cert" + proxy, "missing credentials"},
			{device + " --websocket" + proxy, "mutual exclusive"},
			{device + " --nonsense" + proxy, "not defined: -nonsense"},
		}
		switch e {
		case basicPubSub:
			rows = append(rows, row{device + " -m shout", `unknown mode "shout": it is one of both publish subscribe`})
		case basicPubSubProxy:
			rows = append(rows, row{device, "missing --proxyHost"}, row{proxied + " -m shout", "unknown mode"},
				row{proxied + " --proxyType socks4", `unknown proxy type "socks4"`}, row{proxied + " --proxyPort 0", "proxy port 0 is not between"})
		}
		for _, r := range rows {
			t.Run(name+" "+r.args, func(t *testing.T) {
				p := e.start(t, nil, strings.Fields(r.args)...)
				if status := p.wait(t); status != 2 {
					t.Errorf("status %d, want 2", status)
				}
				stderr := p.stderr.String()
				if !strings.HasPrefix(stderr, "usage: "+name+" -e TEXT -r TEXT") || !strings.Contains(stderr, "\n"+name+": error: ") || !strings.Contains(stderr, r.want) {
					t.Errorf("stderr, want %q:\n%s", r.want, stderr)
				}
				equal(t, "output", p.said(), nil)
			})
		}
		t.Run(name+" -h", func(t *testing.T) {
			p := e.start(t, nil, "-h")
			done(t, p)
			if out := strings.Join(p.said(), "\n"); !strings.Contains(out, "-w, --websocket") || p.stderr.Len() > 0 {
				t.Errorf("output:\n%s\nstderr:\n%s", out, &p.stderr)
			}
		})
	}
}

// TestSamplesCannotConnect: what is wrong outside of the command line is status 1 and says what it is.
func TestSamplesCannotConnect(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t)
	for _, tt := range []struct {
		name string
		args []string
		want []string
	}{
		{"no files", []string{"-e", e.Host(), "-r", "no-ca.pem", "-c", "no-cert.pem", "-k", "no-key.pem"}, []string{"no-ca.pem", "no-cert.pem", "no-key.pem"}},
		{"nobody there", append(e.flags(), "-p", "1"), []string{"connection refused"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := basicPubSub.start(t, nil, tt.args...)
			if status := p.wait(t); status != 1 {
				t.Errorf("status %d, want 1", status)
			}
			for _, want := range append(tt.want, "basicPubSub: error: connect: ") {
				if !strings.Contains(p.stderr.String(), want) {
					t.Errorf("stderr does not say %q:\n%s", want, &p.stderr)
				}
			}
		})
	}
}
