package iotlocal

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/portage-iot/awsiot/iotlocal/internal/statedir"
	"github.com/portage-iot/awsiot/iotlocal/internal/tables"
	"github.com/portage-iot/awsiot/iotlocal/jobs"
	"github.com/portage-iot/awsiot/iotlocal/shadow"
)

// ErrStateLocked is wrapped by the error of Start when another server uses Options.StateDir.
var ErrStateLocked = statedir.ErrLocked

const (
	// certsDir holds the certificates in a state directory, unless Options.Dir says otherwise.
	certsDir = "certs"
	// syncAfter is how long what is written may wait until it is safe from a power failure, where nobody waits for that.
	syncAfter = time.Second
)

// state keeps what the server knows in a directory. A nil state keeps nothing.
type state struct {
	dir *statedir.Dir
	log *slog.Logger
	// durable returns when everything that was written before survives a power failure. No lock is held meanwhile but that of the
	// journal, for which only changes of the account wait.
	durable func() error
	batches atomic.Int64 // under way, see together

	mu sync.Mutex // never held for the disk
	// syncing is the timer of the next sync, if one is due.
	syncing *time.Timer
	shut    bool
	ended   sync.WaitGroup // of syncing
}

func openState(path string, log *slog.Logger) (*state, error) {
	if path == "" {
		return nil, nil
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	dir, err := statedir.Open(path)
	if err != nil {
		return nil, err
	}
	return &state{dir: dir, log: log, durable: dir.Sync}, nil
}

// loadState puts what was kept into the services, and has them keep what changes from now on. Nothing runs yet.
func (s *Server) loadState() error {
	k := s.state
	if k == nil {
		return nil
	}
	sum := sha256.Sum256(s.ca.cert.Raw)
	ca, err := statedir.Put(kindEndpoint, "ca", hex.EncodeToString(sum[:]))
	if err != nil {
		return err
	}
	known := false
	endpoint := restorer{kindEndpoint, func(key string, text []byte) error {
		if known = true; key != ca.Key || !bytes.Equal(ca.Value, text) {
			return fmt.Errorf("the certificates of this state are of another CA than %s", s.CAFile())
		}
		return nil
	}}
	for _, row := range append([]restorer{endpoint}, s.restorers()...) {
		for key, text := range k.dir.Load(row.kind) {
			if err := row.restore(key, text); err != nil {
				return k.dir.Bad(row.kind, key, err)
			}
		}
	}
	if err := k.dir.Loaded(); err != nil {
		return err
	}
	s.registry.Journal().Keep(k.keep)
	s.shadows.service.Keep(func(id shadow.ID, saved []byte) error {
		return k.commit(statedir.Change{Kind: kindShadow, Key: id.Thing + "/" + id.Name, Value: saved})
	})
	s.jobs.service.Keep(func(records []jobs.Record) error {
		var changes []statedir.Change
		for _, r := range records {
			kind := kindJob
			if r.OfThing() {
				kind = kindThingJob
			}
			changes = append(changes, statedir.Change{Kind: kind, Key: r.Key, Value: r.Value})
		}
		return k.commit(changes...)
	})
	s.broker.Wake() // sessions may have expired meanwhile
	if known {
		return nil
	}
	return k.commit(ca)
}

// unkeptError says that a change was not made, since it cannot be kept.
type unkeptError struct{ err error }

// Error returns the text of the cause.
func (e *unkeptError) Error() string { return e.err.Error() }

// Unwrap returns the cause.
func (e *unkeptError) Unwrap() error { return e.err }

// commit keeps changes, all or none of them. When it returns they survive a power failure, unless a batch is under way.
func (k *state) commit(changes ...statedir.Change) error {
	err := k.dir.Write(changes...)
	if err == nil && k.batches.Load() == 0 {
		err = k.durable()
	}
	if err != nil {
		k.log.Warn("iotlocal: a change is not made: it cannot be kept over a restart", "error", err)
		return &unkeptError{err}
	}
	return nil
}

// keep is that of the journal.
func (k *state) keep(all []tables.Change) (err error) {
	changes := make([]statedir.Change, len(all))
	for i, c := range all {
		if changes[i] = statedir.Delete(c.Kind, c.Key); c.Value == nil {
			continue
		}
		if changes[i], err = statedir.Put(c.Kind, c.Key, c.Value); err != nil {
			return err
		}
	}
	return k.commit(changes...)
}

// together begins a batch: what is committed survives the process, and once the function it returns has been called, without an
// error, a power failure.
func (k *state) together() (done func() error) {
	if k == nil {
		return func() error { return nil }
	}
	k.batches.Add(1)
	return func() error {
		k.batches.Add(-1)
		return k.Sync()
	}
}

// Write is the broker's: the change survives the process, and after syncAfter a power failure.
func (k *state) Write(kind, key string, value []byte) error {
	if err := k.dir.Write(statedir.Change{Kind: kind, Key: key, Value: value}); err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.syncing == nil && !k.shut {
		k.ended.Add(1)
		k.syncing = time.AfterFunc(syncAfter, k.sync)
	}
	return nil
}

// Sync is the broker's.
func (k *state) Sync() error {
	if k == nil {
		return nil
	}
	return k.durable()
}

func (k *state) sync() {
	defer k.ended.Done()
	k.mu.Lock()
	k.syncing = nil
	k.mu.Unlock()
	if err := k.durable(); err != nil {
		k.log.Warn("iotlocal: what has changed is not kept over a restart", "error", err)
	}
}

// close keeps what is left and releases the directory.
func (k *state) close() error {
	if k == nil {
		return nil
	}
	k.mu.Lock()
	k.shut = true
	if k.syncing != nil && k.syncing.Stop() {
		k.ended.Done()
	}
	k.mu.Unlock()
	k.ended.Wait()
	return k.dir.Close()
}

// stateCerts returns where the certificates are when only a state directory is given.
func stateCerts(dir, stateDir string) string {
	if dir == "" && stateDir != "" {
		return filepath.Join(stateDir, certsDir)
	}
	return dir
}
