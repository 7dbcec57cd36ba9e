// Package rest serves the REST operations of AWS services from a table: a method, a path with names in braces, a handler. It
// finds the operation of a request, bounds and reads its body, and writes answers and errors in the shape of AWS's
// restJson1 protocol (https://smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html).
package rest

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// MaxBody bounds the body of a request in bytes: above every limit of the services, which say so themselves.
const MaxBody = 1 << 20

// Operation is one row of a table.
type Operation struct {
	Name   string // of the API, as "GetThingShadow"
	Method string
	Path   string // as "/things/{thingName}/shadow"; {name+} takes the rest, slashes included
	Do     func(*Call) (any, error)
}

// Call is a request on its way through an operation.
type Call struct {
	*http.Request
	Operation string
	Principal any // who asks, as the owner of the table sees it
	Body      []byte
	Header    http.Header // of the answer
	path      map[string]string
	query     url.Values
}

// Path returns what stands in the place of {name}, unescaped.
func (c *Call) Path(name string) string { return c.path[name] }

// Query returns a parameter of the query; "" when it is not there.
func (c *Call) Query(name string) string { return c.query.Get(name) }

// HasQuery reports whether the query has a parameter.
func (c *Call) HasQuery(name string) bool { return c.query.Has(name) }

// Int returns a whole number of the query within bounds, or def when it is not there. The error is a 400.
func (c *Call) Int(name string, def, least, most int64) (int64, error) {
	s := c.query.Get(name)
	if s == "" {
		return def, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < least || n > most {
		return 0, Invalid("%s %q is not a number from %d to %d", name, s, least, most)
	}
	return n, nil
}

// Bool returns a boolean of the query, or def. The error is a 400.
func (c *Call) Bool(name string, def bool) (bool, error) {
	switch c.query.Get(name) {
	case "":
		return def, nil
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, Invalid("%s %q is neither true nor false", name, c.query.Get(name))
}

// JSON reads the body, an object, into v; an empty body is an empty object. The error is a 400.
func (c *Call) JSON(v any) error {
	if len(c.Body) == 0 {
		return nil
	}
	if err := json.Unmarshal(c.Body, v); err != nil {
		return Invalid("the body is not the JSON of %s: %v", c.Operation, err)
	}
	return nil
}

// Error is a refusal in AWS's shape.
type Error struct {
	Status  int
	Type    string // as "ResourceNotFoundException"
	Message string
	Members map[string]string // more members of the answer; nil: none
	Same    bool              // with ResourceAlreadyExistsException: it is what was asked for
}

// Error returns type and text.
func (e *Error) Error() string { return fmt.Sprintf("%s: %s", e.Type, e.Message) }

// Refuse is an error of that status and type.
func Refuse(status int, kind, format string, args ...any) *Error {
	return &Error{Status: status, Type: kind, Message: fmt.Sprintf(format, args...)}
}

// Invalid is InvalidRequestException, 400.
func Invalid(format string, args ...any) error {
	return Refuse(http.StatusBadRequest, "InvalidRequestException", format, args...)
}

// NotFound is ResourceNotFoundException, 404.
func NotFound(format string, args ...any) error {
	return Refuse(http.StatusNotFound, "ResourceNotFoundException", format, args...)
}

// Forbidden is ForbiddenException, 403.
func Forbidden(format string, args ...any) error {
	return Refuse(http.StatusForbidden, "ForbiddenException", format, args...)
}

// Raw is an answer whose body is not JSON that the table makes.
type Raw []byte

// Table finds operations.
type Table struct {
	operations []Operation
	patterns   [][]string
}

// NewTable makes a table. Of two rows that match, the first counts.
func NewTable(operations []Operation) *Table {
	t := &Table{operations: operations}
	for _, o := range operations {
		t.patterns = append(t.patterns, strings.Split(strings.TrimPrefix(o.Path, "/"), "/"))
	}
	return t
}

// Operations returns the names, sorted.
func (t *Table) Operations() []string {
	var all []string
	for _, o := range t.operations {
		all = append(all, o.Name)
	}
	slices.Sort(all)
	return all
}

// Has reports whether the table has the method and path of a request.
func (t *Table) Has(r *http.Request) bool { return t.Name(r) != "" }

// Name returns the name of the operation of a request; "" for none.
func (t *Table) Name(r *http.Request) string {
	o, _, _ := t.find(r.Method, r.URL.EscapedPath())
	if o == nil {
		return ""
	}
	return o.Name
}

// find returns the operation of a request and what its path names. known reports whether the path is one of the table's with
// another method.
func (t *Table) find(method, escaped string) (o *Operation, names map[string]string, known bool) {
	parts := strings.Split(strings.TrimPrefix(escaped, "/"), "/")
	for i := range t.operations {
		names, ok := match(t.patterns[i], parts)
		if !ok {
			continue
		}
		if t.operations[i].Method == method {
			return &t.operations[i], names, true
		}
		known = true
	}
	return nil, nil, known
}

// match compares a path with a pattern, part by part.
func match(pattern, parts []string) (map[string]string, bool) {
	names := map[string]string{}
	for i, p := range pattern {
		name, named := strings.CutPrefix(p, "{")
		switch name = strings.TrimSuffix(name, "}"); {
		case i >= len(parts):
			return nil, false
		case !named:
			if literal, err := url.PathUnescape(parts[i]); err != nil || literal != p {
				return nil, false
			}
		case named:
			rest := parts[i]
			greedy := strings.HasSuffix(name, "+")
			if greedy {
				rest = strings.Join(parts[i:], "/")
			}
			value, err := url.PathUnescape(rest)
			if err != nil || value == "" {
				return nil, false
			}
			names[strings.TrimSuffix(name, "+")] = value
			if greedy {
				return names, true
			}
		}
	}
	return names, len(parts) == len(pattern)
}

// Serve answers a request. authorize, which may be nil, decides once the operation is known and the body is read; its error
// is the answer. missing, which may be nil, names the operation of a request that no row takes, for a 501.
func (t *Table) Serve(w http.ResponseWriter, r *http.Request, authorize func(*Call) error, missing func(*http.Request) string) {
	o, names, known := t.find(r.Method, r.URL.EscapedPath())
	if o == nil {
		name := ""
		if missing != nil {
			name = missing(r)
		}
		switch {
		case name != "":
			WriteError(w, &Error{Status: http.StatusNotImplemented, Type: "NotImplementedException", Message: name + " is not available on this local endpoint"})
		case known:
			WriteError(w, &Error{Status: http.StatusMethodNotAllowed, Type: "MethodNotAllowedException", Message: fmt.Sprintf("Method %s is not allowed", r.Method)})
		default:
			WriteError(w, &Error{Status: http.StatusNotFound, Type: "UnknownOperationException", Message: fmt.Sprintf("no operation at %s %s", r.Method, r.URL.Path)})
		}
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		WriteError(w, &Error{Status: http.StatusRequestEntityTooLarge, Type: "RequestEntityTooLargeException", Message: "The payload exceeds the maximum size allowed"})
		return
	} else if err != nil { // when the client has gone, the answer goes to nobody
		WriteError(w, Invalid("the body is malformed: %v", err))
		return
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		WriteError(w, Invalid("the query is malformed: %v", err))
		return
	}
	c := &Call{Request: r, Operation: o.Name, Body: body, Header: w.Header(), path: names, query: query}
	if authorize != nil {
		if err := authorize(c); err != nil {
			WriteError(w, err)
			return
		}
	}
	answer, err := o.Do(c)
	if err != nil {
		WriteError(w, err)
		return
	}
	writeAnswer(w, answer)
}

func writeAnswer(w http.ResponseWriter, answer any) {
	body, raw := answer.(Raw)
	if !raw && answer != nil {
		var err error
		if body, err = json.Marshal(answer); err != nil {
			WriteError(w, &Error{Status: http.StatusInternalServerError, Type: "InternalFailureException", Message: err.Error()})
			return
		}
	}
	head(w, "application/json")
	_, _ = w.Write(body)
}

func head(w http.ResponseWriter, kind string) {
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", kind)
	}
	w.Header().Set("X-Amzn-Requestid", TraceID())
}

// WriteError answers with an error; one that is not an *Error is a 500.
func WriteError(w http.ResponseWriter, err error) {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		e = &Error{Status: http.StatusInternalServerError, Type: "InternalFailureException", Message: err.Error()}
	}
	members := map[string]string{"message": e.Message, "traceId": TraceID()}
	maps.Copy(members, e.Members)
	body, err := json.Marshal(members)
	if err != nil {
		body = []byte(`{}`)
	}
	w.Header().Set("X-Amzn-Errortype", e.Type)
	w.Header().Del("Content-Type")
	head(w, "application/json")
	w.WriteHeader(e.Status)
	_, _ = w.Write(body)
}

// TraceID returns a new id, in the form of a UUID.
func TraceID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // it does not fail
	s := hex.EncodeToString(b[:])
	return strings.Join([]string{s[:8], s[8:12], s[12:16], s[16:20], s[20:]}, "-")
}

// Page cuts a page out of a sorted list: what follows the token, at most size entries, and the token of the next page, "" after the
// last. key gives the entries' names, which tokens hold. The error is a 400 for a token that is none.
func Page[T any](all []T, token string, size int64, key func(T) string) (page []T, next string, err error) {
	first := 0
	if token != "" {
		after, err := hex.DecodeString(token)
		if err != nil {
			return nil, "", Invalid("nextToken %q is not one of this endpoint's", token)
		}
		for first < len(all) && key(all[first]) <= string(after) {
			first++
		}
	}
	end := min(int64(len(all)), int64(first)+size)
	page = all[first:end]
	if end < int64(len(all)) && len(page) > 0 {
		next = hex.EncodeToString([]byte(key(page[len(page)-1])))
	}
	return page, next, nil
}
