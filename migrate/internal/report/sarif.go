package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/token"
	"io"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/portage-iot/awsiot/migrate/unit"
)

// The objects of a SARIF log, as far as they are written. Names and rules are those of the OASIS standard, version 2.1.0;
// the numbers in comments are its sections.
type (
	sarifLog struct { // 3.13
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct { // 3.14
		Tool               sarifTool                `json:"tool"`
		Invocations        []sarifInvocation        `json:"invocations"`
		OriginalURIBaseIDs map[string]sarifArtifact `json:"originalUriBaseIds"`
		ColumnKind         string                   `json:"columnKind"`
		Results            []sarifResult            `json:"results"`
	}
	sarifTool struct { // 3.18
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct { // 3.19
		Name           string      `json:"name"`
		InformationURI string      `json:"informationUri"`
		Rules          []sarifRule `json:"rules"`
	}
	sarifRule struct { // 3.49
		ID               string    `json:"id"`
		Name             string    `json:"name"`
		ShortDescription sarifText `json:"shortDescription"`
		HelpURI          string    `json:"helpUri"`
	}
	sarifText struct { // 3.11, 3.12
		Text string `json:"text"`
	}
	sarifInvocation struct { // 3.20
		ExecutionSuccessful        bool                `json:"executionSuccessful"`
		ToolExecutionNotifications []sarifNotification `json:"toolExecutionNotifications,omitempty"`
	}
	sarifNotification struct { // 3.58
		Level   string    `json:"level"`
		Message sarifText `json:"message"`
	}
	sarifResult struct { // 3.27
		RuleID              string            `json:"ruleId"`
		RuleIndex           int               `json:"ruleIndex"`
		Level               string            `json:"level"`
		Message             sarifText         `json:"message"`
		Locations           []sarifLocation   `json:"locations"`
		RelatedLocations    []sarifLocation   `json:"relatedLocations,omitempty"`
		PartialFingerprints map[string]string `json:"partialFingerprints"`
		BaselineState       string            `json:"baselineState,omitempty"`
	}
	sarifLocation struct { // 3.28
		ID               *int          `json:"id,omitempty"`
		PhysicalLocation sarifPhysical `json:"physicalLocation"`
		Message          *sarifText    `json:"message,omitempty"`
	}
	sarifPhysical struct { // 3.29
		ArtifactLocation sarifArtifact `json:"artifactLocation"`
		Region           *sarifRegion  `json:"region,omitempty"`
	}
	sarifArtifact struct { // 3.4
		URI       string `json:"uri"`
		URIBaseID string `json:"uriBaseId,omitempty"`
	}
	sarifRegion struct { // 3.30
		StartLine   int `json:"startLine"`
		StartColumn int `json:"startColumn"`
	}
)

// sarifRoot is the name of the directory that file names are relative to, by the custom of SARIF's tools.
const sarifRoot = "SRCROOT"

// rewritable is the rule of what the tool can rewrite; the others are the sections of MIGRATION.md.
const rewritable = "rewritable"

// fingerprint names the identities in partialFingerprints; another way to make them gets another number.
const fingerprint = "iotmigrateUse/v1"

// WriteSARIF writes the report for code scanning. A reason that holds several clients back is one result, with the clients
// as related locations; what can be rewritten is a note. With a baseline every result says whether it is new.
func (r *Report) WriteSARIF(w io.Writer) error {
	run := sarifRun{ColumnKind: "utf16CodeUnits", Results: []sarifResult{},
		Tool:               sarifTool{sarifDriver{Name: "iotmigrate", InformationURI: r.URL, Rules: r.sarifRules()}},
		Invocations:        []sarifInvocation{{ExecutionSuccessful: len(r.Problems) == 0}},
		OriginalURIBaseIDs: map[string]sarifArtifact{sarifRoot: {URI: fileURI(r.Dir) + "/"}}}
	for _, p := range r.Problems {
		run.Invocations[0].ToolExecutionNotifications = append(run.Invocations[0].ToolExecutionNotifications,
			sarifNotification{"error", sarifText{p.Package + ": " + strings.Join(p.Errors, "\n")}})
	}
	fresh := map[*unit.Unit]bool{} // with a use that the baseline does not know
	for _, u := range r.Uses() {
		fresh[u.Unit] = fresh[u.Unit] || u.New
	}
	state := func(units ...*unit.Unit) string {
		switch {
		case r.Baseline == nil:
			return ""
		case slices.ContainsFunc(units, func(u *unit.Unit) bool { return fresh[u] }):
			return "new"
		}
		return "unchanged"
	}
	n := map[string]int{} // results by what identifies them, so that each gets a number of its own
	add := func(rule, level, text string, at token.Position, units ...*unit.Unit) {
		res := sarifResult{RuleID: rule, Level: level, Message: sarifText{text}, Locations: []sarifLocation{r.sarifLocation(at)}, BaselineState: state(units...)}
		res.RuleIndex = slices.IndexFunc(run.Tool.Driver.Rules, func(x sarifRule) bool { return x.ID == rule })
		for i, u := range units {
			if u.Pos != at {
				l := r.sarifLocation(u.Pos)
				l.ID, l.Message = &i, &sarifText{u.Name + ", " + Count(len(u.Sites), "call site")}
				res.RelatedLocations = append(res.RelatedLocations, l)
			}
		}
		key := units[0].Package + " " + r.decl(at) + " " + rule
		n[key]++
		res.PartialFingerprints = map[string]string{fingerprint: fmt.Sprintf("%s %d", key, n[key])}
		run.Results = append(run.Results, res)
	}
	shared := r.shared()
	for _, c := range shared {
		add(c.Anchor, "warning", sentence(c.Text), c.Pos, c.units...)
	}
	for _, u := range r.Units {
		for _, x := range u.Reasons {
			if !slices.ContainsFunc(shared, func(c *cause) bool { return c.Pos == x.Pos && c.Text == x.Text }) {
				add(x.Anchor, "warning", sentence(x.Text), x.Pos, u)
			}
		}
		for _, x := range u.Bridges {
			add(x.Anchor, "warning", sentence("bridge: "+x.What+" stays on "+r.words().Shape+", through "+x.Form+": "+x.Text, x.Next), x.Pos, u)
		}
		if u.Rewritten && !(r.Fix && r.Written) {
			add(rewritable, "note", sentence("the "+r.words().Owner+" "+r.words().Unit+" "+u.Name+" "+r.verdict(u)), u.Pos, u)
		}
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "\t")
	e.SetEscapeHTML(false)
	return e.Encode(sarifLog{"https://json.schemastore.org/sarif-2.1.0.json", "2.1.0", []sarifRun{run}})
}

// sarifRules are all rules that a result can name.
func (r *Report) sarifRules() []sarifRule {
	rules := []sarifRule{{rewritable, "Rewritable", sarifText{"The " + r.words().Owner + " " + r.words().Unit + " can be rewritten by iotmigrate fix."}, r.URL}}
	for _, a := range unit.Anchors {
		var name strings.Builder // 3.49.7: readable, and in Pascal case by custom
		for word := range strings.FieldsFuncSeq(a.Title, func(c rune) bool { return c == ' ' || c == '-' }) {
			name.WriteString(strings.ToUpper(word[:1]) + word[1:])
		}
		rules = append(rules, sarifRule{a.ID, name.String(), sarifText{a.Title + "."}, r.Link(a.ID)})
	}
	return rules
}

// sarifLocation is a place; one that is not below the directory gets a whole URI.
func (r *Report) sarifLocation(p token.Position) sarifLocation {
	l := sarifLocation{}
	if name := Relative(r.Dir, p.Filename); filepath.IsAbs(filepath.FromSlash(name)) {
		l.PhysicalLocation.ArtifactLocation.URI = fileURI(p.Filename)
	} else {
		l.PhysicalLocation.ArtifactLocation = sarifArtifact{(&url.URL{Path: name}).String(), sarifRoot}
	}
	if p.Line > 0 {
		l.PhysicalLocation.Region = &sarifRegion{p.Line, r.utf16Column(p)}
	}
	return l
}

// utf16Column is the column of a position, which counts bytes, in code units of UTF-16, as SARIF counts (3.30.6).
func (r *Report) utf16Column(p token.Position) int {
	src, err := r.Source(p.Filename)
	start := p.Offset - (p.Column - 1)
	if err != nil || start < 0 || p.Offset > len(src) {
		return max(p.Column, 1)
	}
	column := 1
	for line := bytes.TrimPrefix(src[start:p.Offset], []byte("\ufeff")); len(line) > 0; column++ {
		c, n := utf8.DecodeRune(line)
		if c > 0xffff {
			column++
		}
		line = line[n:]
	}
	return column
}

// fileURI is the URI of an absolute file name (RFC 8089).
func fileURI(name string) string {
	path := filepath.ToSlash(name)
	if !strings.HasPrefix(path, "/") { // a drive letter
		path = "/" + path
	}
	return (&url.URL{Scheme: "file", Path: strings.TrimSuffix(path, "/")}).String()
}

// sentence makes sentences of texts that begin with a small letter and have no full stop (3.11.2).
func sentence(texts ...string) string {
	var out []string
	for _, t := range texts {
		if t != "" {
			first, n := utf8.DecodeRuneInString(t)
			out = append(out, string(unicode.ToUpper(first))+t[n:]+".")
		}
	}
	return strings.Join(out, " ")
}
