package awsiot

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/portage-iot/awsiot/v2/internal/journal"
	"github.com/portage-iot/awsiot/v2/internal/wire"
)

// Store keeps publishes that are queued or unacknowledged across the end of the process. nil is
// memory. The one there is comes from NewFileStore.
type Store interface {
	open() (*journal.Journal, []journal.Record, error)
}

// NewFileStore returns a Store in a directory, which Start opens, makes if need be, and locks,
// and Stop and Close release.
//
// What it keeps: every QoS 1 publish from its acceptance to its acknowledgement, and, with
// KeepAll, QoS 0 publishes that are accepted without a connection. What a stopped client accepts
// is written at the next Start. They survive the death of the process (of the machine only as far
// as the operating system had written them). Start sends what it finds, before anything else, as
// new messages: a message that was on its way may arrive twice. Operations that end with
// ErrStopped or ErrClosed stay in the store, for the next Start. Subscribes are not kept: their
// handlers cannot be. What Start finds counts against MaxOperations and MaxBytes as other
// operations do: with DropOldest, a publish that finds the queue above them makes room.
//
// Errors: Start returns one that wraps ErrStoreLocked when another client or process has the
// directory, and one that names the file when it cannot be read or written. A publish is refused
// with ErrQueueFull when the store holds 256 MiB, and with the file's error when the disk is
// full. Damaged records are left out and logged.
func NewFileStore(dir string) Store { return fileStore(dir) }

// ErrStoreLocked: the directory of the Store is in use by another client or process.
var ErrStoreLocked = journal.ErrLocked

type fileStore string

func (s fileStore) open() (*journal.Journal, []journal.Record, error) {
	if s == "" {
		return nil, nil, invalid("Store", "NewFileStore needs a directory")
	}
	return journal.Open(string(s), journal.Options{})
}

// stampSize is the head of a record: when it was accepted, in Unix milliseconds; the packet follows.
const stampSize = 8

// keep puts a publish into the store before it is taken on, and returns the number of its record;
// 0: none. mu is not held.
func (c *Client) keep(p *PublishPacket) (rec uint64, err error) {
	j := c.journal.Load()
	if j == nil || p.QoS == AtMostOnce && (c.options().OfflineQueue.Behavior != KeepAll || c.State() == StateConnected) {
		return 0, nil
	}
	id, err := j.Append(record(wire.AppendPublish(nil, p.Topic, byte(p.QoS), p.Retain, false, 0, p.properties(), p.Payload)))
	switch {
	case errors.Is(err, journal.ErrFull):
		return 0, fmt.Errorf("%w: %w", ErrQueueFull, err)
	case errors.Is(err, journal.ErrClosed):
		return 0, nil // stopped meanwhile: the queue in memory is left, as for every publish while stopped
	}
	return id, err
}

func record(packet []byte) []byte {
	b := binary.LittleEndian.AppendUint64(make([]byte, 0, stampSize+len(packet)), uint64(time.Now().UnixMilli()))
	return append(b, packet...)
}

// discard takes a publish that was not taken on after all out of the store; mu is not held.
func (c *Client) discard(rec uint64) {
	if rec != 0 {
		c.removeRecords([]uint64{rec})
	}
}

// removeRecords removes what has ended; mu is not held.
func (c *Client) removeRecords(ids []uint64) {
	if j := c.journal.Load(); j != nil {
		if err := j.Remove(ids...); err != nil && !errors.Is(err, journal.ErrClosed) {
			c.log.Warn("removing from the store failed; the messages may be sent again by the next process", slog.Any("error", err))
		}
	}
}

