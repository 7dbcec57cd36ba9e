package rules

import (
	"encoding/json"
	"strings"

	"github.com/portage-iot/awsiot/internal/topic"
)

// MaxStatement is how long a statement may be, in bytes, and MaxNesting how deep its expressions.
const (
	MaxStatement = 64 << 10
	MaxNesting   = 100
)

// Statement is the SQL of a rule, checked and taken apart. It is read-only.
type Statement struct {
	text   string
	all    bool // SELECT *
	value  expr // SELECT VALUE
	fields []field
	from   string
	where  expr // nil: every message
}

// field is one entry of SELECT.
type field struct {
	name string
	expr expr
}

// String returns the statement as it was given.
func (s *Statement) String() string { return s.text }

// Filter returns the topic filter of FROM.
func (s *Statement) Filter() string { return s.from }

// parser reads tokens.
type parser struct {
	text   string
	tokens []token
	i      int
	depth  int
}

// Parse reads a statement. The error is an *Error.
func Parse(text string) (*Statement, error) {
	p, err := newParser(text)
	if err != nil {
		return nil, err
	}
	s := &Statement{text: text}
	if err := p.statement(s); err != nil {
		return nil, err
	}
	return s, nil
}

func newParser(text string) (*parser, error) {
	if len(text) > MaxStatement {
		return nil, &Error{text, 0, "a statement of more than 64 KiB"}
	}
	tokens, err := lex(text)
	if err != nil {
		return nil, err
	}
	return &parser{text: text, tokens: tokens}, nil
}

func (p *parser) peek() token { return p.tokens[p.i] }

// take takes the next token when it is the keyword or symbol s.
func (p *parser) take(s string) bool {
	if p.peek().is(s) {
		p.i++
		return true
	}
	return false
}

func (p *parser) fail(problem string) error { return &Error{p.text, p.peek().at, problem} }

// expect takes the keyword or symbol s, or fails.
func (p *parser) expect(s string) error {
	if !p.take(s) {
		return p.fail(s + " is missing")
	}
	return nil
}

func (p *parser) statement(s *Statement) error {
	if err := p.expect("SELECT"); err != nil {
		return err
	}
	if p.peek().is("VALUE") && !p.tokens[p.i+1].is(",") && !p.tokens[p.i+1].is("FROM") && !p.tokens[p.i+1].is("AS") && !p.tokens[p.i+1].is(".") {
		p.i++
		var err error
		if s.value, err = p.expression(); err != nil {
			return err
		}
	} else if err := p.fields(s); err != nil {
		return err
	}
	if err := p.expect("FROM"); err != nil {
		return err
	}
	t := p.peek()
	if t.kind != text && t.kind != quoted {
		return p.fail("FROM needs a topic filter in quotes")
	}
	if err := topic.ValidateFilter(t.s); err != nil {
		return p.fail("FROM: " + err.Error())
	}
	s.from = t.s
	p.i++
	if p.take("WHERE") {
		var err error
		if s.where, err = p.expression(); err != nil {
			return err
		}
	}
	if p.peek().kind != end {
		return p.fail("more than a statement")
	}
	return nil
}

func (p *parser) fields(s *Statement) error {
	for {
		if p.take("*") {
			s.all = true
		} else {
			at := p.peek()
			e, err := p.expression()
			if err != nil {
				return err
			}
			f := field{expr: e}
			if a, ok := e.(attribute); ok {
				f.name = a[len(a)-1]
			}
			if p.take("AS") {
				t := p.peek()
				if t.kind != word && t.kind != quoted && t.kind != text {
					return p.fail("AS needs a name")
				}
				f.name = t.s
				p.i++
			}
			if f.name == "" {
				if c, ok := e.(call); ok {
					f.name = c.name // as AWS names it
				} else {
					return &Error{p.text, at.at, "an expression needs AS and a name"}
				}
			}
			s.fields = append(s.fields, f)
		}
		if !p.take(",") {
			return nil
		}
	}
}

// levels are the operators from the weakest to the strongest.
var levels = [][]string{{"OR"}, {"AND"}, {"=", "<>", "!=", "<", "<=", ">", ">="}, {"+", "-"}, {"*", "/", "%"}}

func (p *parser) expression() (expr, error) { return p.level(0) }

func (p *parser) level(n int) (expr, error) {
	if p.depth++; p.depth > MaxNesting*len(levels) {
		return nil, p.fail("an expression that is nested too deep")
	}
	defer func() { p.depth-- }()
	if n == 2 && p.take("NOT") { // NOT binds weaker than a comparison
		e, err := p.level(n)
		return not{e}, err
	}
	if n == len(levels) {
		return p.unary()
	}
	left, err := p.level(n + 1)
	for count := 0; err == nil; count++ {
		op := ""
		for _, o := range levels[n] {
			if p.take(o) {
				op = o
				break
			}
		}
		if op == "" {
			return left, nil
		}
		if count > 1000 {
			return nil, p.fail("an expression that is too long")
		}
		var right expr
		if right, err = p.level(n + 1); err == nil {
			left = binary{op, left, right}
		}
	}
	return nil, err
}

