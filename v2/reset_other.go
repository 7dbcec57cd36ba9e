//go:build !windows

package awsiot

// resetByPeer: the names of Unix are the system's own.
func resetByPeer(error) bool { return false }
