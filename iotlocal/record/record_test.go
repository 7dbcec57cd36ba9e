package record

import "testing"

func TestNormalUsername(t *testing.T) {
	for in, want := range map[string]string{
		"":                            "",
		"me":                          "me",
		"?SDK=Python&Version=1.5.4":   "",
		"me?SDK=PortageGo&Version=1":  "me",
		"me?a=b&SDK=x&Metadata=(a;b)": "me?a=b",
		"me?x-amz-customauthorizer-name=A&x-amz-customauthorizer-signature=S": "me?x-amz-customauthorizer-name=A&x-amz-customauthorizer-signature=S",
		"what?": "what?",
	} {
		if got := NormalUsername(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestSnapshotsAreStable(t *testing.T) {
	r := New(3, 0)
	r.Add(Packet{Topic: "1"})
	r.Add(Packet{Topic: "2"})
	snap := r.Packets()
	for range 10 {
		r.Add(Packet{Topic: "more"})
	}
	if len(snap) != 2 || snap[0].Topic != "1" || snap[1].Topic != "2" {
		t.Errorf("snapshot changed: %v", snap)
	}
	if n := len(Select(r.Packets(), func(p Packet) bool { return p.Seq > 11 })); n != 1 {
		t.Errorf("selected %d", n)
	}
	var none *Recorder
	none.Add(Packet{}) // a server without a recorder
}
