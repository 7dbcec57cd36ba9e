package control

import (
	"fmt"
	"strings"
)

// place is where in a request a field stands.
type place uint8

const (
	inBody place = iota
	inPath
	inQuery
	inHeader
	wholeBody
)

// field is one that an operation takes.
type field struct {
	name, wire string
	place      place
	required   bool
	fieldType
}

// operation is one line of a table.
type operation struct {
	name, method, path string
	fields             []field
}

// parse reads a table of operations. Its errors are mistakes in the table.
func parse(rows string) (all []operation, err error) {
	for line := range strings.Lines(rows) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		words := strings.Fields(line)
		if len(words) < 3 || !strings.HasPrefix(words[2], "/") {
			return nil, fmt.Errorf("control: %q is not NAME METHOD PATH and fields", line)
		}
		o := operation{name: words[0], method: words[1], path: words[2]}
		for _, w := range words[3:] {
			f, err := parseField(w, o.path)
			if err != nil {
				return nil, fmt.Errorf("control: %s: %w", o.name, err)
			}
			o.fields = append(o.fields, f)
		}
		all = append(all, o)
	}
	return all, nil
}

// parseField reads [?|@|*]NAME[=WIRE]:TYPE[!].
func parseField(s, path string) (f field, err error) {
	s, f.required = strings.CutSuffix(s, "!")
	name, kind, _ := strings.Cut(s, ":")
	var known bool
	if f.fieldType, known = types[kind]; !known {
		return f, fmt.Errorf("field %s: there is no type %q", s, kind)
	}
	switch {
	case strings.HasPrefix(name, "?"):
		f.place, name = inQuery, name[1:]
	case strings.HasPrefix(name, "@"):
		f.place, name = inHeader, name[1:]
	case strings.HasPrefix(name, "*"):
		f.place, name = wholeBody, name[1:]
	case strings.Contains(path, "{"+name+"}"):
		f.place = inPath
	}
	var renamed bool
	if f.name, f.wire, renamed = strings.Cut(name, "="); !renamed {
		f.wire = f.name
	}
	return f, nil
}
