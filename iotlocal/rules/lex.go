package rules

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Error is what is wrong with a statement or a template, and where.
type Error struct {
	Text    string // the statement
	Offset  int    // in bytes
	Problem string
}

// Error returns the problem and where it stands.
func (e *Error) Error() string {
	near := e.Text[min(e.Offset, len(e.Text)):]
	if len(near) > 20 {
		near = near[:20] + "..."
	}
	if near == "" {
		return fmt.Sprintf("iotlocal: rule: %s at the end", e.Problem)
	}
	return fmt.Sprintf("iotlocal: rule: %s at %q", e.Problem, near)
}

// kind is that of a token.
type kind int

const (
	end kind = iota
	word
	number
	text   // in '...'
	quoted // an attribute in "..." or `...`
	symbol
)

// token is one word of a statement.
type token struct {
	kind kind
	s    string
	at   int
}

// is reports whether t is a keyword or symbol, in any case.
func (t token) is(s string) bool {
	return (t.kind == word || t.kind == symbol) && strings.EqualFold(t.s, s)
}

// lex takes a statement apart.
func lex(s string) ([]token, error) {
	var out []token
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		at := i
		switch {
		case r == utf8.RuneError && n == 1:
			return nil, &Error{s, i, "not UTF-8"}
		case unicode.IsSpace(r):
			i += n
			continue
		case r == '\'' || r == '"' || r == '`':
			value, size, err := literal(s, i, byte(r))
			if err != nil {
				return nil, err
			}
			i += size
			k := quoted
			if r == '\'' {
				k = text
			}
			out = append(out, token{k, value, at})
			continue
		case r >= '0' && r <= '9' || r == '.' && i+1 < len(s) && s[i+1] >= '0' && s[i+1] <= '9':
			for i < len(s) && (s[i] >= '0' && s[i] <= '9' || s[i] == '.') {
				i++
			}
			if i < len(s) && (s[i] == 'e' || s[i] == 'E') {
				j := i + 1
				if j < len(s) && (s[j] == '+' || s[j] == '-') {
					j++
				}
				if j < len(s) && s[j] >= '0' && s[j] <= '9' {
					for i = j; i < len(s) && s[i] >= '0' && s[i] <= '9'; i++ {
					}
				}
			}
			out = append(out, token{number, s[at:i], at})
			continue
		case unicode.IsLetter(r) || r == '_' || r == '$':
			for i < len(s) {
				r, n := utf8.DecodeRuneInString(s[i:])
				if !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '_' && r != '$' {
					break
				}
				i += n
			}
			out = append(out, token{word, s[at:i], at})
			continue
		}
		n = 1
		if two := s[i:min(len(s), i+2)]; two == "<=" || two == ">=" || two == "<>" || two == "!=" {
			n = 2
		} else if !strings.ContainsRune("+-*/%=<>().,", r) {
			return nil, &Error{s, i, "an unknown character"}
		}
		out = append(out, token{symbol, s[i : i+n], at})
		i += n
	}
	return append(out, token{kind: end, at: len(s)}), nil
}

// literal reads what stands in quotes from i on; a doubled quote is one.
func literal(s string, i int, quote byte) (value string, size int, err error) {
	var b strings.Builder
	for j := i + 1; j < len(s); j++ {
		if s[j] != quote {
			b.WriteByte(s[j])
			continue
		}
		if j+1 < len(s) && s[j+1] == quote {
			j++
			b.WriteByte(quote)
			continue
		}
		return b.String(), j + 1 - i, nil
	}
	return "", 0, &Error{s, i, "a quote without its end"}
}
