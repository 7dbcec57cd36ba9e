//go:build interop && !race

package archtest

import (
	"errors"
	"os/exec"
	"strings"
	"testing"
)

// stuckProgram has one that it cannot: it is made with an option that v2 does not have.
const stuckProgram = `package main

import "github.com/portage-iot/awsiot/v1compat"

func main() {
	client := v1compat.NewAWSIoTMQTTClient("outside", v1compat.WithStrictV1())
	if err := client.Connect(); err != nil {
		panic(err)
	}
}
`

// TestOutsideVet runs the migration tool over programs outside the tree as go vet's tool, which starts it for each of three hundred
// packages.
func TestOutsideVet(t *testing.T) {
	dir, tool := outsideTool(t)
	write(t, dir, "legacy/main.go", v1Program)
	write(t, dir, "stuck/main.go", stuckProgram)
	write(t, dir, "clean/main.go", "package main\n\nfunc main() {}\n")
	tests := []struct {
		name, pkg string
		want      []string // nothing: the tool has nothing to say
	}{
		{"vet: no MQTT", "./clean", nil},
		{"vet: can be rewritten", "./legacy", []string{"legacy/main.go:6:12", "iotmigrate fix can rewrite it", "6 call sites"}},
		{"vet: cannot be rewritten", "./stuck", []string{"stuck/main.go:6:12", "MIGRATION.md#quirks", "WithStrictV1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := goCommand(dir, modEnv, "vet", "-vettool="+tool, tt.pkg)
			if tt.want == nil {
				if err != nil {
					t.Errorf("go vet -vettool: %v", err)
				}
				return
			}
			var exit *exec.ExitError
			if !errors.As(err, &exit) {
				t.Fatalf("go vet -vettool reported nothing: %v", err)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("go vet -vettool: no %q in\n%v", want, err)
				}
			}
		})
	}
}
