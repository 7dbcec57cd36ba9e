package awsiot

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime"
	"strings"
)

// A panic in a callback ends that callback and nothing else. It must not go unseen: it is logged as an error, with
// slog.Default when the client has no Logger, and counted in OperationStatistics.

// panicked reports a panic of a callback; p is what recover returned. mu is not held.
func (c *Client) panicked(what string, p any) {
	c.mu.Lock()
	c.stats.CallbackPanics++
	c.mu.Unlock()
	reportPanic(c.options().Logger, what, p)
}

// reportPanic logs a panic. It must be called by the deferred function that has recovered it.
func reportPanic(log *slog.Logger, what string, p any) {
	if log == nil {
		log = slog.Default()
	}
	log.LogAttrs(context.Background(), slog.LevelError, "panic in a callback", slog.String("panic", fmt.Sprint(p)),
		slog.String("callback", what), slog.String("stack", panicStack()))
}

// maxFrames is how many calls of a stack are told.
const maxFrames = 32

// panicStack returns the calls that led to the panic being recovered, the innermost first, in one line: handlers of slog
// quote a text of several lines, and nobody can read it then.
func panicStack() string {
	pcs := make([]uintptr, 4*maxFrames)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
	var calls []string
	begun := false
	for more := true; more && len(calls) < maxFrames; {
		var f runtime.Frame
		f, more = frames.Next()
		name := f.Function[strings.LastIndexByte(f.Function, '/')+1:]
		inRuntime := strings.HasPrefix(name, "runtime.")
		switch {
		case name == "runtime.gopanic": // what is above it is deferred functions
			begun = true
		case begun && !inRuntime && f.Function != "":
			dir, file := filepath.Split(f.File)
			calls = append(calls, fmt.Sprintf("%s (%s/%s:%d)", name, filepath.Base(dir), file, f.Line))
		}
	}
	return strings.Join(calls, " < ")
}
