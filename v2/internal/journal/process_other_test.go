//go:build !unix

package journal

import "fmt"

func otherHelper(what, _ string) error { return fmt.Errorf("no helper %q", what) }
