package rules_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/portage-iot/awsiot/iotlocal/rules"
)

var input = rules.Input{Topic: "home/kitchen/lamp", ClientID: "lamp-1", QoS: 1, Time: time.UnixMilli(1_700_000_000_123),
	Payload: []byte(`{"t":21,"f":1.5,"big":9007199254740993,"name":"Höhe","on":true,"none":null,"list":[1,2],"deep":{"er":{"x":7}},"num":"42","a b":1}`)}

func TestSelect(t *testing.T) {
	for _, tt := range []struct{ sql, want string }{
		{`SELECT * FROM 'a'`, string(input.Payload)},
		{`select t, deep.er.x as y, missing from 'a'`, `{"t":21,"y":7}`},
		{`SELECT *, t+1 AS t, topic(2) AS room FROM 'a'`, `{"a b":1,"big":9007199254740993,"deep":{"er":{"x":7}},"f":1.5,"list":[1,2],"name":"Höhe","none":null,"num":"42","on":true,"room":"kitchen","t":22}`},
		{`SELECT VALUE deep FROM 'a'`, `{"er":{"x":7}}`},
		{`SELECT VALUE t FROM 'a'`, `21`},
		{`SELECT topic(), clientid(), timestamp(), qos() FROM 'a'`, `{"clientid":"lamp-1","qos":1,"timestamp":1700000000123,"topic":"home/kitchen/lamp"}`},
		{`SELECT "a b", 'it''s' AS s FROM 'a'`, `{"a b":1,"s":"it's"}`},
		{`SELECT VALUE value FROM 'a' WHERE value = 1`, ``},
		{`SELECT value FROM 'a'`, `{}`},
	} {
		t.Run(tt.sql, func(t *testing.T) {
			s, err := rules.Parse(tt.sql)
			if err != nil {
				t.Fatal(err)
			}
			got, ok, err := s.Apply(input)
			if err != nil || string(got) != tt.want || ok != (tt.want != "") {
				t.Errorf("%s, %v, %v; want %s", got, ok, err, tt.want)
			}
		})
	}
}

