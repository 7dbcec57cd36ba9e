package iotlocal

import (
	"net"
	"net/http"
	"strconv"

	"github.com/portage-iot/awsiot/iotlocal/internal/control"
	"github.com/portage-iot/awsiot/iotlocal/internal/rest"
)

// describeEndpoint returns addresses with a port, which AWS's have not: those of devices are that of the TLS port, which stands for
// 443, 8443 and 8883.
func (a *controlAPI) describeEndpoint(c *control.Call) (any, error) {
	switch kind := c.Text("endpointType"); kind {
	case "", "iot:Data", "iot:Data-ATS", "iot:Data-Beta", "iot:Jobs":
		if a.s.tlsPort == Off {
			return nil, rest.Invalid("this endpoint has no TLS port")
		}
		return map[string]string{"endpointAddress": net.JoinHostPort(a.s.host, strconv.Itoa(a.s.tlsPort))}, nil
	case "iot:CredentialProvider":
		return nil, rest.Refuse(http.StatusNotImplemented, "NotImplementedException", "endpointType %s is not available on this local endpoint", kind)
	default:
		return nil, rest.Invalid("endpointType %q is none of iot:Data, iot:Data-ATS, iot:Data-Beta, iot:Jobs, iot:CredentialProvider", kind)
	}
}
