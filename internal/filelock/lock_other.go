//go:build !windows && (!unix || aix || solaris)

package filelock

import (
	"errors"
	"fmt"
	"io"
	"runtime"
)

// Lock refuses: without a lock two processes would mix their records.
func Lock(string) (io.Closer, error) {
	return nil, fmt.Errorf("no file locks on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}

// SyncDir does nothing: what is known of these systems is not enough.
func SyncDir(string) error { return nil }
