package registry

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/portage-iot/awsiot/iotlocal/internal/tables"
)

// Thing is a thing.
type Thing struct {
	Name         string            `json:"name"`
	ID           string            `json:"id"` // in the form of a UUID
	Type         string            `json:"type,omitempty"`
	Attributes   map[string]string `json:"attributes,omitempty"`
	BillingGroup string            `json:"billingGroup,omitempty"`
	Version      int64             `json:"version"`              // of type and attributes, from 1
	Principals   []string          `json:"principals,omitempty"` // attached to it, in the order of attaching
	Groups       []string          `json:"groups,omitempty"`     // that it is in, sorted, without those above them
}

func (t *Thing) clone() *Thing {
	out := *t
	out.Attributes, out.Principals, out.Groups = maps.Clone(t.Attributes), slices.Clone(t.Principals), slices.Clone(t.Groups)
	return &out
}

// Type is a type of things.
type Type struct {
	Name        string    `json:"name"`
	ID          string    `json:"id"`
	Description string    `json:"description,omitempty"`
	Searchable  []string  `json:"searchable,omitempty"` // names of attributes
	CreatedAt   time.Time `json:"createdAt"`
	// DeprecatedAt is when it was deprecated: no thing can get it any more. Zero: it is not.
	DeprecatedAt time.Time `json:"deprecatedAt,omitzero"`
}

func (t *Type) clone() *Type {
	out := *t
	out.Searchable = slices.Clone(t.Searchable)
	return &out
}

// Group is a group of things.
type Group struct {
	Name        string            `json:"name"`
	ID          string            `json:"id"`
	Parent      string            `json:"parent,omitempty"`
	Description string            `json:"description,omitempty"`
	Attributes  map[string]string `json:"attributes,omitempty"`
	Version     int64             `json:"version"`
	CreatedAt   time.Time         `json:"createdAt"`
}

func (g *Group) clone() *Group {
	out := *g
	out.Attributes = maps.Clone(g.Attributes)
	return &out
}

// Status is that of a certificate.
type Status uint8

// The statuses. Only Active may connect.
const (
	Inactive Status = iota
	Active
	Revoked
)

var statusNames = [...]string{"INACTIVE", "ACTIVE", "REVOKED"}

// String returns the name of the API.
func (s Status) String() string {
	if int(s) < len(statusNames) {
		return statusNames[s]
	}
	return "Status?"
}

// Certificate is one that the account knows.
type Certificate struct {
	ID         string    `json:"id"` // SHA-256 in hexadecimal
	PEM        string    `json:"pem"`
	Status     Status    `json:"status"`
	CreatedAt  time.Time `json:"createdAt"`
	ModifiedAt time.Time `json:"modifiedAt"`
	Version    int64     `json:"version"`
	Foreign    bool      `json:"foreign,omitempty"` // the server's CA has not signed it
}

func (c *Certificate) clone() *Certificate {
	out := *c
	return &out
}

// Policy is a policy with its versions.
type Policy struct {
	Name       string          `json:"name"`
	Versions   []PolicyVersion `json:"versions"` // in the order of making
	Default    int             `json:"default"`  // the version that holds
	Last       int             `json:"last"`     // the highest number that was given
	CreatedAt  time.Time       `json:"createdAt"`
	ModifiedAt time.Time       `json:"modifiedAt"`
	// Brought: a provisioning template has, and nobody else; such a policy does not make others necessary.
	Brought bool `json:"brought,omitempty"`
}

// PolicyVersion is one version.
type PolicyVersion struct {
	Number    int       `json:"number"`
	Document  string    `json:"document"`
	CreatedAt time.Time `json:"createdAt"`
}

func (p *Policy) clone() *Policy {
	out := *p
	out.Versions = slices.Clone(p.Versions)
	return &out
}

// find returns a version.
func (p *Policy) find(number int) *PolicyVersion {
	for i := range p.Versions {
		if p.Versions[i].Number == number {
			return &p.Versions[i]
		}
	}
	return nil
}

// checkDefault checks that the default version is there.
func (p *Policy) checkDefault() error {
	if p.find(p.Default) == nil {
		return fmt.Errorf("it has no version %d", p.Default)
	}
	return nil
}

// DefaultDocument returns the document of the default version.
func (p *Policy) DefaultDocument() string { return p.find(p.Default).Document }

// state is everything, or a draft of it.
type state struct {
	things       *tables.Table[*Thing]
	types        *tables.Table[*Type]
	groups       *tables.Table[*Group]
	certificates *tables.Table[*Certificate]
	deleted      *tables.Table[bool] // ids of certificates that were deleted: the CA has signed them, and they must not be let in
	policies     *tables.Table[*Policy]
	attached     *tables.Table[[]string] // targets to names of policies, sorted, which need not be there
	foreign      bool                    // in a draft: a certificate that another CA has signed has come or gone
}

// The kinds of what is kept.
const (
	KindThing       = "thing"
	KindType        = "type"
	KindGroup       = "group"
	KindCertificate = "certificate"
	KindDeleted     = "deleted"
	KindPolicy      = "policy"
	KindAttached    = "attached"
)

