package iotidentity

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	awsiot "github.com/portage-iot/awsiot/v2"
)

// validate returns every problem of the options, joined.
func (o ProvisionOptions) validate() error {
	var errs []error
	bad := func(field, problem string, a ...any) {
		errs = append(errs, &awsiot.ValidationError{Field: field, Problem: fmt.Sprintf(problem, a...)})
	}
	if err := o.Claim.Validate(); err != nil {
		errs = append(errs, fmt.Errorf("option Claim: %w", err))
	}
	if _, err := template(o.TemplateName); err != nil {
		errs = append(errs, err)
	}
	if o.Key != KeyOfDevice && o.Key != KeyOfService {
		bad("Key", "%v is no source of keys", o.Key)
	}
	switch {
	case o.Signer == nil:
		if (o.CertFile == "") != (o.KeyFile == "") {
			bad("KeyFile", "CertFile and KeyFile go together: a certificate without its key is of no use")
		}
	case o.Key == KeyOfService:
		bad("Signer", "is the device's key, and Key is KeyOfService")
	case o.KeyFile != "":
		bad("KeyFile", "the key of Signer is not written anywhere")
	}
	if o.CertFile != "" && o.CertFile == o.KeyFile {
		bad("KeyFile", "is the same file as CertFile")
	}
	if o.RequestTimeout < 0 {
		bad("RequestTimeout", "%v is negative", o.RequestTimeout)
	}
	return errors.Join(errs...)
}

// files writes the certificate and the key: staged under other names in the same directories, then renamed.
type files struct {
	cert, key             string // "": not written
	newKey                bool   // the key is not in its file yet
	stagedCert, stagedKey string
	registered            bool // what is staged is of use: it is kept whatever happens
}

// begin looks at what is there, and makes sure that the directories can be written to. It returns the key of an
// interrupted run.
func (f *files) begin(source KeySource) (oldKey []byte, err error) {
	if f.cert == "" {
		return nil, nil
	}
	f.newKey = f.key != ""
	if err := absent(f.cert); err != nil {
		return nil, err
	}
	if f.newKey {
		oldKey, err = os.ReadFile(f.key)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			oldKey = nil
		case err != nil:
			return nil, err
		case source == KeyOfService:
			return nil, fmt.Errorf("%s: %w: the service's key would replace it", f.key, fs.ErrExist)
		default:
			f.newKey = false
		}
	}
	for _, path := range []string{f.cert, f.key} {
		if path == "" {
			continue
		}
		probe, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
		if err != nil {
			return nil, err
		}
		if err := errors.Join(probe.Close(), os.Remove(probe.Name())); err != nil {
			return nil, err
		}
	}
	return oldKey, nil
}

// absent returns an error that wraps fs.ErrExist for a path where something is.
func absent(path string) error {
	switch _, err := os.Lstat(path); {
	case err == nil:
		return fmt.Errorf("%s: %w: the device seems to be provisioned", path, fs.ErrExist)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	return nil
}

// stage writes both files whole, under other names.
func (f *files) stage(cert, key []byte) (err error) {
	f.discard()
	if f.newKey {
		if f.stagedKey, err = write(f.key, key); err != nil {
			return err
		}
	}
	if f.cert != "" {
		f.stagedCert, err = write(f.cert, cert)
	}
	return err
}

// write writes a file beside path with mode 0600, to the disk, and returns its name.
func write(path string, data []byte) (name string, err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*") // CreateTemp's mode is 0600
	if err != nil {
		return "", err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), nil
}

// commit gives the files their names, the certificate last. It may be called again after an error. Nobody's file is
// replaced: one that has come meanwhile is an error.
func (f *files) commit() error {
	f.registered = true
	for _, s := range []struct {
		staged *string
		path   string
	}{{&f.stagedKey, f.key}, {&f.stagedCert, f.cert}} {
		if *s.staged == "" {
			continue
		}
		if err := absent(s.path); err != nil {
			return fmt.Errorf("the device is registered, and %s is kept: %w", *s.staged, err)
		}
		if err := os.Rename(*s.staged, s.path); err != nil {
			return fmt.Errorf("the device is registered, and %s is kept: %w", *s.staged, err)
		}
		*s.staged = ""
	}
	return nil
}

// discard removes what was staged, unless it belongs to a device that is registered.
func (f *files) discard() {
	if f.registered {
		return
	}
	for _, staged := range []*string{&f.stagedKey, &f.stagedCert} {
		if *staged != "" {
			_ = os.Remove(*staged) // it is a hidden file of 0600; nothing depends on it
			*staged = ""
		}
	}
}

// parseKey reads a private key from PEM, in any form that crypto/tls reads.
func parseKey(text []byte) (crypto.Signer, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("the private key is not PEM")
	}
	for _, parse := range []func([]byte) (any, error){
		x509.ParsePKCS8PrivateKey,
		func(der []byte) (any, error) { return x509.ParsePKCS1PrivateKey(der) },
		func(der []byte) (any, error) { return x509.ParseECPrivateKey(der) },
	} {
		if key, err := parse(block.Bytes); err == nil {
			if signer, ok := key.(crypto.Signer); ok {
				return signer, nil
			}
		}
	}
	return nil, errors.New("the private key cannot be read: it is neither PKCS #8, PKCS #1 nor SEC 1, or encrypted")
}
