// Package filelock takes a lock on a directory by a file in it, and makes the names in a directory durable: what
// packages that keep records on disk have in common.
package filelock

import "errors"

// ErrLocked is wrapped by the error of Lock when another process, or this one, holds the lock.
var ErrLocked = errors.New("in use by another process, or by this one")
