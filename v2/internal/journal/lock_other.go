//go:build !windows && (!unix || aix || solaris)

package journal

import (
	"errors"
	"fmt"
	"io"
	"runtime"
)

// lockFile refuses: without a lock two processes would mix their records.
func lockFile(string) (io.Closer, error) {
	return nil, fmt.Errorf("no file locks on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}

func syncDir(string) error { return nil }
