package awsiot

import (
	"errors"
	"io"
	"log/slog"
	"syscall"
	"time"

	"github.com/coder/websocket"
)

// A broker that does not like one packet ends the connection; the client comes back and sends the packet again, and so
// on for ever, with everything else waiting behind it. So what was under way at such an end is suspected, and sent by
// itself on the next connection (see probe). An operation ends only when it was the only one under way and the broker
// did it again; whatever is acknowledged was innocent.

// lossKind is what the end of a connection says about the packets that were under way.
type lossKind uint8

const (
	lossNeutral lossKind = iota // nothing: the network, a timeout, the client itself, or a DISCONNECT for another reason
	lossClosed                  // the peer closed without a word
	lossDoubted                 // a DISCONNECT that a packet may have caused, or the traffic as a whole
	lossBlamed                  // a DISCONNECT that blames a packet
)

func (k lossKind) String() string {
	return enumName("lossKind", k, "neutral", "closed", "doubted", "blamed")
}

// blame tells which codes of a DISCONNECT are about a packet that the client sent. The other codes are lossNeutral.
var blame = map[ReasonCode]lossKind{
	ReasonMalformedPacket:                     lossDoubted,
	ReasonProtocolError:                       lossDoubted,
	ReasonQuotaExceeded:                       lossDoubted,
	ReasonTopicFilterInvalid:                  lossBlamed,
	ReasonTopicNameInvalid:                    lossBlamed,
	ReasonPacketTooLarge:                      lossBlamed,
	ReasonPayloadFormatInvalid:                lossBlamed,
	ReasonRetainNotSupported:                  lossBlamed,
	ReasonQosNotSupported:                     lossBlamed,
	ReasonSharedSubscriptionsNotSupported:     lossBlamed,
	ReasonSubscriptionIdentifiersNotSupported: lossBlamed,
	ReasonWildcardSubscriptionsNotSupported:   lossBlamed,
}

const (
	// closeBlames is how soon after the last byte of a packet the peer must close for the packet to be suspected.
	closeBlames = 2 * time.Second
	// rowEnds is how many doubtful ends in a row, each with the operation alone under way, end the operation.
	rowEnds = 3
)

// standing is what is held against an operation.
type standing uint8

const (
	standingClear      standing = iota
	standingClosedOnce          // the peer closed right after it: a broker that restarts does that too
	standingSuspect             // it is sent by itself
	standingAccused             // a suspect, and a DISCONNECT blamed a packet while it was under way
	standingConvicted           // it ends
	numStandings
)

func (s standing) String() string {
	return enumName("standing", s, "clear", "closed once", "suspect", "accused", "convicted")
}

// evidence is what the end of a connection says about one operation that was handed to the socket.
type evidence uint8

const (
	evNeutral evidence = iota // nothing
	evClosed                  // the peer closed within closeBlames
	evDoubted                 // lossDoubted
	evBlamed                  // lossBlamed, with others under way
	evAlone                   // lossBlamed, and it was the only one under way
	numEvidence
)

// standings is the transition table; evNeutral and evClosed do not acquit: only an acknowledgement does.
var standings = [numStandings][numEvidence]standing{
	//                   neutral            closed              doubted           blamed           blamed, alone
	standingClear:      {standingClear, standingClosedOnce, standingSuspect, standingAccused, standingAccused},
	standingClosedOnce: {standingClear, standingSuspect, standingSuspect, standingAccused, standingAccused},
	standingSuspect:    {standingSuspect, standingSuspect, standingSuspect, standingAccused, standingAccused},
	standingAccused:    {standingAccused, standingAccused, standingAccused, standingAccused, standingConvicted},
	standingConvicted:  {standingConvicted, standingConvicted, standingConvicted, standingConvicted, standingConvicted},
}

// suspicion is the standing of an operation, or of a subscription that the client makes again by itself.
type suspicion struct {
	standing standing
	row      uint8 // doubtful ends in a row that were counted, see rowEnds
}

func (s suspicion) suspected() bool { return s.standing >= standingSuspect }

func (o *operation) isSuspect() bool { return o.suspected() }

// loss is the end of a connection, as far as the operations that were under way are concerned.
type loss struct {
	kind  lossKind
	err   error
	at    time.Duration
	alone bool // one suspect was under way, and nothing else
	asked bool // a PINGREQ had been answered just before it was sent: the connection was good
}

// weigh returns s after an end of the connection; sent is when the last byte of the operation was written.
func (e *loss) weigh(s suspicion, sent time.Duration) suspicion {
	ev := evNeutral
	switch e.kind {
	case lossClosed:
		if e.at-sent <= closeBlames {
			ev = evClosed
		}
	case lossDoubted:
		ev = evDoubted
	case lossBlamed:
		if ev = evBlamed; e.alone {
			ev = evAlone
		}
	}
	s.standing = standings[s.standing][ev]
	if !e.alone || !e.asked {
		return s
	}
	if ev != evClosed && ev != evDoubted {
		s.row = 0
	} else if s.row++; s.row == rowEnds {
		s.standing = standingConvicted
	}
	return s
}

