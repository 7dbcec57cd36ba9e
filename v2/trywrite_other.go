//go:build !unix

package awsiot

import "net"

// tryWriter: there is no write without waiting here.
func tryWriter(net.Conn) func([]byte) (int, error) { return nil }
