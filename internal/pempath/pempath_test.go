package pempath

import (
	"strings"
	"testing"
)

func TestIs(t *testing.T) {
	for path, want := range map[string]bool{
		"": false, "device.key": false, `C:\keys\device key.pem`: false, "/etc/ssl/BEGIN": false,
		"-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n": true,
		"-----BEGIN PRIVATE KEY-----MIIE-----END PRIVATE KEY-----":       true,
		"MIIE\r\nabcd":            true,
		strings.Repeat("A", 4097): true,
		"MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg/+0123456789abcdefAA": true,
		"MI/" + strings.Repeat("a.", 40):                                       false, // a path
	} {
		if got := Is(path); got != want {
			t.Errorf("%.40q: %v, want %v", path, got, want)
		}
	}
}
