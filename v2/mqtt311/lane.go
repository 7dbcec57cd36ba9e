package mqtt311

import (
	"log/slog"
	"runtime/debug"
	"sync"
)

// lane runs functions one at a time, in order, on a goroutine that is there only while there are any.
type lane struct {
	log     *slog.Logger
	mu      sync.Mutex
	waiting []func()
	running bool
}

// do puts f at the end.
func (l *lane) do(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting = append(l.waiting, f)
	if !l.running {
		l.running = true
		go l.run()
	}
}

func (l *lane) run() {
	for {
		l.mu.Lock()
		if len(l.waiting) == 0 {
			l.running, l.waiting = false, nil
			l.mu.Unlock()
			return
		}
		f := l.waiting[0]
		l.waiting = l.waiting[1:]
		l.mu.Unlock()
		l.guard(f)
	}
}

// guard keeps a panic of f from ending the program: the next function runs.
func (l *lane) guard(f func()) {
	defer func() {
		if p := recover(); p != nil {
			l.log.Error("mqtt311: a callback panicked", "panic", p, "stack", string(debug.Stack()))
		}
	}()
	f()
}
