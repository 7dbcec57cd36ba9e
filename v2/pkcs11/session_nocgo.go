//go:build !cgo

package pkcs11

func open(Options) (session, error) { return nil, ErrNoCgo }
