package edit

import (
	"bytes"
	"go/format"
	"strings"
)

// bom is the byte-order mark that some editors put before UTF-8.
const bom = "\xef\xbb\xbf"

// KeepForm gives new, which gofmt has written, what gofmt takes away from the form of old: a byte-order mark, and line
// ends of two bytes. In a file that mixes line ends, a line that is in both keeps its own, and a new one gets the end
// of the line before it.
func KeepForm(old, new []byte) []byte {
	crlf := bytes.Count(old, []byte("\r\n"))
	switch {
	case crlf == 0:
	case crlf == bytes.Count(old, []byte("\n")):
		new = bytes.ReplaceAll(new, []byte("\n"), []byte("\r\n"))
	default:
		new = mixed(old, new)
	}
	if bytes.HasPrefix(old, []byte(bom)) && !bytes.HasPrefix(new, []byte(bom)) {
		new = append([]byte(bom), new...)
	}
	return new
}

// mixed gives the lines of new the ends that they have in old.
func mixed(old, new []byte) []byte {
	ends := split(bytes.TrimPrefix(old, []byte(bom)))
	plain := make([]string, len(ends))
	for i, l := range ends {
		plain[i] = strings.Replace(l, "\r\n", "\n", 1)
	}
	var b strings.Builder
	at, last := 0, "\n"
	for _, o := range script(plain, split(new)) {
		switch o.kind {
		case ' ':
			if strings.HasSuffix(ends[at], "\r\n") {
				last = "\r\n"
			} else {
				last = "\n"
			}
			b.WriteString(ends[at])
			at++
		case '-':
			at++
		case '+':
			b.WriteString(strings.TrimSuffix(o.line, "\n"))
			if strings.HasSuffix(o.line, "\n") {
				b.WriteString(last)
			}
		}
	}
	return []byte(b.String())
}

// Gofmt is the gofmt'ed form of new, where old was gofmt'ed; else new as it is: a file that its author has laid out in
// another way stays so.
func Gofmt(old, new []byte) ([]byte, error) {
	was, err := format.Source(old)
	if err != nil || !bytes.Equal(was, old) {
		return new, nil
	}
	return format.Source(new)
}