func newState() state {
	return state{things: tables.New[*Thing](KindThing, nil), types: tables.New[*Type](KindType, nil), groups: tables.New[*Group](KindGroup, nil),
		certificates: tables.New[*Certificate](KindCertificate, nil), deleted: tables.New[bool](KindDeleted, nil),
		policies: tables.New[*Policy](KindPolicy, nil), attached: tables.New[[]string](KindAttached, nil)}
}

// Registry is the registry of an account. Make one with New. It is safe for concurrent use, and calls nothing while it is locked.
type Registry struct {
	journal  *tables.Journal
	mu       sync.RWMutex // of state, whose values are never changed in place
	state    state
	version  atomic.Uint64
	foreign  atomic.Uint64 // version of the certificates that others have signed
	enforced atomic.Bool
	moved    atomic.Pointer[func([]Move)]
}

// New returns an empty registry whose changes are transactions of a journal; nil is one that keeps nothing.
func New(j *tables.Journal) *Registry {
	if j == nil {
		j = &tables.Journal{}
	}
	return &Registry{journal: j, state: newState()}
}

// Journal returns the journal.
func (r *Registry) Journal() *tables.Journal { return r.journal }

// look reads the state. The values that it returns must be cloned.
func (r *Registry) look(f func(*state)) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	f(&r.state)
}

// change runs a transaction. An error of it, or that it cannot be kept, leaves everything as it was.
func (r *Registry) change(f func(*state) error) error {
	return r.journal.Do(func(tx *tables.Tx) error { return r.within(tx, f) })
}

// within changes the registry in a transaction.
func (r *Registry) within(tx *tables.Tx, f func(*state) error) error {
	s := &r.state
	d := state{things: s.things.Draft(), types: s.types.Draft(), groups: s.groups.Draft(), certificates: s.certificates.Draft(),
		deleted: s.deleted.Draft(), policies: s.policies.Draft(), attached: s.attached.Draft()}
	tx.Join(&r.mu, func() { r.changed(&d) }, d.things, d.types, d.groups, d.certificates, d.deleted, d.policies, d.attached)
	return f(&d)
}

// changed takes note of a change; d is its draft, or nil for any. The lock is held.
func (r *Registry) changed(d *state) {
	if d == nil || d.policies.Changed() {
		enforced := false
		for _, p := range r.state.policies.All() {
			enforced = enforced || !p.Brought
		}
		r.enforced.Store(enforced)
	}
	if d == nil || d.foreign {
		r.foreign.Add(1)
	}
	r.version.Add(1)
}

// Version counts the changes.
func (r *Registry) Version() uint64 { return r.version.Load() }

// ForeignVersion counts the changes after which Foreign may return something else.
func (r *Registry) ForeignVersion() uint64 { return r.foreign.Load() }

// Enforced reports whether there is a policy that somebody has made.
func (r *Registry) Enforced() bool { return r.enforced.Load() }

// Restorers put in what was kept, by kind; nobody uses the registry yet. check says what is wrong with a policy.
func (r *Registry) Restorers(check func(*Policy) error) map[string]func(key string, text []byte) error {
	s := &r.state
	all := map[string]func(key string, text []byte) error{
		KindThing:       reader(s.things, func(t *Thing) string { return t.Name }),
		KindType:        reader(s.types, func(t *Type) string { return t.Name }),
		KindGroup:       reader(s.groups, func(g *Group) string { return g.Name }),
		KindCertificate: reader(s.certificates, func(c *Certificate) string { return c.ID }),
		KindPolicy:      reader(s.policies, func(p *Policy) string { return p.Name }, (*Policy).checkDefault, check),
		KindDeleted:     func(key string, text []byte) error { return s.deleted.Read(key, text, nil) },
		KindAttached:    func(key string, text []byte) error { return s.attached.Read(key, text, nil) },
	}
	for kind, restore := range all {
		all[kind] = func(key string, text []byte) error {
			r.mu.Lock()
			defer r.mu.Unlock()
			defer r.changed(nil)
			return restore(key, text)
		}
	}
	return all
}

// reader puts values into a table that are of the name they were kept under.
func reader[V any](t *tables.Table[*V], name func(*V) string, checks ...func(*V) error) func(key string, text []byte) error {
	return func(key string, text []byte) error {
		return t.Read(key, text, func(v *V) error {
			if v == nil || name(v) != key {
				return errors.New("it is of another name")
			}
			for _, check := range checks {
				if err := check(v); err != nil {
					return err
				}
			}
			return nil
		})
	}
}

// Move says that a thing has come into a group, or has left it. A thing of a group is one of the groups above, too.
type Move struct {
	Thing, Group string
	Joined       bool
}

// OnMove sets what is called after things have come and gone, on the goroutine that made them and without the lock.
func (r *Registry) OnMove(f func([]Move)) { r.moved.Store(&f) }

func (r *Registry) tell(all []Move) {
	if f := r.moved.Load(); f != nil && len(all) > 0 {
		(*f)(all)
	}
}
