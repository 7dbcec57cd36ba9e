package edit

import "testing"

func TestKeepForm(t *testing.T) {
	tests := []struct{ name, old, new, want string }{
		{"plain", "a\nb\n", "a\nc\n", "a\nc\n"},
		{"two bytes", "a\r\nb\r\n", "a\nx\nb\n", "a\r\nx\r\nb\r\n"},
		{"no end at the end", "a\r\nb", "a\nc", "a\r\nc"},
		{"mark", bom + "a\n", "b\n", bom + "b\n"},
		{"mark that is there", bom + "a\n", bom + "b\n", bom + "b\n"},
		{"mark and two bytes", bom + "a\r\n", "b\n", bom + "b\r\n"},
		{"mixed", "a\r\nb\nc\r\nd\n", "a\nx\nb\ny\nc\n", "a\r\nx\r\nb\ny\nc\r\n"},
		{"mixed with a mark", bom + "a\r\nb\n", "a\nb\nc\n", bom + "a\r\nb\nc\n"},
		{"empty", "", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := string(KeepForm([]byte(tt.old), []byte(tt.new))); got != tt.want {
				t.Errorf("KeepForm(%q, %q) = %q, want %q", tt.old, tt.new, got, tt.want)
			}
		})
	}
}
