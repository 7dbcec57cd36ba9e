package greengrass

// This file gives a response the shape that v1's discovery API had, for code that was moved from it: package discovery of
// v1compat has these types under v1's names.

// GroupV1 is v1's GroupConnectivityInfo: a group, of whose cores each is there once.
type GroupV1 struct {
	GroupID                  string
	CoreConnectivityInfoList []*CoreV1
	CaList                   []string // PEM
}

// CoreV1 is v1's CoreConnectivityInfo: a core, of whose addresses each is there once.
type CoreV1 struct {
	CoreThingArn         string
	GroupID              string
	ConnectivityInfoList []*ConnectivityInfoV1
}

// ConnectivityInfoV1 is v1's ConnectivityInfo: an address of a core.
type ConnectivityInfoV1 struct {
	ID       string
	Host     string
	Port     int
	Metadata string
}

// CAV1 is one of v1's pairs (groupId, ca).
type CAV1 struct {
	GroupID string
	Ca      string // PEM
}

// GetCoreConnectivityInfo is v1's getCoreConnectivityInfo: the core of a thing ARN, or nil.
func (g *GroupV1) GetCoreConnectivityInfo(coreThingArn string) *CoreV1 {
	for _, c := range g.CoreConnectivityInfoList {
		if c.CoreThingArn == coreThingArn {
			return c
		}
	}
	return nil
}

// GetConnectivityInfo is v1's getConnectivityInfo: the address of an id, or nil.
func (c *CoreV1) GetConnectivityInfo(id string) *ConnectivityInfoV1 {
	for _, info := range c.ConnectivityInfoList {
		if info.ID == id {
			return info
		}
	}
	return nil
}

// GroupsV1 is v1's getAllGroups, made anew by every call: of groups with one id the last, in the place of the first, and
// so for the cores of a group and the addresses of a core. New code ranges over Groups.
func (r *DiscoverResponse) GroupsV1() []*GroupV1 {
	var groups []*GroupV1
	for _, g := range r.Groups {
		group := &GroupV1{GroupID: g.ID, CaList: g.CertificateAuthorities}
		for _, c := range g.Cores {
			core := &CoreV1{CoreThingArn: c.ThingARN, GroupID: g.ID}
			for _, info := range c.Connectivity {
				core.ConnectivityInfoList = put(core.ConnectivityInfoList, &ConnectivityInfoV1{info.ID, info.HostAddress, info.Port, info.Metadata},
					func(o *ConnectivityInfoV1) bool { return o.ID == info.ID })
			}
			group.CoreConnectivityInfoList = put(group.CoreConnectivityInfoList, core,
				func(o *CoreV1) bool { return o.CoreThingArn == c.ThingARN })
		}
		groups = put(groups, group, func(o *GroupV1) bool { return o.GroupID == g.ID })
	}
	return groups
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

// CoresV1 is v1's getAllCores: those of all groups. New code ranges over Candidates, or calls Connect.
func (r *DiscoverResponse) CoresV1() []*CoreV1 {
	var all []*CoreV1
	for _, g := range r.GroupsV1() {
		all = append(all, g.CoreConnectivityInfoList...)
	}
	return all
}

// CAsV1 is v1's getAllCas: those of all groups, each with its group. New code ranges over Groups.
func (r *DiscoverResponse) CAsV1() []CAV1 {
	var all []CAV1
	for _, g := range r.GroupsV1() {
		for _, ca := range g.CaList {
			all = append(all, CAV1{g.GroupID, ca})
		}
	}
	return all
}

// ObjectV1 is v1's toObjectAtGroupLevel: the groups by their ids. New code ranges over Groups.
func (r *DiscoverResponse) ObjectV1() map[string]*GroupV1 {
	groups := r.GroupsV1()
	all := make(map[string]*GroupV1, len(groups))
	for _, g := range groups {
		all[g.GroupID] = g
	}
	return all
}
