package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/portage-iot/awsiot/iotlocal"
)

// packetSeq is what Recorder.Follow returns: packets, and how many were missed
// before each.
type packetSeq = iter.Seq2[iotlocal.Packet, int]

// printLog writes packets until there are no more, or w takes none.
func printLog(w io.Writer, packets packetSeq, write func(io.Writer, iotlocal.Packet, int) error) error {
	for p, missed := range packets {
		if err := write(w, p, missed); err != nil {
			return fmt.Errorf("iotlocal: log: %w", err)
		}
	}
	return nil
}

// writeLine writes a packet for people:
//
//	12:04:05.123 lamp → PUBLISH c1 "a/b" QoS 1 5 bytes "hello"
func writeLine(w io.Writer, p iotlocal.Packet, missed int) error {
	var b strings.Builder
	if missed > 0 {
		fmt.Fprintf(&b, "(%d lines are missing: packets came faster than they could be printed)\n", missed)
	}
	b.WriteString(line(p))
	b.WriteByte('\n')
	_, err := io.WriteString(w, b.String())
	return err
}

func line(p iotlocal.Packet) string {
	s := p.Time.Format("15:04:05.000 ") + who(p) + " " + p.String()
	if p.Refusal != "" { // it was not sent
		s += fmt.Sprintf(" (refused: %s)", visible(p.Refusal))
	}
	return s
}

// The colours of lines on a terminal (ECMA-48, SGR).
const (
	red, green, yellow, blue, grey = "\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[34m", "\x1b[90m"
	plain                          = "\x1b[0m"
)

// colourOf is the colour of a packet's line: red for what is refused or fails, grey for connections, yellow for faults,
// green for what clients say and blue for what they are told.
func colourOf(p iotlocal.Packet) string {
	switch {
	case p.Refusal != "", p.Code.IsError(), p.Type == iotlocal.HandshakeFailed, p.Decision != nil && !p.Decision.Allowed,
		slices.ContainsFunc(p.Granted, iotlocal.Code.IsError):
		return red
	case p.Fault != "":
		return yellow
	case p.Dir == iotlocal.ClientToServer:
		return green
	case p.Dir == iotlocal.ServerToClient:
		return blue
	}
	return grey
}

// writeColours is writeLine for a terminal.
func writeColours(w io.Writer, p iotlocal.Packet, missed int) error {
	var b strings.Builder
	if missed > 0 {
		fmt.Fprintf(&b, "%s(%d lines are missing: packets came faster than they could be printed)%s\n", red, missed, plain)
	}
	b.WriteString(colourOf(p) + line(p) + plain + "\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// coloured reports whether what is written to w is for a terminal that shows colours, and its user wants them
// (https://no-color.org).
func coloured(w io.Writer, getenv func(string) string) bool {
	f, ok := w.(*os.File)
	if !ok || getenv("NO_COLOR") != "" || getenv("TERM") == "dumb" {
		return false
	}
	if runtime.GOOS == "windows" && getenv("WT_SESSION") == "" && getenv("TERM") == "" {
		return false // the old console shows the codes
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// writeJSON writes a packet as one line of JSON.
func writeJSON(w io.Writer, p iotlocal.Packet, missed int) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	if missed > 0 {
		if err := enc.Encode(struct {
			Missed int `json:"missed"`
		}{missed}); err != nil {
			return err
		}
	}
	return enc.Encode(p)
}

// who is the client of a packet: its id, the number of a connection that has none
// yet, or https and api for requests that are no MQTT.
func who(p iotlocal.Packet) string {
	return visible(cmp.Or(p.Via, p.ClientID, "#"+strconv.Itoa(p.Conn)))
}

// visible quotes a text that would look like more than one word or line.
func visible(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(s)
	}
	return s
}
