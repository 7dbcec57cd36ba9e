//go:build !windows

package wincert

import "crypto/tls"

func system(location) (tls.Certificate, error) { return tls.Certificate{}, ErrNotWindows }
