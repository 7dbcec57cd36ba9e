package shadowcompat

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/portage-iot/awsiot/v1compat"
)

// The wanted texts are what CPython's json module writes.
func TestWithToken(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"empty", `{}`, `{"clientToken": "T"}`},
		{"appended", `{"state":{"reported":{"t":1}}}`, `{"state": {"reported": {"t": 1}}, "clientToken": "T"}`},
		{"in place", `{"state":{"reported":{"a":1}},"clientToken":"mine","version":3}`, `{"state": {"reported": {"a": 1}}, "clientToken": "T", "version": 3}`},
		{"nested token untouched", `{"state":{"clientToken":"x"}}`, `{"state": {"clientToken": "x"}, "clientToken": "T"}`},
		{"order", `{"z":1,"a":2,"m":[3,1,2]}`, `{"z": 1, "a": 2, "m": [3, 1, 2], "clientToken": "T"}`},
		{"member twice", `{"a":1,"b":2,"a":3}`, `{"a": 3, "b": 2, "clientToken": "T"}`},
		{"space", " {\n\t\"a\" :  [ ] , \"o\" : { } } ", `{"a": [], "o": {}, "clientToken": "T"}`},
		{"constants", `{"a":[true,false,null]}`, `{"a": [true, false, null], "clientToken": "T"}`},
		{"integers", `{"a":[0,-0,-1,12345678901234567890123]}`, `{"a": [0, 0, -1, 12345678901234567890123], "clientToken": "T"}`},
		{"floats", `{"a":[1.0,1.50,1e2,1E+16,1e-5,-0.0,0.1]}`, `{"a": [1.0, 1.5, 100.0, 1e+16, 1e-05, -0.0, 0.1], "clientToken": "T"}`},
		{"too large", `{"a":1e999}`, `{"a": 1e999, "clientToken": "T"}`},
		{"escapes", `{"a":"\"\\\/\b\f\n\r\t\u0001\u007f"}`, `{"a": "\"\\/\b\f\n\r\t\u0001\u007f", "clientToken": "T"}`},
		{"beyond ASCII", `{"ä":"€ 😀"}`, `{"\u00e4": "\u20ac \ud83d\ude00", "clientToken": "T"}`},
		{"HTML", `{"a":"<&>"}`, `{"a": "<&>", "clientToken": "T"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := withToken(tt.in, "T")
			if assert.NoError(t, err) {
				assert.Equal(t, tt.want, got)
			}
		})
	}
}

func TestWithTokenErrors(t *testing.T) {
	for _, in := range []string{"", "{bad", "{", `{"a":}`, `{} x`, `{'a':1}`, "not json", strings.Repeat("[", 20000)} {
		var ve *v1compat.ValueError
		_, err := withToken(in, "T")
		if assert.ErrorAs(t, err, &ve, in) {
			assert.Equal(t, "Invalid JSON file.", ve.Message)
			assert.Error(t, ve.Err)
		}
	}
	for in, kind := range map[string]string{"[1]": "an array", `"x"`: "a string", "1": "a number", "true": "a boolean", "null": "null"} {
		var te *v1compat.TypeError
		_, err := withToken(in, "T")
		if assert.ErrorAs(t, err, &te, in) {
			assert.Contains(t, err.Error(), "it is "+kind)
		}
	}
}

// Whatever goes in, what comes out is the same JSON value with the token, in
// ASCII.
func FuzzWithToken(f *testing.F) {
	for _, s := range []string{`{}`, `{"a":1.5e300,"b":"\ud83d\ude00","clientToken":[1]}`, `{"a":{"a":[{}]}}`, `[`, `{"a":"\ud800"}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		out, err := withToken(in, "T")
		if err != nil {
			return
		}
		for i := range len(out) {
			require.GreaterOrEqual(t, out[i], byte(' '))
			require.LessOrEqual(t, out[i], byte('~'))
		}
		var a, b map[string]any
		if err := json.Unmarshal([]byte(in), &a); err != nil {
			return // a number that no float holds
		}
		require.NoError(t, json.Unmarshal([]byte(out), &b))
		require.NotNil(t, a, "accepted")
		a["clientToken"] = "T"
		x, _ := json.Marshal(a)
		y, _ := json.Marshal(b)
		assert.Equal(t, string(y), string(x), "%q became %q", in, out)
		again, err := withToken(out, "T")
		if assert.NoError(t, err, "%q became %q, %v", out, again, err) {
			assert.Equal(t, out, again, "%q became %q, %v", out, again, err)
		}
	})
}

func TestNewToken(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		token := newToken()
		require.Len(t, token, 36)
		require.Equal(t, byte('4'), token[14])
		require.True(t, strings.ContainsRune("89ab", rune(token[19])))
		require.False(t, seen[token])
		seen[token] = true
	}
}

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		in      string
		token   string
		version int64
		ok      bool
	}{
		{`{"clientToken":"a","version":3}`, "a", 3, true},
		{`{"version":0}`, "", 0, true},
		{`{"clientToken":"a"}`, "a", -1, true},
		{`{"clientToken":1,"version":"3"}`, "", -1, true},
		{`{"version":1.5}`, "", -1, true},
		{`{"version":null,"clientToken":null}`, "", -1, true},
		{`[]`, "", 0, false},
		{`not json`, "", 0, false},
	} {
		got, ok := parse([]byte(tt.in))
		assert.Equal(t, tt.ok, ok, tt.in)
		assert.False(t, ok && (got.token != tt.token || got.version != tt.version))
	}
}
