package topic

import (
	"testing"

	"pgregory.net/rapid"
)

func TestParseAWSEndpoint(t *testing.T) {
	for _, c := range []struct {
		host string
		want Endpoint // no Region: not one
	}{
		{"abc123-ats.iot.eu-west-1.amazonaws.com", Endpoint{"abc123-ats", "eu-west-1", false, false, "amazonaws.com"}},
		{"abc123.iot.us-east-1.amazonaws.com", Endpoint{"abc123", "us-east-1", false, false, "amazonaws.com"}},
		{"ABC123-ATS.IOT.EU-West-1.AmazonAWS.com.", Endpoint{"abc123-ats", "eu-west-1", false, false, "amazonaws.com"}},
		{"iot.eu-west-1.amazonaws.com", Endpoint{"", "eu-west-1", false, false, "amazonaws.com"}},
		{"data.iot-fips.us-gov-west-1.amazonaws.com", Endpoint{"data", "us-gov-west-1", true, false, "amazonaws.com"}},
		{"data.iot.ap-southeast-2.api.aws", Endpoint{"data", "ap-southeast-2", false, false, "api.aws"}},
		{"data.iot-fips.us-east-2.api.aws", Endpoint{"data", "us-east-2", true, false, "api.aws"}},
		{"vpce-0a1b-xyz.data.iot.us-west-2.vpce.amazonaws.com", Endpoint{"vpce-0a1b-xyz.data", "us-west-2", false, true, "amazonaws.com"}},
		{"vpce-0a1b.data.iot.cn-north-1.vpce.amazonaws.com.cn", Endpoint{"vpce-0a1b.data", "cn-north-1", false, true, "amazonaws.com.cn"}},
		{"t1.deviceadvisor.iot.us-east-1.amazonaws.com", Endpoint{"t1.deviceadvisor", "us-east-1", false, false, "amazonaws.com"}},
		{"greengrass.ats.iot.cn-north-1.amazonaws.com.cn", Endpoint{"greengrass.ats", "cn-north-1", false, false, "amazonaws.com.cn"}},
		{"a.ats.iot.cn-northwest-1.amazonaws.com.cn", Endpoint{"a.ats", "cn-northwest-1", false, false, "amazonaws.com.cn"}},
		{"a.iot.cn-north-1.api.amazonwebservices.com.cn", Endpoint{"a", "cn-north-1", false, false, "api.amazonwebservices.com.cn"}},
		{"a-ats.iot.eusc-de-east-1.amazonaws.eu", Endpoint{"a-ats", "eusc-de-east-1", false, false, "amazonaws.eu"}},
		{"a.iot.us-iso-east-1.c2s.ic.gov", Endpoint{"a", "us-iso-east-1", false, false, "c2s.ic.gov"}},
		{"a.iot.us-isob-east-1.sc2s.sgov.gov", Endpoint{"a", "us-isob-east-1", false, false, "sc2s.sgov.gov"}},
		{"a.iot.eu-isoe-west-1.cloud.adc-e.uk", Endpoint{"a", "eu-isoe-west-1", false, false, "cloud.adc-e.uk"}},
		{"a.iot.us-isof-south-1.csp.hci.ic.gov", Endpoint{"a", "us-isof-south-1", false, false, "csp.hci.ic.gov"}},

		{"ec2-1-2-3-4.eu-west-1.compute.amazonaws.com", Endpoint{}},
		{"broker.elb.eu-west-1.amazonaws.com", Endpoint{}},
		{"iot.elb.eu-west-1.amazonaws.com", Endpoint{}},
		{"iot-123.eu-west-1.elb.amazonaws.com", Endpoint{}},
		{"b-1234-1.mq.us-west-2.amazonaws.com", Endpoint{}},
		{"x.iot.eu-west-1.compute.amazonaws.com", Endpoint{}},
		{"x.iot.eu-west-1.elb.amazonaws.com", Endpoint{}},
		{"my.iot.example.com", Endpoint{}},
		{"x.iot.eu-west-1.example.com", Endpoint{}},
		{"x.iot.eu-west-1.notamazonaws.com", Endpoint{}},
		{"x.iot.eu-west-1.amazonaws.com.example.com", Endpoint{}},
		{"x.iot.eu-west-1.vpce.example.com", Endpoint{}},
		{"x.iot.broker.amazonaws.com", Endpoint{}},
		{"x.iot.amazonaws.com", Endpoint{}},
		{"x.iots.eu-west-1.amazonaws.com", Endpoint{}},
		{"xiot.eu-west-1.amazonaws.com", Endpoint{}},
		{".iot.eu-west-1.amazonaws.com", Endpoint{}},
		{"x..iot.eu-west-1.amazonaws.com", Endpoint{}},
		{"a..b.iot.eu-west-1.amazonaws.com", Endpoint{}},
		{"eu-west-1.amazonaws.com", Endpoint{}},
		{"amazonaws.com", Endpoint{}},
		{"localhost", Endpoint{}},
		{"", Endpoint{}},
	} {
		got, ok := ParseAWSEndpoint(c.host)
		if got != c.want || ok != (c.want.Region != "") || IsAWSEndpoint(c.host) != ok {
			t.Errorf("%q: %+v %v, want %+v", c.host, got, ok, c.want)
		}
	}
}

