//go:build !interop

package pkcs11

import (
	"testing"

	"go.uber.org/goleak"
)

// With the tag interop TestMain also makes the tokens: softhsm_test.go.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
