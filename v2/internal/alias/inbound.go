package alias

import "fmt"

// Problem is what is wrong with the alias of a PUBLISH from the broker.
type Problem int

const (
	// Zero is an alias of 0, or none where the topic name is empty
	// ([MQTT5-3.3.2-8]).
	Zero Problem = iota + 1
	// AboveMaximum is an alias above the Topic Alias Maximum of the CONNECT; any
	// alias is, if that had none ([MQTT5-3.1.2-26], [MQTT5-3.1.2-27]).
	AboveMaximum
	// Unbound is an empty topic name with an alias that no earlier PUBLISH of the
	// connection gave a name (section 3.3.2.3.4).
	Unbound
)

// String returns the name of the constant.
func (p Problem) String() string {
	switch p {
	case Zero:
		return "Zero"
	case AboveMaximum:
		return "AboveMaximum"
	case Unbound:
		return "Unbound"
	}
	return fmt.Sprintf("Problem(%d)", int(p))
}

// Error reports a PUBLISH whose topic alias breaks the protocol. The connection
// has to end: later aliases may be as wrong.
type Error struct {
	Problem Problem
	Alias   uint16 // as received
	Max     uint16 // what the CONNECT allowed
}

// Error says what is wrong with the alias.
func (e *Error) Error() string {
	const who = "awsiot: PUBLISH from the broker: "
	switch e.Problem {
	case Zero:
		return who + "topic alias 0 is not allowed"
	case AboveMaximum:
		if e.Max == 0 {
			return fmt.Sprintf(who+"topic alias %d, but CONNECT allowed none", e.Alias)
		}
		return fmt.Sprintf(who+"topic alias %d is above the maximum of %d", e.Alias, e.Max)
	case Unbound:
		return fmt.Sprintf(who+"topic alias %d comes without a topic and was never given one on this connection", e.Alias)
	}
	return fmt.Sprintf(who+"topic alias %d: %v", e.Alias, e.Problem)
}

// Inbound restores topics from the aliases the broker uses. It holds at most the
// announced maximum of topics, each of at most 65,535 bytes.
type Inbound struct {
	max    uint16
	topics []string // by alias, "" unbound: no topic is empty. Grows with use
}

// NewInbound returns an empty table. max is the Topic Alias Maximum sent in
// CONNECT; with 0 every alias is an error.
func NewInbound(max uint16) *Inbound { return &Inbound{max: max} }

// Resolve returns the topic of a PUBLISH that carries alias. A topic that is not
// empty is registered as what alias stands for from now on, in place of any
// earlier one; an empty one is looked up. The error is an *Error. Nothing is
// allocated unless alias gets a new topic; topic itself is not kept.
func (i *Inbound) Resolve(topic []byte, alias uint16) (string, error) {
	switch {
	case alias == 0:
		return "", &Error{Problem: Zero, Max: i.max}
	case alias > i.max:
		return "", &Error{Problem: AboveMaximum, Alias: alias, Max: i.max}
	}
	var bound string
	if int(alias) < len(i.topics) {
		bound = i.topics[alias]
	}
	if len(topic) == 0 {
		if bound == "" {
			return "", &Error{Problem: Unbound, Alias: alias, Max: i.max}
		}
		return bound, nil
	}
	if string(topic) == bound { // a broker may repeat the name each time
		return bound, nil
	}
	if n := int(alias) + 1 - len(i.topics); n > 0 {
		i.topics = append(i.topics, make([]string, n)...)
	}
	i.topics[alias] = string(topic)
	return i.topics[alias], nil
}
