package tables

import "sync"

// Change is what a transaction does to one value: Value takes its place, or with nil it is gone.
type Change struct {
	Kind, Key string
	Value     any // as package json encodes it
}

// Journal runs the transactions. The zero value keeps nothing.
type Journal struct {
	writing sync.Mutex
	keep    func([]Change) error
}

// Keep sets what keeps the changes of a transaction, all or none of them, before they are made. It is called before Do is.
func (j *Journal) Keep(keep func([]Change) error) { j.keep = keep }

// Do runs a transaction: f works on drafts and joins them. An error of f, or of keeping, is that of Do, and nothing has changed.
// f must not call Do.
func (j *Journal) Do(f func(*Tx) error) error {
	j.writing.Lock()
	defer j.writing.Unlock()
	var tx Tx
	if err := f(&tx); err != nil {
		return err
	}
	var changes []Change
	for _, s := range tx.stores {
		for _, d := range s.drafts {
			changes = d.changes(changes)
		}
	}
	if j.keep != nil && len(changes) > 0 {
		if err := j.keep(changes); err != nil {
			return err
		}
	}
	for _, s := range tx.stores {
		s.install()
	}
	return nil
}

// Tx is a transaction.
type Tx struct{ stores []joined }

// joined is what a transaction does to one store.
type joined struct {
	lock   sync.Locker
	then   func()
	drafts []Draft
}

// Draft is a draft of any table.
type Draft interface {
	changes([]Change) []Change
	install()
}

// Join makes the drafts of a store a part of the transaction: they become the store's with lock held, then then is called, which may
// be nil, with lock held as well.
func (tx *Tx) Join(lock sync.Locker, then func(), drafts ...Draft) {
	tx.stores = append(tx.stores, joined{lock, then, drafts})
}

func (s *joined) install() {
	s.lock.Lock()
	defer s.lock.Unlock()
	for _, d := range s.drafts {
		d.install()
	}
	if s.then != nil {
		s.then()
	}
}
