package main

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"sync"
)

// What is known of a message.
const (
	taken   = 1 << iota // the broker took it
	acked               // its publish succeeded
	seen                // its subscriber had it
	excused             // the subscriber's session was lost meanwhile: it need not be seen
)

// ledger knows every message of every publisher.
type ledger struct {
	mu         sync.Mutex
	messages   [][]byte // by publisher and number: the bits above
	losing     bool     // sessions are being lost, or subscriptions made again
	twiceTaken int      // the broker took a message again
	twiceSeen  int      // a subscriber had a message again
	received   int
	strange    []string // what should not happen at all
}

func newLedger(publishers int) *ledger { return &ledger{messages: make([][]byte, publishers)} }

// next enters a new message of a publisher, and returns its payload.
func (l *ledger) next(publisher int) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(l.messages[publisher])
	l.messages[publisher] = append(l.messages[publisher], 0)
	return binary.LittleEndian.AppendUint32(nil, uint32(n))
}

func topicOf(publisher, subscribers int) string {
	return fmt.Sprintf("soak/%d/%d", publisher%subscribers, publisher)
}

// note sets a bit of the message that a topic and payload name.
func (l *ledger) note(bit byte, topic string, payload []byte) {
	publisher, err := strconv.Atoi(topic[strings.LastIndexByte(topic, '/')+1:])
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil || publisher < 0 || publisher >= len(l.messages) || len(payload) != 4 {
		l.strange = append(l.strange, fmt.Sprintf("a message on %q that nobody sent", topic))
		return
	}
	n := int(binary.LittleEndian.Uint32(payload))
	if n >= len(l.messages[publisher]) {
		l.strange = append(l.strange, fmt.Sprintf("message %d on %q that nobody sent", n, topic))
		return
	}
	m := &l.messages[publisher][n]
	again := *m&bit != 0
	*m |= bit
	switch bit {
	case taken:
		if again {
			l.twiceTaken++
		}
		if l.losing {
			*m |= excused
		}
	case seen:
		l.received++
		if again {
			l.twiceSeen++
		}
		if *m&taken == 0 {
			l.strange = append(l.strange, fmt.Sprintf("message %d on %q was seen before the broker took it", n, topic))
		}
	}
}

// losingSessions excuses what the subscribers miss until the subscriptions are back: on, then the
// loss itself and lost, then, with every subscription back, off.
func (l *ledger) losingSessions(on bool) {
	l.mu.Lock()
	l.losing = on
	l.mu.Unlock()
}

// lost excuses every message that the broker has and no subscriber: it was in a session.
func (l *ledger) lost() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, list := range l.messages {
		for i := range list {
			if list[i]&(taken|seen) == taken {
				list[i] |= excused
			}
		}
	}
}

// count sums up: messages, acknowledged ones, those of them that the broker does not have, those
// that no subscriber has had although one had to, and those that were excused.
func (l *ledger) count() (messages, acknowledged, lostBroker, lostSubscriber, excusable int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, list := range l.messages {
		messages += len(list)
		for _, m := range list {
			if m&acked == 0 {
				continue
			}
			acknowledged++
			switch {
			case m&taken == 0:
				lostBroker++
			case m&(seen|excused) == 0:
				lostSubscriber++
			case m&seen == 0:
				excusable++
			}
		}
	}
	return
}

// bytes is what the ledger itself takes of the heap.
func (l *ledger) bytes() (n uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, list := range l.messages {
		n += uint64(cap(list))
	}
	return n
}