// Each expression and its value, as JSON; "" is undefined.
func TestExpressions(t *testing.T) {
	for e, want := range map[string]string{
		"1 + 2 * 3": "7", "(1 + 2) * 3": "9", "7 / 2": "3.5", "6 / 2": "3", "7 % 4": "3", "1 - 2 - 3": "-4", "-t": "-21", "- - t": "21",
		"1 / 0": "", "1.5 % 0": "", "t + missing": "", "big + 1": "9007199254740994", "9223372036854775807 + 1": "9223372036854776000", "1e3": "1000", ".5": "0.5",
		"'a' + 1": `"a1"`, "1 + 'a'": `"1a"`, "name + deep": `"Höhe{\"er\":{\"x\":7}}"`, "num * 2": "84", "on + 1": "", "'x' * 2": "", "num + 1": `"421"`,
		"t = 21": "true", "t = 21.0": "true", "t <> 21": "false", "t != 22": "true", "t >= 21": "true", "t > 21": "false", "num > 41": "true", "num = 42": "false",
		"name < 'I'": "true", "'b' > 'a'": "true", "on > 1": "", "on = true": "true", "none = null": "true", "t = null": "false", "missing = 1": "", "missing <> 1": "", "list = list": "true", "deep = list": "false",
		"true AND false": "false", "true and true": "true", "false AND missing": "false", "missing AND false": "false", "missing AND true": "", "true OR missing": "true",
		"missing OR true": "true", "missing OR false": "", "NOT on": "false", "NOT t = 20": "true", "NOT missing": "", "'true' AND on": "true", "NOT 'FALSE'": "true", "1 AND true": "", "true OR false AND false": "true",
		"CASE t WHEN 20 THEN 'a' WHEN 21 THEN 'b' END": `"b"`, "CASE t WHEN 1 THEN 2 ELSE 3 END": "3", "CASE t WHEN 1 THEN 2 END": "",
		"topic(1)": `"home"`, "topic(0)": "", "topic(3)": `"lamp"`, "topic(4)": "", "topic('x')": "", "isUndefined(missing)": "true", "isundefined(t)": "false", "isNull(none)": "true",
		"lower('ÄB')": `"äb"`, "upper(name)": `"HÖHE"`, "trim('  x ')": `"x"`, "length(name)": "4", "numbytes(name)": "5", "startswith(name, 'Hö')": "true", "endswith(name, 'x')": "false", "indexof(name, 'h')": "2", "indexof(name, 'z')": "-1",
		"concat(name, 1, true)": `"Höhe1true"`, "concat(list, 3)": "[1,2,3]", "concat(missing, 'a')": "", "substring(name, 1)": `"öhe"`, "substring(name, 1, 2)": `"ö"`, "substring(name, -5, 99)": `"Höhe"`, "substring(name, 3, 1)": `""`,
		"abs(-2)": "2", "ceil(1.2)": "2", "floor(-1.2)": "-2", "round(2.5)": "3", "sqrt(4)": "2", "sqrt(-1)": "", "power(2, 10)": "1024", "mod(7, 4)": "3", "abs('x')": "",
		"md5('a')": `"0cc175b9c0f1b6a831c399e269772661"`, "sha1('a')": `"86f7e437faa5a7fce15d1ddcb9eaeaea377667b8"`, "sha256('')": `"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"`,
		"encode(name, 'base64')": `"SMO2aGU="`, "encode(name, 'rot13')": "", "get(list, 1)": "2", "get(list, 2)": "", "get(deep, 'er')": `{"x":7}`, "get(name, 1)": `"ö"`, "get(t, 1)": "",
		"regexp_matches(name, '^H.h')": "true", "regexp_matches(name, '(')": "", "regexp_substr(name, '[a-z]+$')": `"he"`, "regexp_replace(num, '2', 'x')": `"4x"`, "accountid()": `"000000000000"`,
		"length(newuuid())": "36", "length(traceid())": "36", "null": "null", "'<&>'": `"<&>"`,
	} {
		s, err := rules.Parse("SELECT VALUE " + e + " FROM 'a'")
		if err != nil {
			t.Errorf("%s: %v", e, err)
			continue
		}
		got, ok, err := s.Apply(input)
		if string(got) != want || ok != (want != "") || (err == nil) != ok {
			t.Errorf("%s = %s, %v, %v; want %s", e, got, ok, err, want)
		}
	}
	for _, f := range rules.Functions() { // each has its row
		found := false
		for _, e := range []string{"clientid", "timestamp", "qos", "isundefined", "isnull"} { // in TestSelect, or in another case above
			found = found || f == e
		}
		if !found && !slices.Contains(named, f) {
			t.Errorf("%s has no test", f)
		}
	}
}

// named are the functions with a row in TestExpressions.
var named = strings.Fields("topic lower upper trim length numbytes startswith endswith indexof concat substring abs ceil floor round sqrt power mod md5 sha1 sha256 encode get regexp_matches regexp_substr regexp_replace accountid newuuid traceid")

// Payloads that are no JSON objects.
func TestPayloads(t *testing.T) {
	for _, tt := range []struct {
		sql, payload, want string
		fails              bool
	}{
		{`SELECT * FROM 'a'`, "\x00\xff", "\x00\xff", false},
		{`SELECT * FROM 'a' WHERE t > 1`, "\x00", "", false},
		{`SELECT encode(*, 'base64') AS raw FROM 'a'`, "\x00\xff", `{"raw":"AP8="}`, false},
		{`SELECT *, 1 AS one FROM 'a'`, "[1]", "", true},
		{`SELECT VALUE t FROM 'a'`, "{}", "", true},
		{`SELECT t FROM 'a'`, `{"t":1} trailing`, `{}`, false},
		{`SELECT n FROM 'a'`, `{"n":1e999}`, `{"n":"1e999"}`, false},
		{`SELECT VALUE get(get(l, 1), 0) FROM 'a'`, `{"l":[0,[5]]}`, `5`, false},
	} {
		s, err := rules.Parse(tt.sql)
		if err != nil {
			t.Fatal(err)
		}
		got, ok, err := s.Apply(rules.Input{Payload: []byte(tt.payload)})
		if string(got) != tt.want || (err != nil) != tt.fails || ok != (tt.want != "") {
			t.Errorf("%s of %q: %q, %v, %v", tt.sql, tt.payload, got, ok, err)
		}
	}
}

