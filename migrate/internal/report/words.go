package report

// Words are what the writers call what is migrated.
type Words struct {
	Unit   string // a unit: "client"
	Found  string // all units: "v1-shaped clients"
	Owner  string // whose they are: "v1"
	Shape  string // what stays as it is: "v1's shape"
	API    string // "v1's API"
	Target string // what it becomes: "v2"
}

// V1 are the words about v1-shaped code, and those of a report that names none.
var V1 = Words{Unit: "client", Found: "v1-shaped clients", Owner: "v1", Shape: "v1's shape", API: "v1's API", Target: "v2"}

// API is what is migrated, in words.
func (r *Report) API() string { return r.words().API }

// words are the words of r.
func (r *Report) words() Words {
	if r.Words == (Words{}) {
		return V1
	}
	return r.Words
}
