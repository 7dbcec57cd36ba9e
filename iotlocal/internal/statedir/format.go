package statedir

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
)

// header is the first line of the file.
const header = "iotlocal state, format 1\n"

// The column that says whether a transaction goes on.
const (
	last = '.'
	more = '+'
)

// prefixLen is what stands before the JSON of a line: sum, space, column, space.
const prefixLen = 8 + 1 + 1 + 1

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Change puts a value, or deletes it.
type Change struct {
	Kind, Key string
	Value     json.RawMessage // nil: delete
}

// Put returns the change that sets a value, which must be one that package json encodes.
func Put(kind, key string, value any) (Change, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return Change{}, fmt.Errorf("iotlocal: state: %s %q: %w", kind, key, err)
	}
	return Change{kind, key, text}, nil
}

// Delete returns the change that deletes a value; one that is not there too.
func Delete(kind, key string) Change { return Change{Kind: kind, Key: key} }

// appendLine appends the line of a change.
func appendLine(b []byte, c Change, column byte) ([]byte, error) {
	fields := []any{c.Kind, c.Key}
	if c.Value != nil {
		fields = append(fields, c.Value)
	}
	text, err := json.Marshal(fields) // compact, so that it has no line feed
	if err != nil {
		return b, fmt.Errorf("iotlocal: state: %s %q: %w", c.Kind, c.Key, err)
	}
	start := len(b)
	b = append(b, "00000000 "...)
	b = append(b, column, ' ')
	b = append(b, text...)
	seal(b[start:])
	return append(b, '\n'), nil
}

// seal writes the sum of a line, without its line feed, into it.
func seal(line []byte) {
	sum := crc32.Checksum(line[8:], castagnoli)
	hex.Encode(line[:8], []byte{byte(sum >> 24), byte(sum >> 16), byte(sum >> 8), byte(sum)})
}

// parseLine reads a line without its line feed.
func parseLine(line []byte) (c Change, column byte, err error) {
	if len(line) < prefixLen || line[8] != ' ' || line[10] != ' ' || line[9] != last && line[9] != more {
		return Change{}, 0, errors.New("is not a line of this format")
	}
	sealed := bytes.Clone(line)
	if seal(sealed); !bytes.Equal(sealed[:8], line[:8]) {
		return Change{}, 0, errors.New("is damaged: its sum is wrong")
	}
	var fields []json.RawMessage
	if err := json.Unmarshal(line[prefixLen:], &fields); err != nil {
		return Change{}, 0, fmt.Errorf("is no JSON: %w", err)
	}
	if len(fields) != 2 && len(fields) != 3 {
		return Change{}, 0, fmt.Errorf("has %d fields, want 2 or 3", len(fields))
	}
	for i, to := range []*string{&c.Kind, &c.Key} {
		if err := json.Unmarshal(fields[i], to); err != nil {
			return Change{}, 0, fmt.Errorf("field %d is no text: %w", i+1, err)
		}
	}
	if len(fields) == 3 {
		c.Value = fields[2]
	}
	return c, line[9], nil
}
