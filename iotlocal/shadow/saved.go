package shadow

import (
	"encoding/json"
	"errors"
	"fmt"
)

// saved is a shadow as it is kept. One that was deleted is kept too, for its version.
type saved struct {
	Thing        string `json:"thing"`
	Name         string `json:"name,omitempty"`
	Version      int64  `json:"version"`
	Exists       bool   `json:"exists,omitempty"`
	Desired      object `json:"desired,omitempty"`
	DesiredMeta  object `json:"desiredMetadata,omitempty"`
	Reported     object `json:"reported,omitempty"`
	ReportedMeta object `json:"reportedMetadata,omitempty"`
}

// Keep makes every change be kept before it is answered: keep gets the shadow as JSON, which Restore takes. When it fails the
// request is refused with code 500, and nothing has changed.
func (s *Service) Keep(keep func(id ID, saved []byte) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keep = keep
}

// save has a document kept.
func (s *Service) save(id ID, d *Document) *Error {
	if s.keep == nil {
		return nil
	}
	text := encode(saved{id.Thing, id.Name, d.version, d.exists, d.desired.state, d.desired.meta, d.reported.state, d.reported.meta})
	if err := s.keep(id, text); err != nil {
		return refuse(500, "Internal service failure: the change cannot be kept: %v", err)
	}
	return nil
}

// Restore puts in a shadow that was kept. The error says what is wrong with it.
func (s *Service) Restore(text []byte) error {
	fields, refused := decode(text)
	if refused != nil {
		return errors.New(refused.Message)
	}
	var v saved
	if err := json.Unmarshal(text, &v); err != nil {
		return err
	}
	for name, to := range map[string]*object{"desired": &v.Desired, "desiredMetadata": &v.DesiredMeta, "reported": &v.Reported, "reportedMetadata": &v.ReportedMeta} {
		*to, _ = fields[name].(object) // with numbers as they were written
	}
	switch {
	case v.Thing == "" || v.Version < 1:
		return fmt.Errorf("no shadow has the thing %q and the version %d", v.Thing, v.Version)
	case !v.Exists && (v.Desired != nil || v.Reported != nil):
		return errors.New("a shadow that does not exist has state")
	case !sameKeys(v.Desired, v.DesiredMeta) || !sameKeys(v.Reported, v.ReportedMeta):
		return errors.New("the metadata is not that of the state")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.docs[ID{v.Thing, v.Name}] = &Document{section{v.Desired, v.DesiredMeta}, section{v.Reported, v.ReportedMeta}, v.Exists, v.Version}
	return nil
}

func sameKeys(state, meta object) bool {
	if len(state) != len(meta) {
		return false
	}
	for k := range state {
		if _, ok := meta[k]; !ok {
			return false
		}
	}
	return true
}
