package greengrass

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"

	awsiot "github.com/portage-iot/awsiot/v2"
)

// DiscoverResponse is what the service knows about the cores of a thing.
type DiscoverResponse struct {
	Groups []Group // GGGroups
	Raw    []byte  // the document as it came
}

// Group is a Greengrass group the thing is a member of.
type Group struct {
	ID                     string   // GGGroupId
	Cores                  []Core   // Cores
	CertificateAuthorities []string // CAs: PEM certificates that sign those of the group's cores
}

// Core is a Greengrass core device.
type Core struct {
	ThingARN     string             // thingArn
	Connectivity []ConnectivityInfo // Connectivity, in the order in which to try them
}

// ConnectivityInfo is one address of a core.
type ConnectivityInfo struct {
	ID          string // Id
	HostAddress string // HostAddress: a host name or an IP address
	Port        int    // PortNumber
	Metadata    string // Metadata: free text, often ""
}

// Candidate is one way to reach a core.
type Candidate struct {
	GroupID      string
	CoreThingARN string
	ConnectivityInfo
	// CAPEM are all certificate authorities of the group: any of them may have signed the core's certificate,
	// so one attempt tries them together.
	CAPEM []byte
}

// Candidates yields every address of every core of every group, in the order of the document, with the
// certificate authorities that its core must be verified with.
func (r *DiscoverResponse) Candidates() iter.Seq[Candidate] {
	return func(yield func(Candidate) bool) {
		for _, g := range r.Groups {
			pem := []byte(strings.Join(g.CertificateAuthorities, "\n"))
			for _, core := range g.Cores {
				for _, info := range core.Connectivity {
					if !yield(Candidate{GroupID: g.ID, CoreThingARN: core.ThingARN, ConnectivityInfo: info, CAPEM: bytes.Clone(pem)}) {
						return
					}
				}
			}
		}
	}
}

// Options returns base with the address and the certificate authorities of the candidate. CAFile is
// taken out: a core's certificate is not signed by Amazon. The rest, Auth and ClientID among it, stays.
func (c Candidate) Options(base awsiot.ClientOptions) awsiot.ClientOptions {
	base.Endpoint, base.Port = c.HostAddress, c.Port
	base.CAFile, base.CAPEM = "", bytes.Clone(c.CAPEM)
	if len(base.CAPEM) == 0 {
		base.CAPEM = []byte{} // not nil: without authorities nothing is trusted, rather than what the system trusts
	}
	return base
}

// String names the candidate as host:port of its core.
func (c Candidate) String() string {
	return fmt.Sprintf("%s:%d of %s in group %s", c.HostAddress, c.Port, c.CoreThingARN, c.GroupID)
}

// The document. Pointers tell a member that is missing from one that is empty.
type (
	wireResponse struct {
		Groups *[]wireGroup `json:"GGGroups"`
	}
	wireGroup struct {
		ID    *string     `json:"GGGroupId"`
		Cores *[]wireCore `json:"Cores"`
		CAs   *[]string   `json:"CAs"`
	}
	wireCore struct {
		ThingARN     *string             `json:"thingArn"`
		Connectivity *[]wireConnectivity `json:"Connectivity"`
	}
	wireConnectivity struct {
		ID       *string `json:"Id"`
		Host     *string `json:"HostAddress"`
		Port     *int    `json:"PortNumber"`
		Metadata *string `json:"Metadata"`
	}
)

// ParseResponse reads the document of the discovery API. Metadata may be missing, every other member
// must be there. The error is a *FormatError.
func ParseResponse(document []byte) (*DiscoverResponse, error) {
	var w wireResponse
	if err := json.Unmarshal(document, &w); err != nil {
		return nil, formatError(err)
	}
	out := &DiscoverResponse{Raw: bytes.Clone(document)}
	groups, err := member(w.Groups, "", "GGGroups")
	if err != nil {
		return nil, err
	}
	for i, g := range groups {
		group, err := g.group(fmt.Sprintf("GGGroups[%d]", i))
		if err != nil {
			return nil, err
		}
		out.Groups = append(out.Groups, group)
	}
	return out, nil
}

func (w wireGroup) group(at string) (Group, error) {
	id, err1 := member(w.ID, at, "GGGroupId")
	cores, err2 := member(w.Cores, at, "Cores")
	cas, err3 := member(w.CAs, at, "CAs")
	if err := first(err1, err2, err3); err != nil {
		return Group{}, err
	}
	g := Group{ID: id, CertificateAuthorities: cas}
	for i, c := range cores {
		core, err := c.core(fmt.Sprintf("%s.Cores[%d]", at, i))
		if err != nil {
			return Group{}, err
		}
		g.Cores = append(g.Cores, core)
	}
	return g, nil
}

func (w wireCore) core(at string) (Core, error) {
	arn, err1 := member(w.ThingARN, at, "thingArn")
	connectivity, err2 := member(w.Connectivity, at, "Connectivity")
	if err := first(err1, err2); err != nil {
		return Core{}, err
	}
	c := Core{ThingARN: arn}
	for i, info := range connectivity {
		at := fmt.Sprintf("%s.Connectivity[%d]", at, i)
		id, err1 := member(info.ID, at, "Id")
		host, err2 := member(info.Host, at, "HostAddress")
		port, err3 := member(info.Port, at, "PortNumber")
		if err := first(err1, err2, err3); err != nil {
			return Core{}, err
		}
		if host == "" {
			return Core{}, &FormatError{Member: at + ".HostAddress", Problem: "is empty"}
		}
		if port < 1 || port > 65535 {
			return Core{}, &FormatError{Member: at + ".PortNumber", Problem: fmt.Sprintf("%d is not between 1 and 65535", port)}
		}
		entry := ConnectivityInfo{ID: id, HostAddress: host, Port: port}
		if info.Metadata != nil {
			entry.Metadata = *info.Metadata
		}
		c.Connectivity = append(c.Connectivity, entry)
	}
	return c, nil
}

// member is the value of a member that must be there.
func member[T any](v *T, at, name string) (T, error) {
	if v == nil {
		var none T
		return none, &FormatError{Member: strings.TrimPrefix(at+"."+name, "."), Problem: ErrMissing.Error(), Err: ErrMissing}
	}
	return *v, nil
}

func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// formatError is what package json says about a document, with the member if it knows it.
func formatError(err error) *FormatError {
	var kind *json.UnmarshalTypeError
	if errors.As(err, &kind) && kind.Field != "" {
		return &FormatError{Member: kind.Field, Problem: fmt.Sprintf("is a JSON %s, want %v", kind.Value, kind.Type), Err: err}
	}
	return &FormatError{Problem: "not a JSON object: " + err.Error(), Err: err}
}
