package rules

import (
	"crypto/md5"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// function is one that statements can call.
type function struct {
	least, most int // arguments
	do          func(v *env, args []any) any
}

// Functions returns the names of the functions, sorted.
func Functions() []string { return slices.Sorted(maps.Keys(functions)) }

var functions map[string]function

func init() { // calls look themselves up
	functions = map[string]function{
		"topic":          {0, 1, topicOf},
		"clientid":       {0, 0, func(v *env, _ []any) any { return orUndefined(v.in.ClientID) }},
		"timestamp":      {0, 0, func(v *env, _ []any) any { return v.in.Time.UnixMilli() }},
		"qos":            {0, 0, func(v *env, _ []any) any { return int64(v.in.QoS) }},
		"newuuid":        {0, 0, func(*env, []any) any { return newUUID() }},
		"isundefined":    {1, 1, func(_ *env, a []any) any { return isUndefined(a[0]) }},
		"isnull":         {1, 1, func(_ *env, a []any) any { return a[0] == nil }},
		"lower":          {1, 1, onText(func(s string) any { return strings.ToLower(s) })},
		"upper":          {1, 1, onText(func(s string) any { return strings.ToUpper(s) })},
		"trim":           {1, 1, onText(func(s string) any { return strings.TrimSpace(s) })},
		"length":         {1, 1, onText(func(s string) any { return int64(utf8.RuneCountInString(s)) })},
		"startswith":     {2, 2, onTexts(func(s, t string) any { return strings.HasPrefix(s, t) })},
		"endswith":       {2, 2, onTexts(func(s, t string) any { return strings.HasSuffix(s, t) })},
		"indexof":        {2, 2, onTexts(indexOf)},
		"concat":         {1, 50, concat},
		"substring":      {2, 3, substring},
		"abs":            {1, 1, onNumber(math.Abs)},
		"ceil":           {1, 1, onNumber(math.Ceil)},
		"floor":          {1, 1, onNumber(math.Floor)},
		"round":          {1, 1, onNumber(func(f float64) float64 { return math.Floor(f + 0.5) })},
		"sqrt":           {1, 1, onNumber(math.Sqrt)},
		"power":          {2, 2, power},
		"mod":            {2, 2, func(_ *env, a []any) any { return arithmetic("%", a[0], a[1]) }},
		"md5":            {1, 1, onText(func(s string) any { sum := md5.Sum([]byte(s)); return hex.EncodeToString(sum[:]) })},
		"sha1":           {1, 1, onText(func(s string) any { sum := sha1.Sum([]byte(s)); return hex.EncodeToString(sum[:]) })},
		"sha256":         {1, 1, onText(func(s string) any { sum := sha256.Sum256([]byte(s)); return hex.EncodeToString(sum[:]) })},
		"encode":         {2, 2, encode},
		"get":            {2, 2, get},
		"traceid":        {0, 0, func(*env, []any) any { return newUUID() }},
		"accountid":      {0, 0, func(*env, []any) any { return "000000000000" }},
		"regexp_matches": {2, 2, regexpMatches},
		"regexp_substr":  {2, 2, regexpSubstr},
		"regexp_replace": {3, 3, regexpReplace},
		"numbytes":       {1, 1, onText(func(s string) any { return int64(len(s)) })},
	}
}

// topicOf is the topic, or its nth level from 1.
func topicOf(v *env, a []any) any {
	if len(a) == 0 {
		return v.in.Topic
	}
	n, ok := a[0].(int64)
	levels := strings.Split(v.in.Topic, "/")
	if !ok || n < 1 || n > int64(len(levels)) {
		return undefined{}
	}
	return levels[n-1]
}

// orUndefined is s, or undefined when it is empty.
func orUndefined(s string) any {
	if s == "" {
		return undefined{}
	}
	return s
}

// newUUID is a random UUID (RFC 9562, 5.4).
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // it does not fail
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// onText makes a function of the text of one argument.
func onText(f func(string) any) func(*env, []any) any {
	return func(_ *env, a []any) any {
		s, ok := toText(a[0])
		if !ok {
			return undefined{}
		}
		return f(s)
	}
}

// onTexts is onText for two arguments.
func onTexts(f func(s, t string) any) func(*env, []any) any {
	return func(_ *env, a []any) any {
		s, ok := toText(a[0])
		t, also := toText(a[1])
		if !ok || !also {
			return undefined{}
		}
		return f(s, t)
	}
}

// onNumber makes a function of a number; whole results are whole numbers.
func onNumber(f func(float64) float64) func(*env, []any) any {
	return func(_ *env, a []any) any {
		n, ok := numeric(a[0])
		if !ok {
			return undefined{}
		}
		if i, whole := n.(int64); whole && i > -1<<53 && i < 1<<53 {
			n = float64(i)
		}
		return tidy(f(float(n)))
	}
}

// tidy makes a whole number of a float that is one.
func tidy(f float64) any {
	if f == math.Trunc(f) && math.Abs(f) < 1<<53 {
		return int64(f)
	}
	return finite(f)
}

func power(_ *env, a []any) any {
	x, ok := numeric(a[0])
	y, also := numeric(a[1])
	if !ok || !also {
		return undefined{}
	}
	return tidy(math.Pow(float(x), float(y)))
}

func indexOf(s, t string) any {
	i := strings.Index(s, t)
	if i < 0 {
		return int64(-1)
	}
	return int64(utf8.RuneCountInString(s[:i]))
}

// concat joins arrays, or texts.
func concat(_ *env, a []any) any {
	var list []any
	arrays := 0
	var b strings.Builder
	for _, v := range a {
		if l, ok := v.([]any); ok {
			arrays++
			list = append(list, l...)
			continue
		}
		s, ok := toText(v)
		if !ok {
			return undefined{}
		}
		list = append(list, v)
		b.WriteString(s)
	}
	if arrays > 0 {
		return list
	}
	return b.String()
}

// substring is the part of a text from one index on, from 0, to before another.
func substring(_ *env, a []any) any {
	s, ok := toText(a[0])
	if !ok {
		return undefined{}
	}
	r := []rune(s)
	bounds := []int64{0, int64(len(r))}
	for i, v := range a[1:] {
		n, ok := v.(int64)
		if !ok {
			return undefined{}
		}
		bounds[i] = min(max(n, 0), int64(len(r)))
	}
	if bounds[0] > bounds[1] {
		return ""
	}
	return string(r[bounds[0]:bounds[1]])
}

// encode is the base64 of a text; encode(*, 'base64') that of the whole payload.
func encode(_ *env, a []any) any {
	s, ok := toText(a[0])
	scheme, also := a[1].(string)
	if !ok || !also || !strings.EqualFold(scheme, "base64") {
		return undefined{}
	}
	return base64.StdEncoding.EncodeToString([]byte(s))
}

// get is an element of an array, an attribute of an object, or a character of a text.
func get(_ *env, a []any) any {
	switch of := a[0].(type) {
	case []any:
		if i, ok := a[1].(int64); ok && i >= 0 && i < int64(len(of)) {
			return of[i]
		}
	case map[string]any:
		if k, ok := a[1].(string); ok {
			if v, ok := of[k]; ok {
				return v
			}
		}
	case string:
		if i, ok := a[1].(int64); ok && i >= 0 && i < int64(utf8.RuneCountInString(of)) {
			return string([]rune(of)[i])
		}
	}
	return undefined{}
}

// pattern compiles a regular expression of Go's syntax, which has what is usual of Java's; undefined when it is none.
func pattern(v any) *regexp.Regexp {
	s, ok := v.(string)
	if !ok || len(s) > 1000 {
		return nil
	}
	re, err := regexp.Compile(s)
	if err != nil {
		return nil
	}
	return re
}

func regexpMatches(_ *env, a []any) any {
	s, ok := toText(a[0])
	re := pattern(a[1])
	if !ok || re == nil {
		return undefined{}
	}
	return re.MatchString(s)
}

func regexpSubstr(_ *env, a []any) any {
	s, ok := toText(a[0])
	re := pattern(a[1])
	if !ok || re == nil {
		return undefined{}
	}
	at := re.FindStringIndex(s)
	if at == nil {
		return undefined{}
	}
	return s[at[0]:at[1]]
}

func regexpReplace(_ *env, a []any) any {
	s, ok := toText(a[0])
	re := pattern(a[1])
	by, also := toText(a[2])
	if !ok || !also || re == nil {
		return undefined{}
	}
	return re.ReplaceAllString(s, by)
}
