package policy

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// The wildcards in a pattern, as runes that no text has.
const (
	anyRun rune = -1 - iota // *: any characters, none too, slashes too
	anyOne                  // ?: one character
)

// pattern is a text with wildcards and variables. + and # of MQTT are characters
// like others.
type pattern struct {
	parts []part // in order
}

// part is a run of characters and wildcards, or a variable.
type part struct {
	runes    []rune
	variable *variable // nil: runes
}

// glob is the pattern of a text without variables.
func glob(text string) pattern { return pattern{[]part{{runes: wild(text)}}} }

func wild(text string) []rune {
	runes := []rune(text)
	for i, r := range runes {
		switch r {
		case '*':
			runes[i] = anyRun
		case '?':
			runes[i] = anyOne
		}
	}
	return runes
}

// parsePattern reads a text with variables, and with wildcards if it may have
// them. ${*}, ${?} and ${$} are the characters themselves.
func parsePattern(path, text string, wildcards, variables bool) (pattern, error) {
	plain := func(s string) []rune {
		if wildcards {
			return wild(s)
		}
		return []rune(s)
	}
	if !variables {
		return pattern{[]part{{runes: plain(text)}}}, nil
	}
	var p pattern
	add := func(runes []rune) {
		if n := len(p.parts); n > 0 && p.parts[n-1].variable == nil {
			p.parts[n-1].runes = append(p.parts[n-1].runes, runes...)
			return
		}
		p.parts = append(p.parts, part{runes: runes})
	}
	for text != "" {
		before, rest, found := strings.Cut(text, "${")
		if before != "" {
			add(plain(before))
		}
		if !found {
			break
		}
		name, after, ok := strings.Cut(rest, "}")
		switch {
		case !ok:
			return p, wrong(path, "the variable ${%s has no end", rest)
		case name == "*" || name == "?" || name == "$":
			add([]rune(name))
		default:
			v, ok := findVariable(name)
			if !ok {
				return p, wrong(path, "unknown variable ${%s}", name)
			}
			p.parts = append(p.parts, part{variable: v})
		}
		text = after
	}
	return p, nil
}

// prefix is the text that everything the pattern matches begins with, and whether
// the pattern is that text and nothing else.
func (p pattern) prefix() (text string, whole bool) {
	var b strings.Builder
	for _, part := range p.parts {
		if part.variable != nil {
			return b.String(), false
		}
		for _, r := range part.runes {
			if r < 0 {
				return b.String(), false
			}
			b.WriteRune(r)
		}
	}
	return b.String(), true
}

// timed reports whether a variable in it depends on the time.
func (p pattern) timed() bool {
	return slices.ContainsFunc(p.parts, func(part part) bool { return part.variable != nil && part.variable.timed })
}

// fill puts the values of a request in for the variables, in which nothing is
// special; ok is false when one has none.
func (p pattern) fill(r *Request) (runes []rune, ok bool) {
	if len(p.parts) == 1 && p.parts[0].variable == nil {
		return p.parts[0].runes, true
	}
	for _, part := range p.parts {
		if part.variable == nil {
			runes = append(runes, part.runes...)
			continue
		}
		v, ok := part.variable.value(r)
		if !ok {
			return nil, false
		}
		runes = append(runes, []rune(v)...)
	}
	return runes, true
}

// matches reports whether the pattern stands for the whole of s. A pattern with a
// variable that has no value stands for nothing.
func (p pattern) matches(r *Request, s string) bool {
	runes, ok := p.fill(r)
	return ok && match(runes, s)
}

// match is the comparison: at a mismatch it goes back to the last *, which takes
// one character more. That is at most len(p) times len(s) steps.
func match(p []rune, s string) bool {
	at, star, mark := 0, -1, 0
	for i := 0; ; {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case at < len(p) && p[at] == anyRun:
			star, mark = at, i
			at++
		case n == 0:
			return at == len(p) // the rest of p is empty: a * was taken above
		case at < len(p) && (p[at] == anyOne || p[at] == r):
			at, i = at+1, i+n
		case star >= 0:
			_, n := utf8.DecodeRuneInString(s[mark:])
			mark += n
			at, i = star+1, mark
		default:
			return false
		}
	}
}

// resource is a pattern for ARNs, arn:PARTITION:iot:REGION:ACCOUNT:RESOURCE.
type resource struct {
	// head are the segments before the last that the pattern has, at most five;
	// last is what follows: the resource, when there are five.
	head []pattern
	last pattern
}

const arnSegments = 5 // before the resource

// The account and region of resources when a Request says none.
const (
	anyRegion  = "us-east-1"
	anyAccount = "123456789012"
)

func readResource(path, text string, variables bool) (r resource, err error) {
	if text != "*" && !strings.HasPrefix(text, "arn:") {
		return r, wrong(path, `%q is no resource; want an ARN, as arn:aws:iot:REGION:ACCOUNT:topic/NAME, or "*"`, text)
	}
	// The colons of a variable do not separate segments.
	var segments []string
	rest, from := text, 0
	for i := 0; i < len(rest) && len(segments) < arnSegments; i++ {
		if strings.HasPrefix(rest[i:], "${") {
			if end := strings.IndexByte(rest[i:], '}'); variables && end > 0 {
				i += end
				continue
			}
		}
		if rest[i] == ':' {
			segments = append(segments, rest[from:i])
			from = i + 1
		}
	}
	for _, s := range segments {
		p, err := parsePattern(path, s, true, variables)
		if err != nil {
			return r, err
		}
		r.head = append(r.head, p)
	}
	r.last, err = parsePattern(path, rest[from:], true, variables)
	return r, err
}

// matches reports whether the pattern stands for the resource of a request. A
// region or account that the request does not say is whatever the pattern says:
// documents bear those of their owner.
func (p resource) matches(r *Request) bool {
	arn := []string{"arn", "aws", "iot", r.Region, r.Account}
	for i, h := range p.head {
		switch {
		case i == 1, i >= 3 && arn[i] == "":
			continue // a partition, or not said
		case !h.matches(r, arn[i]):
			return false
		}
	}
	if r.Region == "" {
		arn[3] = anyRegion
	}
	if r.Account == "" {
		arn[4] = anyAccount
	}
	return p.last.matches(r, strings.Join(append(arn[len(p.head):], r.Resource), ":"))
}
