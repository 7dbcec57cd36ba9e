package topic

import "strings"

// Endpoint is what the name of an AWS IoT data endpoint says.
type Endpoint struct {
	Prefix string // what stands before the service: the account, as abc-ats, "data", or several labels; "": nothing
	Region string // such as eu-west-1
	FIPS   bool   // iot-fips
	VPC    bool   // an interface endpoint of a virtual private cloud
	Suffix string // of the partition: amazonaws.com, api.aws and the others
}

// awsSuffixes are the domains of AWS's partitions, the second of each for dual-stack names (the SDKs' partitions.json:
// aws and aws-us-gov, aws-cn, aws-eusc, aws-iso, aws-iso-b, aws-iso-e, aws-iso-f).
var awsSuffixes = [...]string{
	"amazonaws.com", "api.aws",
	"amazonaws.com.cn", "api.amazonwebservices.com.cn",
	"amazonaws.eu", "api.amazonwebservices.eu",
	"c2s.ic.gov", "api.aws.ic.gov",
	"sc2s.sgov.gov", "api.aws.scloud",
	"cloud.adc-e.uk", "api.cloud-aws.adc-e.uk",
	"csp.hci.ic.gov", "api.aws.hci.ic.gov",
}

// ParseAWSEndpoint reads the host name of a data endpoint of AWS IoT, without a port: [PREFIX.]iot.REGION.SUFFIX,
// with iot-fips in place of iot, and with vpce before SUFFIX for interface endpoints (AWS General Reference, "AWS IoT
// Core endpoints and quotas"). Case and a final dot do not matter. ok is false for everything else, custom domains and
// names of other services under the same suffixes (EC2, ELB, MQ) included. It does not allocate, except to lower the case.
//
// This is the one place that knows these names: limits, client ids, hints, the region to sign for and discovery ask here.
func ParseAWSEndpoint(host string) (e Endpoint, ok bool) {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	for _, s := range awsSuffixes {
		rest, found := strings.CutSuffix(host, "."+s)
		if !found {
			continue
		}
		e = Endpoint{Suffix: s}
		rest, e.VPC = strings.CutSuffix(rest, ".vpce")
		rest, e.Region = lastLabel(rest)
		prefix, service := lastLabel(rest)
		e.Prefix, e.FIPS = prefix, service == "iot-fips"
		empty := strings.HasPrefix(host, ".") || strings.Contains(host, "..") // a label
		if (service == "iot" || e.FIPS) && IsAWSRegion(e.Region) && !empty {
			return e, true
		}
	}
	return Endpoint{}, false
}

// lastLabel cuts the last label off a name.
func lastLabel(name string) (rest, label string) {
	if i := strings.LastIndexByte(name, '.'); i >= 0 {
		return name[:i], name[i+1:]
	}
	return "", name
}

// IsAWSEndpoint reports whether host is the name of a data endpoint of AWS IoT: see ParseAWSEndpoint.
func IsAWSEndpoint(host string) bool {
	_, ok := ParseAWSEndpoint(host)
	return ok
}

// IsAWSRegion reports whether s has the form of a region's name: words of letters, the first of 2 to 4, and a number, as
// us-east-1, us-gov-west-1, us-isob-east-1, eusc-de-east-1.
func IsAWSRegion(s string) bool {
	words := 0
	for {
		word, rest, more := strings.Cut(s, "-")
		if !more {
			return words >= 2 && isMade(word, '0', '9')
		}
		if !isMade(word, 'a', 'z') || words == 0 && (len(word) < 2 || len(word) > 4) {
			return false
		}
		words++
		s = rest
	}
}

// isMade reports whether s is not empty, and of bytes from lo to hi only.
func isMade(s string, lo, hi byte) bool {
	for i := range len(s) {
		if s[i] < lo || s[i] > hi {
			return false
		}
	}
	return s != ""
}

// GreengrassHost returns the host name of Greengrass discovery in a region (AWS General Reference, "AWS IoT Greengrass
// endpoints and quotas"): greengrass-ats.iot.REGION.SUFFIX, in China greengrass.ats.iot.REGION.SUFFIX.
func GreengrassHost(region string) string {
	if strings.HasPrefix(region, "cn-") {
		return "greengrass.ats.iot." + region + "." + regionSuffix(region)
	}
	return "greengrass-ats.iot." + region + "." + regionSuffix(region)
}

// regionSuffix returns the domain of a region's partition.
func regionSuffix(region string) string {
	for _, p := range [...]struct{ prefix, suffix string }{
		{"cn-", "amazonaws.com.cn"}, {"eusc-", "amazonaws.eu"}, {"us-iso-", "c2s.ic.gov"}, {"us-isob-", "sc2s.sgov.gov"},
		{"eu-isoe-", "cloud.adc-e.uk"}, {"us-isof-", "csp.hci.ic.gov"},
	} {
		if strings.HasPrefix(region, p.prefix) {
			return p.suffix
		}
	}
	return "amazonaws.com"
}
