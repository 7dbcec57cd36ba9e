package jobscompat

import (
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/portage-iot/awsiot/v1compat"
)

// The texts are what CPython's json.dumps prints.
func TestQuote(t *testing.T) {
	for _, tt := range []struct{ s, want string }{
		{"", `""`},
		{"a b~", `"a b~"`},
		{`"\/`, `"\"\\/"`},
		{"\n\r\t\b\f", `"\n\r\t\b\f"`},
		{"\x00\x1f\x7f", `"\u0000\u001f\u007f"`},
		{"<&>'", `"<&>'"`},
		{"é", `"\u00e9"`},
		{"\u2028", `"\u2028"`},
		{"\uffff", `"\uffff"`},
		{"😀", `"\ud83d\ude00"`},
		{"\U0010ffff", `"\udbff\udfff"`},
	} {
		var m members
		m.quote(tt.s)
		assert.Equal(t, tt.want, string(m.b), tt.s)
	}
}

func TestMembers(t *testing.T) {
	var m members
	got, err := m.object()
	if assert.NoError(t, err, "empty") {
		assert.Equal(t, "{}", got, "empty")
	}
	m.text("a", "é")
	m.number("none", nil)
	m.number("b", new(int64(-7)))
	m.flag("c", false)
	m.details("d", map[string]string{"z": "1", "é": "2", "a": "3", "Z": "4"})
	m.details("e", map[string]string{})
	want := `{"a": "\u00e9", "b": -7, "c": false, "d": {"Z": "4", "a": "3", "z": "1", "\u00e9": "2"}, "e": {}}`
	got, err = m.object()
	assert.NoError(t, err)
	assert.Equal(t, want, got)
}

func TestMembersRefuse(t *testing.T) {
	for _, tt := range []struct {
		name string
		fill func(*members)
		want string
	}{
		{"value", func(m *members) { m.text("clientToken", "\xff") }, `Invalid JSON text. (clientToken "\xff" is not UTF-8)`},
		{"detail", func(m *members) { m.details("statusDetails", map[string]string{"a": "b\xc0"}) }, `Invalid JSON text. (a "b\xc0" is not UTF-8)`},
		{"name of a detail", func(m *members) { m.details("statusDetails", map[string]string{"\xff": ""}) }, `Invalid JSON text. (the name "\xff" in statusDetails is not UTF-8)`},
		{"first one", func(m *members) { m.text("a", "\xfe"); m.text("b", "\xff") }, `Invalid JSON text. (a "\xfe" is not UTF-8)`},
	} {
		var m members
		tt.fill(&m)
		got, err := m.object()
		var ve *v1compat.ValueError
		assert.Empty(t, got, tt.name)
		if assert.ErrorAs(t, err, &ve, tt.name) {
			assert.Equal(t, tt.want, err.Error(), tt.name)
		}
	}
}

// FuzzMembers: what is written is ASCII and reads as what went in.
func FuzzMembers(f *testing.F) {
	f.Add("token", "name", "value")
	f.Add("\"\\\n\x00\x7f", "é\u2028", "😀\ufffd")
	f.Add("\xff", "", "")
	f.Add("\xd9", "\xbf", "") // UTF-8 together
	f.Fuzz(func(t *testing.T, token, name, value string) {
		var m members
		m.text("clientToken", token)
		m.details("statusDetails", map[string]string{name: value})
		got, err := m.object()
		if err != nil {
			require.False(t, utf8.ValidString(token) && utf8.ValidString(name) && utf8.ValidString(value))
			return
		}
		for _, c := range []byte(got) {
			require.GreaterOrEqual(t, c, byte(' '), "%q is not printable ASCII", got)
			require.LessOrEqual(t, c, byte('~'), "%q is not printable ASCII", got)
		}
		var back struct {
			ClientToken   string            `json:"clientToken"`
			StatusDetails map[string]string `json:"statusDetails"`
		}
		require.NoError(t, json.Unmarshal([]byte(got), &back))
		v, ok := back.StatusDetails[name]
		require.Equal(t, token, back.ClientToken, "%s reads as %+v", got, back)
		require.True(t, ok, "%s reads as %+v", got, back)
		require.Equal(t, value, v, "%s reads as %+v", got, back)
		require.Len(t, back.StatusDetails, 1, "%s reads as %+v", got, back)
	})
}