func TestIsAWSRegion(t *testing.T) {
	for s, want := range map[string]bool{
		"eu-west-1": true, "ap-southeast-12": true, "us-gov-east-1": true, "eusc-de-east-1": true, "us-isob-east-1": true,
		"": false, "eu": false, "eu-1": false, "eu-west": false, "eu-west-": false, "eu--1": false, "-west-1": false, "e-west-1": false,
		"europe-west-1": false, "eu-west-1a": false, "eu-we5t-1": false, "EU-west-1": false, "eu-west-1-": false,
	} {
		if got := IsAWSRegion(s); got != want {
			t.Errorf("%q: %v", s, got)
		}
	}
}

// The name of discovery is a data endpoint's in every partition, and tells the region back.
func TestGreengrassHost(t *testing.T) {
	for region, want := range map[string]string{
		"eu-west-1": "greengrass-ats.iot.eu-west-1.amazonaws.com", "us-gov-west-1": "greengrass-ats.iot.us-gov-west-1.amazonaws.com",
		"cn-north-1": "greengrass.ats.iot.cn-north-1.amazonaws.com.cn", "eusc-de-east-1": "greengrass-ats.iot.eusc-de-east-1.amazonaws.eu",
		"us-iso-east-1": "greengrass-ats.iot.us-iso-east-1.c2s.ic.gov",
	} {
		got := GreengrassHost(region)
		if e, ok := ParseAWSEndpoint(got); got != want || !ok || e.Region != region {
			t.Errorf("%s: %q %+v %v", region, got, e, ok)
		}
	}
}

// Whatever is made of a prefix, a service, a region and a suffix is taken apart again; with a label more or less it is
// another name.
func TestParseAWSEndpointProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := Endpoint{Prefix: rapid.StringMatching(`[a-z0-9-]{1,10}(\.[a-z0-9-]{1,5})?`).Draw(t, "prefix"),
			Region: rapid.StringMatching(`[a-z]{2,4}(-[a-z]{1,9}){1,2}-[0-9]{1,2}`).Draw(t, "region"),
			FIPS:   rapid.Bool().Draw(t, "fips"), VPC: rapid.Bool().Draw(t, "vpc"), Suffix: rapid.SampledFrom(awsSuffixes[:]).Draw(t, "suffix")}
		service, vpc := "iot", ""
		if want.FIPS {
			service = "iot-fips"
		}
		if want.VPC {
			vpc = "vpce."
		}
		host := want.Prefix + "." + service + "." + want.Region + "." + vpc + want.Suffix
		if got, ok := ParseAWSEndpoint(host); !ok || got != want {
			t.Fatalf("%q: %+v %v, want %+v", host, got, ok, want)
		}
		if other := want.Prefix + "." + service + "." + want.Region + ".x." + want.Suffix; IsAWSEndpoint(other) {
			t.Fatalf("%q is taken for one", other)
		}
	})
}
