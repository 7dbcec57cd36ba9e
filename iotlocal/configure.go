package iotlocal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/portage-iot/awsiot/iotlocal/internal/control"
	"github.com/portage-iot/awsiot/iotlocal/internal/registry"
	"github.com/portage-iot/awsiot/iotlocal/internal/rest"
)

// ConfigError is why Configure has stopped: at which line of the text, and in which operation; what stands before has been done.
type ConfigError struct {
	Line      int
	Operation string // "" when the text is no list of operations
	Err       error
}

// Error names line, operation and cause.
func (e *ConfigError) Error() string {
	if e.Operation == "" {
		return fmt.Sprintf("iotlocal: configuration: line %d: %v", e.Line, e.Err)
	}
	return fmt.Sprintf("iotlocal: configuration: line %d: %s: %v", e.Line, e.Operation, e.Err)
}

// Unwrap returns the cause.
func (e *ConfigError) Unwrap() error { return e.Err }

// newThingOperation is the one operation of a configuration that AWS has not.
const newThingOperation = "NewThing"

// placeholder stands in a configuration for what only the server knows.
var placeholder = regexp.MustCompile(`\$\{iotlocal:([^}]*)\}`)

// Configure does operations of AWS's control API, one after the other: things, groups, policies, certificates, templates, authorizers,
// topic rules, jobs. The text is a JSON list of objects, each with the member operation and the members of its request, all of them
// by their names in the API:
//
//	[{"operation": "NewThing", "thingName": "lamp"},
//	 {"operation": "CreatePolicy", "policyName": "p", "policyDocument": {"Version": "2012-10-17", "Statement": []}},
//	 {"operation": "AttachPolicy", "policyName": "p", "target": "${iotlocal:certificate/lamp}"}]
//
// NewThing is Server.NewThing, with the files NAME.pem and NAME.key; ${iotlocal:certificate/NAME} in a text is the ARN of that
// certificate, and ${iotlocal:RESOURCE}, as thing/lamp or thinggroup/lamps, that of another resource. Documents that the API takes
// as text (policyDocument, templateBody, document of a job) may be objects. A resource that is there already, as after a restart
// with StateDir, stays as it is; when it is another one than the text says, Options.Logger is told so, at warning level. So does a
// version of a policy or template with the document that is to be added; with setAsDefault it is made the default one. Operations that only read are refused. With StateDir it is kept once, at the
// end, up to an error if there is one. The error is a *ConfigError.
func (s *Server) Configure(text []byte) error { return s.ConfigureContext(context.Background(), text) }

// ConfigureContext is Configure that stops before the next operation when ctx ends.
func (s *Server) ConfigureContext(ctx context.Context, text []byte) error {
	entries, line, err := control.ParseEntries(text)
	if err != nil {
		return &ConfigError{Line: line, Err: err}
	}
	runner, err := control.NewRunner(control.Options{Region: s.policies.region, Account: AccountID}, (&controlAPI{s: s, earlier: map[string]*earlierVersions{}}).handlers())
	if err != nil {
		return err
	}
	changes := append(runner.Changes(), newThingOperation)
	kept := s.state.together()
	done := func(e control.Entry, err error) error {
		if unkept := kept(); unkept != nil {
			err = errors.Join(err, fmt.Errorf("what was done is not kept over a restart: %w", unkept))
		}
		if err == nil {
			return nil
		}
		return &ConfigError{e.Line, e.Operation, err}
	}
	var last control.Entry
	for _, e := range entries {
		if ctx.Err() != nil {
			return done(e, fmt.Errorf("not done any more: %w", context.Cause(ctx)))
		}
		if !slices.Contains(changes, e.Operation) {
			return done(e, fmt.Errorf("not an operation that changes something here; there are %s", strings.Join(changes, ", ")))
		}
		if err := s.configure(runner, e); err != nil {
			return done(e, err)
		}
		last = e
	}
	return done(last, nil)
}

func (s *Server) configure(runner *control.Runner, e control.Entry) error {
	for name, raw := range e.Input {
		var err error
		if e.Input[name], err = s.fill(runner, name, raw); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if e.Operation == newThingOperation {
		var name string
		if err := json.Unmarshal(e.Input["thingName"], &name); err != nil || len(e.Input) != 1 {
			return errors.New("want the member thingName, and no other")
		}
		_, err := s.NewThing(name)
		return err
	}
	_, err := runner.Run(e.Operation, e.Input)
	there, ok := errors.AsType[*rest.Error](err)
	if !ok || there.Type != control.AlreadyExists {
		return err
	}
	if !there.Same { // else it was made so before
		s.log.Warn("iotlocal: configuration: what is there already stays, and differs from what the configuration says: change it by another operation, or delete it before",
			"line", e.Line, "operation", e.Operation, "resource", there.Members["resourceArn"])
	}
	return nil
}

// earlierVersions are the versions that a policy or template had before a configuration adds one.
type earlierVersions struct {
	last int   // the number of the newest
	met  []int // those that an entry of the configuration stands for
}

// versionOf returns the version that an entry of a configuration has made when it was done before: one of its document that no
// other entry stands for. The first version is that of the entry that makes the resource.
func (a *controlAPI) versionOf(resource, document string, versions []registry.PolicyVersion) (number int, ok bool) {
	if a.earlier == nil || len(versions) == 0 {
		return 0, false
	}
	e := a.earlier[resource]
	if e == nil {
		e = &earlierVersions{last: versions[len(versions)-1].Number}
		a.earlier[resource] = e
	}
	for _, v := range versions {
		if v.Number > 1 && v.Number <= e.last && !slices.Contains(e.met, v.Number) && registry.SameJSON(v.Document, document) {
			e.met = append(e.met, v.Number)
			return v.Number, true
		}
	}
	return 0, false
}

// textMembers hold JSON as text in the API.
var textMembers = []string{"policyDocument", "templateBody", "document"}

// fill puts in what placeholders stand for, and makes text of objects that have to be.
func (s *Server) fill(runner *control.Runner, name string, raw json.RawMessage) (json.RawMessage, error) {
	var err error
	raw = placeholder.ReplaceAllFunc(raw, func(found []byte) []byte {
		resource := string(placeholder.FindSubmatch(found)[1])
		if thing, ok := strings.CutPrefix(resource, "certificate/"); ok {
			id, known := s.identity(thing)
			if !known {
				err = fmt.Errorf("${iotlocal:%s}: no %s has made the thing before", resource, newThingOperation)
			}
			resource = "cert/" + id
		}
		arn, bad := json.Marshal(runner.ARN(resource))
		if bad != nil {
			err = bad
			return found
		}
		return arn[1 : len(arn)-1]
	})
	if err != nil {
		return nil, err
	}
	if slices.Contains(textMembers, name) && len(raw) > 0 && raw[0] == '{' {
		return json.Marshal(string(raw))
	}
	return raw, nil
}

// identity returns the id of the certificate that NewThing has made for a thing.
func (s *Server) identity(thing string) (id string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id, ok = s.made[thing]
	return id, ok
}
