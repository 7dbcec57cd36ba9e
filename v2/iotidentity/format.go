package iotidentity

import (
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
)

// What holds a private key or an ownership token prints and logs without it: these values end up in log lines as easily
// as any other. Parameters are named, not shown, since many templates take a secret of the device.

// Format prints the request without the ownership token, by every verb of package fmt.
func (r RegisterThingRequest) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, r.text()) }

// LogValue is what slog logs: the same text as Format.
func (r RegisterThingRequest) LogValue() slog.Value { return slog.StringValue(r.text()) }

func (r RegisterThingRequest) text() string {
	return fmt.Sprintf("iotidentity.RegisterThingRequest{TemplateName:%q CertificateOwnershipToken:%s Parameters:%q Document:(%d bytes) Timeout:%v}",
		r.TemplateName, hidden(len(r.CertificateOwnershipToken)), names(r.Parameters), len(r.Document), r.Timeout)
}

// Format prints the answer without the private key and the ownership token, by every verb of package fmt.
func (r CreateKeysAndCertificateResponse) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, r.text())
}

// LogValue is what slog logs: the same text as Format.
func (r CreateKeysAndCertificateResponse) LogValue() slog.Value { return slog.StringValue(r.text()) }

func (r CreateKeysAndCertificateResponse) text() string {
	return fmt.Sprintf("iotidentity.CreateKeysAndCertificateResponse{CertificateID:%q CertificatePem:%q PrivateKey:%s CertificateOwnershipToken:%s Raw:%s}",
		r.CertificateID, r.CertificatePem, hidden(len(r.PrivateKey)), hidden(len(r.CertificateOwnershipToken)), hidden(len(r.Raw)))
}

// Format prints the answer without the ownership token, by every verb of package fmt.
func (r CreateCertificateFromCsrResponse) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, r.text())
}

// LogValue is what slog logs: the same text as Format.
func (r CreateCertificateFromCsrResponse) LogValue() slog.Value { return slog.StringValue(r.text()) }

func (r CreateCertificateFromCsrResponse) text() string {
	return fmt.Sprintf("iotidentity.CreateCertificateFromCsrResponse{CertificateID:%q CertificatePem:%q CertificateOwnershipToken:%s Raw:%s}",
		r.CertificateID, r.CertificatePem, hidden(len(r.CertificateOwnershipToken)), hidden(len(r.Raw)))
}

// Format prints the options without the key of Signer and without the values of Parameters, by every verb of package fmt.
func (o ProvisionOptions) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, o.text()) }

// LogValue is what slog logs: the same text as Format.
func (o ProvisionOptions) LogValue() slog.Value { return slog.StringValue(o.text()) }

func (o ProvisionOptions) text() string {
	return fmt.Sprintf("iotidentity.ProvisionOptions{Claim:%v TemplateName:%q Parameters:%q Key:%v Signer:(%T) Subject:%q CertFile:%q KeyFile:%q Attempts:%d RequestTimeout:%v}",
		o.Claim, o.TemplateName, names(o.Parameters), o.Key, o.Signer, o.Subject, o.CertFile, o.KeyFile, o.Attempts, o.RequestTimeout)
}

// Format prints what the device has got without its private key, by every verb of package fmt.
func (p Provisioned) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, p.text()) }

// LogValue is what slog logs: the same text as Format.
func (p Provisioned) LogValue() slog.Value { return slog.StringValue(p.text()) }

func (p Provisioned) text() string {
	return fmt.Sprintf("iotidentity.Provisioned{Options:%v ThingName:%q DeviceConfiguration:%q CertificateID:%q CertificatePEM:%q PrivateKeyPEM:%s}",
		p.Options, p.ThingName, names(p.DeviceConfiguration), p.CertificateID, p.CertificatePEM, hidden(len(p.PrivateKeyPEM)))
}

// hidden stands for a secret of n bytes.
func hidden(n int) string { return fmt.Sprintf("(%d bytes)", n) }

// names returns the names of parameters, sorted.
func names(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
