package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/portage-iot/awsiot/iotlocal/internal/rest"
)

// Runner does operations of the control API without HTTP: for the program around the server.
type Runner struct {
	call     Call
	handlers map[string]Handler
	rows     map[string]operation
}

// NewRunner returns a runner with the handlers of a plane.
func NewRunner(o Options, handlers map[string]Handler) (*Runner, error) {
	known, err := parse(Operations)
	if err != nil {
		return nil, err
	}
	r := &Runner{call: Call{Region: o.Region, Account: o.Account}, handlers: handlers, rows: map[string]operation{}}
	if r.call.Region == "" {
		r.call.Region = DefaultRegion
	}
	for _, row := range known {
		r.rows[row.name] = row
	}
	return r, nil
}

// Changes returns the names of the operations that can change something, sorted.
func (r *Runner) Changes() (names []string) {
	for name, row := range r.rows {
		if row.method != http.MethodGet && r.handlers[name] != nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// ARN returns the ARN of a resource of AWS IoT.
func (r *Runner) ARN(resource string) string { return r.call.ARN(resource) }

// Run does an operation. Its input has every field as a member, by the names of the API, wherever a request has it. The error is
// that of the API, or a 400 that names a member which the operation has not.
func (r *Runner) Run(name string, input map[string]json.RawMessage) (any, error) {
	row, handler := r.rows[name], r.handlers[name]
	if handler == nil {
		return nil, rest.Refuse(http.StatusNotImplemented, "NotImplementedException", "%s is not available on this local endpoint", name)
	}
	values := map[string]any{}
	for _, f := range row.fields {
		raw, there := input[f.name]
		if there = there && string(raw) != "null"; !there {
			if f.required {
				return nil, rest.Invalid("%s is missing", f.name)
			}
			continue
		}
		v, err := f.member(f.name, raw)
		if err != nil {
			return nil, err
		}
		values[f.name] = v
	}
	for _, member := range slices.Sorted(maps.Keys(input)) {
		if !slices.ContainsFunc(row.fields, func(f field) bool { return f.name == member }) {
			return nil, rest.Invalid("%s has no %s; it has %s", name, member, row.names())
		}
	}
	body, err := json.Marshal(input)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(context.Background(), row.method, "http://localhost/", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	call := r.call
	call.Call, call.values = &rest.Call{Request: request, Operation: name, Body: body, Header: http.Header{}}, values
	return handler(&call)
}

// names lists the fields of an operation.
func (o *operation) names() string {
	var all []string
	for _, f := range o.fields {
		all = append(all, f.name)
	}
	if len(all) == 0 {
		return "none"
	}
	return strings.Join(all, ", ")
}

// Line returns the number of the line in which a byte of a text stands.
func Line(text []byte, offset int64) int {
	return 1 + bytes.Count(text[:min(max(offset, 0), int64(len(text)))], []byte("\n"))
}

// Entry is an operation of a configuration.
type Entry struct {
	Line      int
	Operation string
	Input     map[string]json.RawMessage // without the operation
}

// ParseEntries reads a configuration: a list of objects, each with the member operation and the input of it. The errors name the
// line; that of the error is returned too.
func ParseEntries(text []byte) (all []Entry, line int, err error) {
	if deep(text) {
		return nil, 1, fmt.Errorf("nested deeper than %d levels", maxNesting)
	}
	if bad := bytes.IndexFunc(text, func(r rune) bool { return r == utf8.RuneError }); bad >= 0 && !utf8.Valid(text) {
		return nil, Line(text, int64(bad)), errors.New("not UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	fail := func(err error) ([]Entry, int, error) {
		at := dec.InputOffset()
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = errors.New("the text ends too early")
		}
		if syntax, ok := err.(*json.SyntaxError); ok {
			at = syntax.Offset
		}
		return nil, Line(text, at), err
	}
	if t, err := dec.Token(); err != nil || t != json.Delim('[') {
		if err == nil {
			err = fmt.Errorf("want a list of operations, as [{\"operation\": \"CreateThing\", \"thingName\": \"lamp\"}]")
		}
		return fail(err)
	}
	for dec.More() {
		rest := text[dec.InputOffset():]
		e := Entry{Line: Line(text, dec.InputOffset()+int64(len(rest)-len(bytes.TrimLeft(rest, ", \t\r\n"))))}
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return fail(err)
		}
		if json.Unmarshal(raw, &e.Input) != nil || e.Input == nil {
			return nil, e.Line, fmt.Errorf("an entry is no object")
		}
		if json.Unmarshal(e.Input["operation"], &e.Operation) != nil || e.Operation == "" {
			return nil, e.Line, fmt.Errorf("an entry has no operation, as \"operation\": \"CreateThing\"")
		}
		delete(e.Input, "operation")
		all = append(all, e)
	}
	if _, err := dec.Token(); err != nil {
		return fail(err)
	}
	if dec.More() {
		return fail(fmt.Errorf("there is something behind the list"))
	}
	return all, 0, nil
}