// openStore opens the store for a Start, and puts what it holds at the head of the queue.
func (c *Client) openStore() error {
	if c.options().Store == nil {
		return nil
	}
	j, records, err := c.options().Store.open()
	if err != nil {
		var ve *ValidationError
		if errors.As(err, &ve) {
			return err
		}
		return fmt.Errorf("awsiot: %w", err) // which names the store
	}
	for _, loss := range j.Losses() {
		if loss.Torn { // what a killed process was writing: no call had succeeded for it
			c.log.Debug("the store ends in an unfinished record", slog.String("loss", loss.String()))
			continue
		}
		c.log.Warn("the store was damaged", slog.String("loss", loss.String()))
	}
	mine, err := c.keepQueued(j, records)
	if err != nil {
		return errors.Join(fmt.Errorf("awsiot: %w", err), j.Close())
	}
	c.journal.Store(j)
	c.mu.Lock()
	defer c.unlock()
	front := c.queue.head
	for _, r := range records {
		if mine[r.ID] {
			continue
		}
		o, ok := c.restore(r)
		if !ok {
			c.note(slog.LevelError, "the store holds a record that is no publish; it is left out", slog.Uint64("record", r.ID))
			c.forgotten = append(c.forgotten, r.ID)
			continue
		}
		c.accept(o)
		o.accepted -= c.aged(r)
		c.queue.insert(o, front)
	}
	return nil
}

// restore makes the operation of a record.
func (c *Client) restore(r journal.Record) (*operation, bool) {
	if len(r.Data) < stampSize {
		return nil, false
	}
	packet := r.Data[stampSize:]
	wire.SetPublishID(packet, 1) // an identifier of 0 would be malformed; send sets the real one
	f, need, err := wire.Next(packet, 0)
	var p wire.InPublish
	if err != nil || need > 0 || len(f.Raw) != len(packet) || wire.ParsePublish(f, &p) != nil || p.QoS > 1 {
		return nil, false
	}
	o := &operation{}
	o.kind, o.buf, o.size, o.rec, o.paced = opPublish0, packet, len(packet), r.ID, true
	if p.QoS == 1 {
		o.kind = opPublish1
	}
	if p.Props != nil && p.Props.MessageExpiry != nil {
		o.expires, o.expiry = true, time.Duration(*p.Props.MessageExpiry)*time.Second
	}
	return o, true
}

// aged is how long ago a record was written, by the wall clock; 0 if that went backwards.
func (c *Client) aged(r journal.Record) time.Duration {
	return max(0, time.Since(time.UnixMilli(int64(binary.LittleEndian.Uint64(r.Data)))))
}

// keepQueued puts the publishes that were made before Start into the store, unless they are among its records: a publish
// that a Stop has overtaken between the store and the queue. It returns the numbers of these records.
func (c *Client) keepQueued(j *journal.Journal, records []journal.Record) (mine map[uint64]bool, err error) {
	ops, packets, mine := c.unkept(records)
	if len(ops) == 0 {
		return mine, nil
	}
	first, err := j.AppendBatch(packets...)
	if err != nil {
		return nil, err
	}
	c.recorded(ops, first)
	return mine, nil
}

// unkeptOp is a queued publish that the store lacks. Operations are used again, so seq tells whether it is still that one.
type unkeptOp struct {
	o   *operation
	seq uint64
}

// unkept returns the queued publishes that the store lacks, with what it is to hold of them, and the numbers of the
// records that it has of others. mu is not held.
func (c *Client) unkept(records []journal.Record) (ops []unkeptOp, packets [][]byte, mine map[uint64]bool) {
	kept := make(map[uint64]bool, len(records))
	for _, r := range records {
		kept[r.ID] = true
	}
	mine = map[uint64]bool{}
	c.mu.Lock()
	defer c.mu.Unlock()
	for o := c.queue.head; o != nil; o = o.next {
		if o.rec != 0 && kept[o.rec] {
			mine[o.rec] = true
		} else if o.sub == nil {
			ops = append(ops, unkeptOp{o, o.seq})
			packets = append(packets, record(o.buf))
		}
	}
	return ops, packets, mine
}

// recorded gives ops the numbers of their records, from first on. One that was cancelled while they were written has
// none: its record goes again. mu is not held.
func (c *Client) recorded(ops []unkeptOp, first uint64) {
	c.mu.Lock()
	defer c.unlock()
	for i, q := range ops {
		id := first + uint64(i)
		if q.o.phase == phaseQueued && q.o.seq == q.seq {
			q.o.rec = id
		} else {
			c.forgotten = append(c.forgotten, id)
		}
	}
}

// closeStore releases the store; mu is not held.
func (c *Client) closeStore() {
	if j := c.journal.Swap(nil); j != nil {
		if err := j.Close(); err != nil {
			c.log.Error("closing the store failed", slog.Any("error", err))
		}
	}
}