// lossOf says what the end of l means. mu is held.
func (c *Client) lossOf(l *link) loss {
	e := loss{err: l.err, at: l.ended, alone: c.suspects > 0 && l.probe.sent == 1 && c.table.Linked() == 1 && !c.anyExpired(), asked: l.probe.asked}
	re, byReason := errors.AsType[*ReasonError](l.err)
	switch {
	case c.sess.cause != nil:
	case l.disconnect == nil && peerClosed(l.err):
		e.kind = lossClosed
	case l.disconnect != nil && byReason && re.Code == l.disconnect.Code && !errors.Is(l.err, ErrProtocol):
		e.kind = blame[re.Code]
	}
	return e
}

// peerClosed reports whether err says that the peer ended the connection: an end or a reset, but no timeout and no
// trouble of the network or this machine.
func peerClosed(err error) bool {
	var frame websocket.CloseError
	return errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) ||
		errors.As(err, &frame) || resetByPeer(err)
}

// suspect brings a loss to bear on o, which was under way: written whole, or at least in part, on the connection. mu is held.
func (c *Client) suspect(o *operation, e *loss, whole bool) {
	if !whole && e.kind != lossBlamed && e.kind != lossDoubted {
		return // a broker may judge a packet by its first bytes, and then it says so
	}
	before := o.suspected()
	o.suspicion = e.weigh(o.suspicion, o.sent)
	if s := o.sub; s != nil && s.auto {
		c.suspectRecords(o, e, before)
	}
	if !before && o.suspected() {
		c.suspects++
	}
}

// suspectRecords keeps the suspicion against an automatic SUBSCRIBE, which ends with its connection, with the
// subscriptions in it. With more than one filter the SUBSCRIBE is not convicted: the next ones have half as many, and
// then one each. mu is held.
func (c *Client) suspectRecords(o *operation, e *loss, before bool) {
	n := len(o.sub.records)
	if n > 1 {
		o.row = 0
		if o.standing == standingConvicted {
			o.standing = standingAccused
		}
	}
	for _, r := range o.sub.records {
		if r.op != o {
			continue // a later SUBSCRIBE has taken the filter over
		}
		r.suspicion = o.suspicion
		if n == 1 || !o.suspected() || e.kind == lossNeutral {
			continue
		}
		if r.batch == 0 {
			r.batch = (n + 1) / 2
		} else {
			r.batch = 1
		}
	}
}

// drawIn makes suspects of everything that was written ahead of the last suspect in ops, which are in the order of
// sending: suspects go first, and publishes are to keep their order [MQTT5-4.6.0-1]. mu is held.
func (c *Client) drawIn(ops []*operation) {
	found := false
	for i := len(ops) - 1; i >= 0; i-- {
		o := ops[i]
		if o.suspected() {
			found = true
		} else if found {
			o.standing = standingSuspect
			c.suspects++
			if o.sub != nil && o.sub.auto {
				for _, r := range o.sub.records {
					if r.op == o {
						r.suspicion = o.suspicion
					}
				}
			}
		}
	}
}

// convict ends o, over which the broker ends connections. mu is held; o must be out of the queue and the table.
func (c *Client) convict(o *operation, e *loss) {
	c.convicted = true
	for _, r := range c.subs.All() {
		if !r.suspected() {
			r.batch = 0 // the number of filters was not the reason
		}
	}
	err := o.conviction(e.err)
	c.note(slog.LevelError, "the broker ends connections over one operation, which ends", slog.Any("error", err))
	c.complete(o, PublishResult{}, err)
}

// conviction is the error of an operation over which the broker ends connections: the reason of its last DISCONNECT as
// a *ReasonError about the operation, or ErrEndsConnection with the last error of the connection.
func (o *operation) conviction(last error) error {
	if h, ok := last.(*hinted); ok {
		last = h.error // there is a better one
	}
	re, ok := errors.AsType[*ReasonError](last)
	if !ok {
		return withHint(opError(o.kind.String(), o.topic(), &endsConnection{last}), o.convictionHint(0))
	}
	re = &ReasonError{Op: o.kind.String(), Topic: o.topic(), Code: re.Code, Reason: re.Reason, UserProperties: re.UserProperties}
	return withHint(&convictedError{re}, o.convictionHint(re.Code))
}

// endsConnection is ErrEndsConnection with the last error of the connection.
type endsConnection struct{ last error }

func (e *endsConnection) Error() string   { return ErrEndsConnection.Error() + ": " + e.last.Error() }
func (e *endsConnection) Unwrap() []error { return []error{ErrEndsConnection, e.last} }

// convictedError is a *ReasonError that errors.Is finds ErrEndsConnection in, too.
type convictedError struct{ reason *ReasonError }

func (e *convictedError) Error() string   { return e.reason.Error() }
func (e *convictedError) Unwrap() []error { return []error{e.reason, ErrEndsConnection} }