// What is not understood is refused, and the error says where.
func TestParseErrors(t *testing.T) {
	for sql, want := range map[string]string{
		"":                                  "SELECT is missing at the end",
		"UPDATE x":                          `SELECT is missing at "UPDATE x"`,
		"SELECT":                            "an expression is missing at the end",
		"SELECT *":                          "FROM is missing at the end",
		"SELECT * FROM a":                   "FROM needs a topic filter in quotes",
		"SELECT * FROM 'a/#/b'":             "FROM: ",
		"SELECT * FROM 'a":                  "a quote without its end",
		"SELECT * FROM 'a' WHERE":           "an expression is missing",
		"SELECT * FROM 'a' LIMIT 3":         `more than a statement at "LIMIT 3"`,
		"SELECT 1 FROM 'a'":                 "an expression needs AS and a name",
		"SELECT a AS FROM 'a'":              "FROM is missing",
		"SELECT a..b FROM 'a'":              "a name is missing",
		"SELECT nosuch(1) AS x FROM 'a'":    "the function nosuch is not available here",
		"SELECT topic(1,2) AS x FROM 'a'":   "a wrong number of arguments of topic",
		"SELECT lower() AS x FROM 'a'":      "a wrong number of arguments of lower",
		"SELECT (SELECT 1) AS x FROM 'a'":   "a nested SELECT is not available here",
		"SELECT a[0] AS x FROM 'a'":         "an unknown character",
		"SELECT 1.2.3 AS x FROM 'a'":        "a number that is none",
		"SELECT (1 AS x FROM 'a'":           ") is missing",
		"SELECT CASE a END AS x FROM 'a'":   "WHEN is missing",
		"SELECT CASE a WHEN 1 END FROM 'a'": "THEN is missing",
		"SELECT \xff FROM 'a'":              "not UTF-8",
		"SELECT a FROM 'a' WHERE " + strings.Repeat("(", 10000):    "nested too deep",
		"SELECT a FROM 'a' WHERE " + strings.Repeat("NOT ", 10000): "nested too deep",
		"SELECT a FROM 'a' WHERE 1" + strings.Repeat("+1", 2000):   "too long",
		strings.Repeat("x", 70000):                                 "more than 64 KiB",
	} {
		_, err := rules.Parse(sql)
		if e, ok := errors.AsType[*rules.Error](err); !ok || !strings.Contains(e.Error(), want) {
			t.Errorf("%.60q: %v, want %s", sql, err, want)
		}
	}
}

func TestTemplate(t *testing.T) {
	for text, want := range map[string]string{
		"plain": "plain", "": "", "a/${topic(2)}/${t + 1}/z": "a/kitchen/22/z", "${name}": "Höhe", "$x/}": "$x/}", "${deep}": `{"er":{"x":7}}`,
	} {
		tpl, err := rules.ParseTemplate(text)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := tpl.Expand(input); got != want || err != nil || tpl.String() != text {
			t.Errorf("%s: %s, %v", text, got, err)
		}
	}
	for _, bad := range []string{"${", "${}", "${a b}", "${nosuch()}"} {
		if _, err := rules.ParseTemplate(bad); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
	tpl, err := rules.ParseTemplate("a/${missing}")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tpl.Expand(input); err == nil || !strings.Contains(err.Error(), "undefined") {
		t.Error(err)
	}
}

// FuzzRule: neither a statement nor a payload makes it panic, and what it selects is JSON.
func FuzzRule(f *testing.F) {
	f.Add(`SELECT *, t+1 AS t, topic(2) AS room FROM 'a' WHERE t > 1 AND NOT (x = 'y' OR CASE a WHEN 1 THEN 2 ELSE 3 END)`, `{"t":1,"x":[1,{"y":null}]}`)
	f.Add("SELECT VALUE substring(concat(a, b), 1, 2) FROM 'a'", `{"a":"b"}`)
	f.Fuzz(func(t *testing.T, sql, payload string) {
		if s, err := rules.Parse(sql); err == nil {
			_, _, _ = s.Apply(rules.Input{Topic: "a/b", Payload: []byte(payload)})
		} else if _, ok := errors.AsType[*rules.Error](err); !ok {
			t.Error(err)
		}
		if tpl, err := rules.ParseTemplate(sql); err == nil {
			_, _ = tpl.Expand(rules.Input{Topic: "a/b", Payload: []byte(payload)})
		}
	})
}
