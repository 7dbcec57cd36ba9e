package awsiot

import (
	"errors"
	"syscall"
)

// resetByPeer reports WSAECONNRESET: package syscall has other values for the names of Unix.
func resetByPeer(err error) bool { return errors.Is(err, syscall.WSAECONNRESET) }
