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

// FromV2 gives a response of package greengrass v1's shape. nil gives nil.
//
// Deprecated: use *greengrass.DiscoverResponse as it is.
func FromV2(r *greengrass.DiscoverResponse) *DiscoveryInfo {
	if r == nil {
		return nil
	}
	return NewDiscoveryInfo(string(r.Raw))
}

// The classes of v1 that a document is made into. They are those of package greengrass, so that what has moved there and
// what has not can hand them to each other.
type (
	// GroupConnectivityInfo is v1's class of that name: a Greengrass group. The lists are its properties.
	//
	// Deprecated: use greengrass.Group.
	GroupConnectivityInfo = greengrass.GroupV1
	// CoreConnectivityInfo is v1's class of that name: a core.
	//
	// Deprecated: use greengrass.Core.
	CoreConnectivityInfo = greengrass.CoreV1
	// ConnectivityInfo is v1's class of that name: an address of a core.
	//
	// Deprecated: use greengrass.ConnectivityInfo.
	ConnectivityInfo = greengrass.ConnectivityInfoV1
	// Ca is one of v1's pairs (groupId, ca).
	//
	// Deprecated: use greengrass.Group.CertificateAuthorities.
	Ca = greengrass.CAV1
)

// RawJSON is v1's property rawJson.
//
// Deprecated: use greengrass.DiscoverResponse.Raw.
func (d *DiscoveryInfo) RawJSON() string { return d.raw }

// parsed is what make makes of the document.
func parsed[T any](d *DiscoveryInfo, make func(*greengrass.DiscoverResponse) T) (none T, err error) {
	r, err := greengrass.ParseResponse([]byte(d.raw))
	if err != nil {
		return none, pythonError(err)
	}
	return make(r), nil
}

// GetAllGroups is v1's getAllGroups.
//
// Deprecated: use greengrass.DiscoverResponse.Groups.
func (d *DiscoveryInfo) GetAllGroups() ([]*GroupConnectivityInfo, error) {
	return parsed(d, (*greengrass.DiscoverResponse).GroupsV1)
}

// GetAllCores is v1's getAllCores: those of all groups.
//
// Deprecated: use greengrass.DiscoverResponse.Candidates.
func (d *DiscoveryInfo) GetAllCores() ([]*CoreConnectivityInfo, error) {
	return parsed(d, (*greengrass.DiscoverResponse).CoresV1)
}

// GetAllCas is v1's getAllCas: those of all groups, each with its group.
//
// Deprecated: use greengrass.DiscoverResponse.Groups.
func (d *DiscoveryInfo) GetAllCas() ([]Ca, error) {
	return parsed(d, (*greengrass.DiscoverResponse).CAsV1)
}

// ToObjectAtGroupLevel is v1's toObjectAtGroupLevel: the groups by their ids.
//
// Deprecated: use greengrass.DiscoverResponse.Groups.
func (d *DiscoveryInfo) ToObjectAtGroupLevel() (map[string]*GroupConnectivityInfo, error) {
	return parsed(d, (*greengrass.DiscoverResponse).ObjectV1)
}

// pythonError is what Python raised for a malformed document.
func pythonError(err error) error {
	var format *greengrass.FormatError
	if errors.As(err, &format) && errors.Is(err, greengrass.ErrMissing) {
		return &v1compat.KeyError{Key: format.Member[strings.LastIndexByte(format.Member, '.')+1:]}
	}
	return &v1compat.ValueError{Message: "Invalid discovery data.", Err: err}
}
