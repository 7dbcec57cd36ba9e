package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Document is a policy document, checked and taken apart. It is read-only.
type Document struct {
	statements []*statement
}

// statement is one statement of a document.
type statement struct {
	index      int
	sid        string
	effect     Effect
	actions    []pattern
	resources  []resource
	conditions []condition
}

// The values of the element Version. Variables are what the newer one brought.
const (
	version2008 = "2008-10-17"
	version2012 = "2012-10-17"
)

// maxDepth is how deep a document nests: document, list of statements, statement,
// conditions, operator, list of values, and one to say more about what is wrong.
const maxDepth = 7

// Parse reads a policy document. The error is an *Error that names the place.
func Parse(b []byte) (*Document, error) {
	if n := length(b); n > MaxBytes {
		return nil, wrong("", "%d characters without white space, at most %d are allowed", n, MaxBytes)
	}
	if !utf8.Valid(b) {
		return nil, wrong("", "it is not UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	v, err := tree(dec, "", maxDepth)
	if err == nil {
		if _, end := dec.Token(); !errors.Is(end, io.EOF) {
			err = wrong("", "there is something after the end of the document")
		}
	}
	if err != nil {
		return nil, err
	}
	top, ok := v.(map[string]any)
	if !ok {
		return nil, wrong("", "it is no JSON object")
	}
	return document(top)
}

func length(b []byte) (n int) {
	for _, r := range string(b) {
		if !unicode.IsSpace(r) {
			n++
		}
	}
	return n
}

// tree reads a JSON value. Unlike encoding/json it does not take a member twice:
// of two Effects the reader might see one and the service the other.
func tree(dec *json.Decoder, path string, depth int) (any, error) {
	t, err := dec.Token()
	if err != nil {
		return nil, wrong("", "it is not JSON: %v", err)
	}
	delim, nested := t.(json.Delim)
	switch {
	case !nested:
		return t, nil
	case depth == 0:
		return nil, wrong(path, "nested too deep")
	case delim == '[':
		list := []any{}
		for dec.More() {
			v, err := tree(dec, fmt.Sprintf("%s[%d]", path, len(list)), depth-1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, closed(dec)
	}
	object := map[string]any{}
	for dec.More() {
		k, err := dec.Token()
		name, ok := k.(string)
		if err != nil || !ok {
			return nil, wrong("", "it is not JSON: %v", err)
		}
		at := join(path, name)
		if _, twice := object[name]; twice {
			return nil, wrong(at, "stands there twice")
		}
		if object[name], err = tree(dec, at, depth-1); err != nil {
			return nil, err
		}
	}
	return object, closed(dec)
}

func closed(dec *json.Decoder) error {
	if _, err := dec.Token(); err != nil {
		return wrong("", "it is not JSON: %v", err)
	}
	return nil
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// document checks the top level.
func document(top map[string]any) (*Document, error) {
	version := version2008 // of a document that says none
	for _, name := range slices.Sorted(maps.Keys(top)) {
		s, isText := top[name].(string)
		switch {
		case name == "Statement":
		case name == "Id" && isText:
		case name == "Version" && (s == version2008 || s == version2012):
			version = s
		case name == "Version":
			return nil, wrong(name, "want %q or %q", version2012, version2008)
		case name == "Id":
			return nil, wrong(name, "want a string")
		default:
			return nil, wrong(name, "unknown element; Version, Id and Statement are known")
		}
	}
	raw, ok := top["Statement"]
	if !ok {
		return nil, wrong("Statement", "is missing")
	}
	list, isList := raw.([]any)
	if !isList {
		list = []any{raw}
	}
	if len(list) == 0 {
		return nil, wrong("Statement", "is empty")
	}
	d := &Document{}
	for i, v := range list {
		path := "Statement"
		if isList {
			path = fmt.Sprintf("Statement[%d]", i)
		}
		members, ok := v.(map[string]any)
		if !ok {
			return nil, wrong(path, "want an object")
		}
		s, err := readStatement(path, members, version == version2012)
		if err != nil {
			return nil, err
		}
		s.index = i
		d.statements = append(d.statements, s)
	}
	return d, nil
}

// action is SERVICE:ACTION with wildcards in the action, or * alone.
var action = regexp.MustCompile(`^([a-z0-9-]+:[A-Za-z0-9*?]+|\*)$`)

// sid is what a Sid may be.
var sid = regexp.MustCompile(`^[A-Za-z0-9]*$`)

func readStatement(path string, members map[string]any, variables bool) (*statement, error) {
	s := &statement{}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		v, at := members[name], join(path, name)
		var err error
		switch name {
		case "Sid":
			id, ok := v.(string)
			if s.sid = id; !ok || !sid.MatchString(id) {
				err = wrong(at, "want a string of letters and digits")
			}
		case "Effect":
			switch v {
			case "Allow":
				s.effect = Allow
			case "Deny":
				s.effect = ExplicitDeny
			default:
				err = wrong(at, `want "Allow" or "Deny"`)
			}
		case "Action":
			err = each(at, v, func(at, text string) error {
				if !action.MatchString(text) {
					return wrong(at, `%q is no action; want one as "iot:Publish", or "*"`, text)
				}
				s.actions = append(s.actions, glob(strings.ToLower(text))) // without regard to case, as in IAM
				return nil
			})
		case "Resource":
			err = each(at, v, func(at, text string) error {
				r, err := readResource(at, text, variables)
				s.resources = append(s.resources, r)
				return err
			})
		case "Condition":
			s.conditions, err = readConditions(at, v, variables)
		default:
			err = wrong(at, "unknown element; Sid, Effect, Action, Resource and Condition are known")
		}
		if err != nil {
			return nil, err
		}
	}
	for _, name := range []string{"Effect", "Action", "Resource"} {
		if _, ok := members[name]; !ok {
			return nil, wrong(join(path, name), "is missing")
		}
	}
	return s, nil
}

// each calls f for a string, or for every string of a list that is not empty.
func each(path string, v any, f func(path, text string) error) error {
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	if len(list) == 0 {
		return wrong(path, "is empty")
	}
	for i, e := range list {
		at := path
		if ok {
			at = fmt.Sprintf("%s[%d]", path, i)
		}
		text, isText := e.(string)
		if !isText {
			return wrong(at, "want a string")
		}
		if err := f(at, text); err != nil {
			return err
		}
	}
	return nil
}
