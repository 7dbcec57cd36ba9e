package discovery

import (
	"errors"
	"strings"

	"github.com/portage-iot/awsiot/v1compat"
	"github.com/portage-iot/awsiot/v2/greengrass"
)

// DiscoveryInfo is v1's class of that name: the document of the discovery API, parsed anew by every call. A member
// that is missing in it is a *v1compat.KeyError of the call, as in v1; what is no such document at all is a
// *v1compat.ValueError.
//
// Deprecated: use *greengrass.DiscoverResponse.
type DiscoveryInfo struct{ raw string }

// NewDiscoveryInfo is v1's constructor.
//
// Deprecated: use greengrass.ParseResponse.
func NewDiscoveryInfo(rawJSON string) *DiscoveryInfo { return &DiscoveryInfo{rawJSON} }

// GroupConnectivityInfo is v1's class of that name: a Greengrass group. The lists are its properties.
//
// Deprecated: use greengrass.Group.
type GroupConnectivityInfo struct {
	GroupID                  string
	CoreConnectivityInfoList []*CoreConnectivityInfo
	CaList                   []string // PEM
}

// CoreConnectivityInfo is v1's class of that name: a core.
//
// Deprecated: use greengrass.Core.
type CoreConnectivityInfo struct {
	CoreThingArn         string
	GroupID              string
	ConnectivityInfoList []*ConnectivityInfo
}

// ConnectivityInfo is v1's class of that name: an address of a core.
//
// Deprecated: use greengrass.ConnectivityInfo.
type ConnectivityInfo struct {
	ID       string
	Host     string
	Port     int
	Metadata string
}

// Ca is one of v1's pairs (groupId, ca).
//
// Deprecated: use greengrass.Group.CertificateAuthorities.
type Ca struct {
	GroupID string
	Ca      string // PEM
}

// GetCoreConnectivityInfo is v1's getCoreConnectivityInfo: the core of a thing ARN, or nil.
//
// Deprecated: use greengrass.Group.Cores.
func (g *GroupConnectivityInfo) GetCoreConnectivityInfo(coreThingArn string) *CoreConnectivityInfo {
	for _, c := range g.CoreConnectivityInfoList {
		if c.CoreThingArn == coreThingArn {
			return c
		}
	}
	return nil
}

// GetConnectivityInfo is v1's getConnectivityInfo: the address of an id, or nil.
//
// Deprecated: use greengrass.Core.Connectivity.
func (c *CoreConnectivityInfo) GetConnectivityInfo(id string) *ConnectivityInfo {
	for _, info := range c.ConnectivityInfoList {
		if info.ID == id {
			return info
		}
	}
	return nil
}

// RawJSON is v1's property rawJson.
//
// Deprecated: use greengrass.DiscoverResponse.Raw.
func (d *DiscoveryInfo) RawJSON() string { return d.raw }

// GetAllGroups is v1's getAllGroups.
//
// Deprecated: use greengrass.DiscoverResponse.Groups.
func (d *DiscoveryInfo) GetAllGroups() ([]*GroupConnectivityInfo, error) {
	r, err := greengrass.ParseResponse([]byte(d.raw))
	if err != nil {
		return nil, pythonError(err)
	}
	var groups []*GroupConnectivityInfo
	for _, g := range r.Groups {
		group := &GroupConnectivityInfo{GroupID: g.ID, CaList: g.CertificateAuthorities}
		for _, c := range g.Cores {
			core := &CoreConnectivityInfo{CoreThingArn: c.ThingARN, GroupID: g.ID}
			for _, info := range c.Connectivity {
				core.ConnectivityInfoList = put(core.ConnectivityInfoList, &ConnectivityInfo{info.ID, info.HostAddress, info.Port, info.Metadata},
					func(o *ConnectivityInfo) bool { return o.ID == info.ID })
			}
			group.CoreConnectivityInfoList = put(group.CoreConnectivityInfoList, core,
				func(o *CoreConnectivityInfo) bool { return o.CoreThingArn == c.ThingARN })
		}
		groups = put(groups, group, func(o *GroupConnectivityInfo) bool { return o.GroupID == g.ID })
	}
	return groups, nil
}

// put is what v1's ordered dictionaries did: the last of an id wins, in the place of the first.
func put[T any](list []T, v T, same func(T) bool) []T {
	for i, o := range list {
		if same(o) {
			list[i] = v
			return list
		}
	}
	return append(list, v)
}

// GetAllCores is v1's getAllCores: those of all groups.
//
// Deprecated: use greengrass.DiscoverResponse.Candidates.
func (d *DiscoveryInfo) GetAllCores() ([]*CoreConnectivityInfo, error) {
	groups, err := d.GetAllGroups()
	var all []*CoreConnectivityInfo
	for _, g := range groups {
		all = append(all, g.CoreConnectivityInfoList...)
	}
	return all, err
}

// GetAllCas is v1's getAllCas: those of all groups, each with its group.
//
// Deprecated: use greengrass.DiscoverResponse.Groups.
func (d *DiscoveryInfo) GetAllCas() ([]Ca, error) {
	groups, err := d.GetAllGroups()
	var all []Ca
	for _, g := range groups {
		for _, ca := range g.CaList {
			all = append(all, Ca{g.GroupID, ca})
		}
	}
	return all, err
}

// ToObjectAtGroupLevel is v1's toObjectAtGroupLevel: the groups by their ids.
//
// Deprecated: use greengrass.DiscoverResponse.Groups.
func (d *DiscoveryInfo) ToObjectAtGroupLevel() (map[string]*GroupConnectivityInfo, error) {
	groups, err := d.GetAllGroups()
	if err != nil {
		return nil, err
	}
	all := make(map[string]*GroupConnectivityInfo, len(groups))
	for _, g := range groups {
		all[g.GroupID] = g
	}
	return all, nil
}

// pythonError is what Python raised for a malformed document.
func pythonError(err error) error {
	var format *greengrass.FormatError
	if errors.As(err, &format) && errors.Is(err, greengrass.ErrMissing) {
		return &v1compat.KeyError{Key: format.Member[strings.LastIndexByte(format.Member, '.')+1:]}
	}
	return &v1compat.ValueError{Message: "Invalid discovery data.", Err: err}
}
