//go:build unix

package replay

import (
	"os/exec"
	"syscall"
)

// ownGroup puts the program into a process group of its own, so that what it starts ends with it and a Ctrl-C at the
// terminal reaches this program alone.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