func (p *parser) unary() (expr, error) {
	t := p.peek()
	switch {
	case p.take("-"):
		e, err := p.level(len(levels))
		return negative{e}, err
	case p.take("("):
		if p.peek().is("SELECT") {
			return nil, p.fail("a nested SELECT is not available here")
		}
		e, err := p.expression()
		if err != nil {
			return nil, err
		}
		return e, p.expect(")")
	case t.kind == number:
		p.i++
		n, err := parseNumber(json.Number(t.s))
		if err != nil {
			return nil, &Error{p.text, t.at, "a number that is none"}
		}
		return constant{n}, nil
	case t.kind == text:
		p.i++
		return constant{t.s}, nil
	case p.take("true"):
		return constant{true}, nil
	case p.take("false"):
		return constant{false}, nil
	case p.take("null"):
		return constant{nil}, nil
	case p.take("CASE"):
		return p.cases()
	case t.kind == word && p.tokens[p.i+1].is("("):
		return p.call()
	case t.kind == word && reserved(t.s):
		return nil, p.fail("an expression is missing")
	case t.kind == word, t.kind == quoted:
		a := attribute{t.s}
		for p.i++; p.take("."); p.i++ {
			t := p.peek()
			if t.kind != word && t.kind != quoted {
				return nil, p.fail("a name is missing")
			}
			a = append(a, t.s)
		}
		return a, nil
	}
	return nil, p.fail("an expression is missing")
}

// reserved words are no attributes without quotes.
func reserved(s string) bool {
	switch strings.ToUpper(s) {
	case "SELECT", "FROM", "WHERE", "AS", "AND", "OR", "NOT", "IN", "EXISTS", "WHEN", "THEN", "ELSE", "END":
		return true
	}
	return false
}

// cases reads CASE e WHEN v THEN r ... ELSE d END.
func (p *parser) cases() (expr, error) {
	of, err := p.expression()
	c := cases{of: of}
	for err == nil && p.take("WHEN") {
		var when, then expr
		if when, err = p.expression(); err == nil {
			if err = p.expect("THEN"); err == nil {
				then, err = p.expression()
			}
		}
		c.when, c.then = append(c.when, when), append(c.then, then)
	}
	if err == nil && len(c.when) == 0 {
		err = p.fail("WHEN is missing")
	}
	if err == nil && p.take("ELSE") {
		c.otherwise, err = p.expression()
	}
	if err != nil {
		return nil, err
	}
	return c, p.expect("END")
}

func (p *parser) call() (expr, error) {
	t := p.peek()
	name := strings.ToLower(t.s)
	f, ok := functions[name]
	if !ok {
		return nil, p.fail("the function " + t.s + " is not available here")
	}
	p.i += 2
	c := call{name: name}
	for !p.take(")") {
		if len(c.args) > 0 {
			if err := p.expect(","); err != nil {
				return nil, err
			}
		}
		if name == "encode" && len(c.args) == 0 && p.take("*") {
			c.args = append(c.args, payload{})
			continue
		}
		e, err := p.expression()
		if err != nil {
			return nil, err
		}
		c.args = append(c.args, e)
	}
	if len(c.args) < f.least || len(c.args) > f.most {
		return nil, &Error{p.text, t.at, "a wrong number of arguments of " + t.s}
	}
	return c, nil
}

// Template is a text with ${expression} in it, as the topic of Republish.
type Template struct {
	text  string
	parts []expr // constants and expressions by turns
}

// String returns the template as it was given.
func (t *Template) String() string { return t.text }

// ParseTemplate reads a template. The error is an *Error.
func ParseTemplate(s string) (*Template, error) {
	t := &Template{text: s}
	for rest := s; rest != ""; {
		before, after, found := strings.Cut(rest, "${")
		t.parts = append(t.parts, constant{before})
		if !found {
			break
		}
		inside, behind, closed := strings.Cut(after, "}")
		if !closed {
			return nil, &Error{s, len(s) - len(after), "${ without }"}
		}
		p, err := newParser(inside)
		if err != nil {
			return nil, err
		}
		e, err := p.expression()
		if err != nil {
			return nil, err
		}
		if p.peek().kind != end {
			return nil, p.fail("more than an expression")
		}
		t.parts = append(t.parts, e)
		rest = behind
	}
	return t, nil
}
