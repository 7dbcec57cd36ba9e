package provisioning

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/portage-iot/awsiot/iotlocal/internal/registry"
)

// MaxTemplateVersions is how many versions a template may have (AWS General Reference, "AWS IoT Core fleet provisioning limits").
const MaxTemplateVersions = 5

// TemplateVersion is one version of a template.
type TemplateVersion struct {
	Number    int
	Body      string
	CreatedAt time.Time
}

// TemplateInfo is a template with its versions.
type TemplateInfo struct {
	Name, Description, RoleARN string
	// HookARN names a pre-provisioning hook that the program around the service finds (Service.FindHooks); "": none of that kind.
	HookARN               string
	Disabled              bool
	Versions              []TemplateVersion // in the order of making
	Default, Last         int               // the version that holds, and the highest number that was given
	CreatedAt, ModifiedAt time.Time
}

func (t *TemplateInfo) clone() TemplateInfo {
	out := *t
	out.Versions = slices.Clone(t.Versions)
	return out
}

// find returns the place of a version; -1 when it is not there.
func (t *TemplateInfo) find(number int) int {
	return slices.IndexFunc(t.Versions, func(v TemplateVersion) bool { return v.Number == number })
}

// versioned is a template that is ready.
type versioned struct {
	TemplateInfo
	hook   Hook // a Go function; nil: none of that kind
	parsed map[int]*template
}

// FindHooks sets what finds the hooks of TemplateInfo.HookARN.
func (s *Service) FindHooks(f func(arn string) (Hook, error)) { s.findHook = f }

// hookOf returns the hook of a template; nil: it has none.
func (s *Service) hookOf(t *versioned) (Hook, error) {
	if t.hook != nil || t.HookARN == "" {
		return t.hook, nil
	}
	if s.findHook == nil {
		return nil, fmt.Errorf("there is no hook %s", t.HookARN)
	}
	return s.findHook(t.HookARN)
}

// prepare checks a template.
func (s *Service) prepare(info TemplateInfo) (*versioned, error) {
	if err := CheckTemplateName(info.Name); err != nil {
		return nil, err
	}
	t := &versioned{TemplateInfo: info.clone(), parsed: map[int]*template{}}
	for _, v := range info.Versions {
		parsed, err := parseTemplate([]byte(v.Body), s.limits)
		if err != nil {
			return nil, fmt.Errorf("template %s: %w", info.Name, err)
		}
		t.parsed[v.Number] = parsed
	}
	if t.parsed[t.Default] == nil {
		return nil, fmt.Errorf("template %s: there is no version %d", info.Name, t.Default)
	}
	return t, nil
}

// NewTemplate makes a template of one version. The error is a *registry.Error of kind Exists, or says what is wrong with the body.
func (s *Service) NewTemplate(info TemplateInfo, body string, now time.Time) error {
	info.Versions, info.Default, info.Last = []TemplateVersion{{1, body, now}}, 1, 1
	info.CreatedAt, info.ModifiedAt = now, now
	t, err := s.prepare(info)
	if err != nil {
		return err
	}
	return s.change(func(d *state) error {
		if old := d.templates.Get(info.Name); old != nil {
			same := registry.SameJSON(string(old.parsed[old.Default].body), body) && old.hook == nil && old.Description == info.Description &&
				old.RoleARN == info.RoleARN && old.HookARN == info.HookARN && old.Disabled == info.Disabled
			return &registry.Error{Kind: registry.Exists, Message: "Provisioning template " + info.Name + " already exists", ID: info.Name,
				Resource: "provisioningtemplate/" + info.Name, Same: same}
		}
		d.templates.Put(info.Name, t)
		return nil
	})
}

func noTemplate(name string) error {
	return &registry.Error{Kind: registry.NotFound, Message: fmt.Sprintf("There is no provisioning template %s", name)}
}

// ChangeTemplate changes a template: everything but its versions, of which only the default can be another one.
func (s *Service) ChangeTemplate(name string, now time.Time, change func(*TemplateInfo)) error {
	return s.change(func(d *state) error {
		t := d.templates.Get(name)
		if t == nil {
			return noTemplate(name)
		}
		info := t.clone()
		change(&info)
		if t.parsed[info.Default] == nil {
			return &registry.Error{Kind: registry.NotFound, Message: fmt.Sprintf("The template %s has no version %d", name, info.Default)}
		}
		changed := &versioned{TemplateInfo: info, hook: t.hook, parsed: t.parsed}
		if changed.ModifiedAt = now; info.HookARN != t.HookARN {
			changed.hook = nil
		}
		d.templates.Put(name, changed)
		return nil
	})
}

// AddTemplateVersion adds a version, which becomes the default one or not, and returns its number.
func (s *Service) AddTemplateVersion(name, body string, asDefault bool, now time.Time) (number int, err error) {
	parsed, err := parseTemplate([]byte(body), s.limits)
	if err != nil {
		return 0, fmt.Errorf("template %s: %w", name, err)
	}
	err = s.change(func(d *state) error {
		t := d.templates.Get(name)
		switch {
		case t == nil:
			return noTemplate(name)
		case len(t.Versions) >= MaxTemplateVersions:
			return &registry.Error{Kind: registry.VersionsLimit, Message: fmt.Sprintf("The template %s already has the maximum number of versions (%d)", name, MaxTemplateVersions)}
		}
		number = d.add(t, parsed, body, asDefault, now)
		return nil
	})
	return number, err
}

// add adds a version to a template.
func (s *state) add(t *versioned, parsed *template, body string, asDefault bool, now time.Time) int {
	t = &versioned{TemplateInfo: t.clone(), hook: t.hook, parsed: maps.Clone(t.parsed)}
	t.Last++
	t.Versions = append(t.Versions, TemplateVersion{t.Last, body, now})
	t.parsed[t.Last] = parsed
	if t.ModifiedAt = now; asDefault {
		t.Default = t.Last
	}
	s.templates.Put(t.Name, t)
	return t.Last
}

// DeleteTemplateVersion forgets a version that is not the default one.
func (s *Service) DeleteTemplateVersion(name string, number int, now time.Time) error {
	return s.change(func(d *state) error {
		t := d.templates.Get(name)
		switch {
		case t == nil:
			return noTemplate(name)
		case t.find(number) < 0:
			return &registry.Error{Kind: registry.NotFound, Message: fmt.Sprintf("The template %s has no version %d", name, number)}
		case t.Default == number:
			return &registry.Error{Kind: registry.InUse, Message: "Cannot delete the default version of a template"}
		}
		changed := &versioned{TemplateInfo: t.clone(), hook: t.hook, parsed: maps.Clone(t.parsed)}
		changed.Versions = slices.Delete(changed.Versions, t.find(number), t.find(number)+1)
		delete(changed.parsed, number)
		changed.ModifiedAt = now
		d.templates.Put(name, changed)
		return nil
	})
}

// TemplateInfos returns the templates with their versions, sorted by name.
func (s *Service) TemplateInfos() (out []TemplateInfo) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for t := range s.state.templates.Sorted() {
		out = append(out, t.clone())
	}
	return out
}

// TemplateInfo returns a template with its versions.
func (s *Service) TemplateInfo(name string) (TemplateInfo, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	t := s.state.templates.Get(name)
	if t == nil {
		return TemplateInfo{}, false
	}
	return t.clone(), true
}
