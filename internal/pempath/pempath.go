// Package pempath tells the path of a file from what belongs into the file. The errors of files show the path, and a
// private key must not be in one.
package pempath

import "strings"

// longest is the longest path that any system takes (PATH_MAX of Linux).
const longest = 4096

// Is reports that what was given as a path is the text of a PEM file, with its lines joined or not, or a key in base64.
func Is(path string) bool {
	return IsPEM(path) || strings.ContainsAny(path, "\r\n") || len(path) > longest || isBase64DER(path)
}

// IsPEM reports that text is PEM: what stands where DER data belong when somebody mixed them up.
func IsPEM[T string | []byte](text T) bool { return strings.Contains(string(text), "-----BEGIN") }

// isBase64DER reports that s is a key or certificate in base64, in one line.
func isBase64DER(s string) bool {
	const der = "MI" // begins what is longer than 127 bytes in DER, in base64
	return len(s) >= 64 && strings.HasPrefix(s, der) && strings.IndexFunc(s, func(r rune) bool {
		return !(r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || strings.ContainsRune("+/=-_", r))
	}) < 0
}
