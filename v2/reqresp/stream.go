package reqresp

import (
	"fmt"
	"sync"
	"time"

	"github.com/portage-iot/awsiot/internal/topic"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// StreamStatus says where the subscription of a Stream stands.
type StreamStatus int

const (
	// StreamEstablished: the filter is subscribed; messages arrive from here on.
	StreamEstablished StreamStatus = iota
	// StreamLost: the broker has lost the session, and messages meanwhile with it; StreamEstablished or
	// StreamHalted follows.
	StreamLost
	// StreamHalted: it is over, and the error says why.
	StreamHalted
)

// String returns the name of the constant.
func (s StreamStatus) String() string {
	if s >= StreamEstablished && s <= StreamHalted {
		return [...]string{"StreamEstablished", "StreamLost", "StreamHalted"}[s]
	}
	return fmt.Sprintf("StreamStatus(%d)", int(s))
}

// StreamOptions describe a Stream. The functions run as callbacks of the awsiot.Client: OnMessage as a handler of messages, OnStatus
// as an event.
type StreamOptions struct {
	Operation   string // for errors, as "iotshadow.ShadowDeltaUpdated"
	TopicFilter string
	OnMessage   awsiot.MessageHandler
	OnStatus    func(StreamStatus, error) // nil: nobody hears
}

// EventOptions describe a stream of the events of a service, decoded to E. The functions run as callbacks of
// the awsiot.Client.
type EventOptions[E any] struct {
	OnEvent  func(*E)
	OnStatus func(StreamStatus, error) // nil: nobody hears
	// OnMalformed gets an *Error that wraps ErrMalformed, for a message that is not what the service documents. nil: it is logged.
	OnMalformed func(error)
}

// Stream is a subscription at QoS 1 that lasts: it waits for connections, is made anew when the broker has
// lost it, and tried again with growing delays when it failed in a way that may pass. Any number may
// have the same filter.
type Stream struct {
	c *Client
	o StreamOptions

	mu    sync.Mutex // taken before Client.mu; not held while the awsiot.Client is called
	phase streamPhase
	att   *awsiot.Attachment
	tries int
	timer *time.Timer
}

// streamPhase is where a Stream stands.
type streamPhase uint8

const (
	streamNew streamPhase = iota
	streamOpen
	streamEnded // closed or halted
)

// NewStream returns a stream that Open begins.
func (c *Client) NewStream(o StreamOptions) (*Stream, error) {
	err := c.bad
	switch bad := topic.ValidateFilter(o.TopicFilter); {
	case err != nil:
	case bad != nil:
		err = invalid("TopicFilter", "%v", bad)
	case o.OnMessage == nil:
		err = invalid("OnMessage", "is nil")
	}
	if err != nil {
		return nil, &Error{Operation: o.Operation, Topic: o.TopicFilter, Err: err}
	}
	return &Stream{c: c, o: o}, nil
}

// Open begins the stream; opening it again does nothing. It does not wait for the subscription, which OnStatus
// reports. It fails with ErrNoCapacity, and with ErrClosed once the Stream or its Client is closed.
func (s *Stream) Open() error {
	s.mu.Lock()
	was := s.phase
	err := ErrClosed
	if was == streamNew {
		if err = s.c.admitStream(s); err == nil {
			s.phase = streamOpen
		}
	}
	s.mu.Unlock()
	switch {
	case was == streamOpen:
		return nil
	case err == nil:
		err = s.attach()
	}
	if err != nil {
		s.end()
		return s.failure(err)
	}
	return nil
}

func (s *Stream) failure(err error) error {
	return &Error{Operation: s.o.Operation, Topic: s.o.TopicFilter, Err: err, Hint: hintOf(s.o.TopicFilter, nil, err)}
}

// attach begins to use the filter.
func (s *Stream) attach() error {
	att, err := s.c.c.Attach(awsiot.AttachOptions{TopicFilter: s.o.TopicFilter, QoS: awsiot.AtLeastOnce, Handler: s.o.OnMessage, OnStatus: s.status})
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.att = att
	ended := s.phase == streamEnded
	s.mu.Unlock()
	if ended { // closed meanwhile
		att.Detach()
	}
	return nil
}

// status hears how the subscription fares, as a callback.
func (s *Stream) status(status awsiot.AttachmentStatus, err error) {
	s.mu.Lock()
	if s.phase != streamOpen {
		s.mu.Unlock()
		return
	}
	news := StreamStatus(-1)
	switch status {
	case awsiot.AttachmentEstablished:
		news, s.tries = StreamEstablished, 0
	case awsiot.AttachmentLost:
		news = StreamLost
	case awsiot.AttachmentHalted:
		if Retryable(err) {
			s.timer = time.AfterFunc(backOff(s.tries), s.again)
			s.tries++
			break
		}
		news, s.phase, err = StreamHalted, streamEnded, s.failure(err)
		s.c.removeStream(s)
	}
	tell := s.o.OnStatus
	s.mu.Unlock()
	if news >= 0 && tell != nil {
		tell(news, err)
	}
}

// again is the next try of a subscription that has failed.
func (s *Stream) again() {
	s.mu.Lock()
	open := s.phase == streamOpen
	s.mu.Unlock()
	if !open {
		return
	}
	if err := s.attach(); err != nil { // the client was closed
		s.halt(s.failure(err))
	}
}

// Close ends the stream; no status follows. It may be called again.
func (s *Stream) Close() error {
	s.end()
	return nil
}

// halt is Close with the news of it.
func (s *Stream) halt(err error) {
	if s.end() {
		s.tellHalted(err)
	}
}

// end reports whether the stream was open.
func (s *Stream) end() bool {
	s.mu.Lock()
	was, att := s.phase, s.att
	s.phase = streamEnded
	if s.timer != nil {
		s.timer.Stop()
	}
	if was == streamOpen {
		s.c.removeStream(s)
	}
	s.mu.Unlock()
	if was == streamOpen && att != nil {
		att.Detach()
	}
	return was == streamOpen
}

// tellHalted reports the end as a callback.
func (s *Stream) tellHalted(err error) {
	if s.o.OnStatus != nil {
		f, complete := awsiot.NewFuture[struct{}](s.c.c)
		f.OnDone(func(struct{}, error) { s.o.OnStatus(StreamHalted, err) })
		complete(struct{}{}, nil)
	}
}

// admitStream counts a stream.
func (c *Client) admitStream(s *Stream) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return ErrClosed
	case c.open[s.o.TopicFilter] == 0 && len(c.open) >= c.o.MaxStreamingSubscriptions:
		return ErrNoCapacity
	}
	c.open[s.o.TopicFilter]++
	c.streams[s] = true
	return nil
}

// removeStream ends the count of a stream.
func (c *Client) removeStream(s *Stream) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.streams, s)
	if c.open[s.o.TopicFilter]--; c.open[s.o.TopicFilter] <= 0 {
		delete(c.open, s.o.TopicFilter)
	}
}
