package iotlocal

import (
	"fmt"

	"github.com/portage-iot/awsiot/iotlocal/broker"
	"github.com/portage-iot/awsiot/iotlocal/wire"
)

// SetCertificateStatus makes a certificate, of NewThing or of fleet provisioning, CertificateActive, CertificateInactive or
// CertificateRevoked (UpdateCertificate of AWS). A client with one that is not active cannot connect, and one that is connected is
// disconnected at once with 0x87; AWS takes some minutes. The error is that there is no such certificate, or another status.
func (s *Server) SetCertificateStatus(id string, status CertificateStatus) error {
	switch status {
	case CertificateActive, CertificateInactive, CertificateRevoked:
	default:
		return fmt.Errorf("iotlocal: certificates become ACTIVE, INACTIVE or REVOKED, not %v", status)
	}
	if _, ok := s.CertificateStatus(id); !ok {
		return absentError(fmt.Sprintf("iotlocal: there is no certificate %q", id))
	}
	if _, err := s.fleet.service.SetStatus(id, status, s.clock.Now()); err != nil {
		return err
	}
	if status != CertificateActive {
		s.broker.DisconnectWhere(func(c *broker.Client) bool { return certificateID(c) == id }, wire.NotAuthorized, s.fleet.refuses(id))
	}
	return nil
}

// recheck ends a client whose certificate has become another since admit: SetCertificateStatus did not find it among the connected.
func (s *Server) recheck(c *broker.Client) {
	if denial := s.fleet.refuses(certificateID(c)); denial != "" {
		s.broker.DisconnectWhere(func(other *broker.Client) bool { return other == c }, wire.NotAuthorized, denial)
	}
}

// CertificateStatus returns the status of a certificate by its id; ok is false when the server does not know it.
func (s *Server) CertificateStatus(id string) (status CertificateStatus, ok bool) {
	status = s.fleet.status(id)
	return status, status != 0
}
