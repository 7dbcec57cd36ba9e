package pkcs11

import (
	"bytes"
	"context"
	"crypto"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync/atomic"

	"github.com/portage-iot/awsiot/v2/internal/clientcert"
)

// session is an open token with the user logged in. The real one is in session_cgo.go.
type session interface {
	// keys returns the private keys with that label, all for "".
	keys(label string) ([]crypto.Signer, error)
	// certificate returns the certificate on the token, DER, that belongs to key; nil: there is none.
	certificate(key crypto.Signer) ([]byte, error)
	close()
}

// token keeps a session for as long as it works.
type token struct {
	options Options
	open    func(Options) (session, error)

	// free holds a value while somebody uses what is below: a lock that a context can end the wait for, since calls of
	// the library may take as long as a person who looks for the card.
	free chan struct{}

	held    *held
	refused error // the token refused the PIN: it is not tried again

	broken atomic.Bool // a signature failed: the session is not to be trusted
}

// held is the session of a token, apart from it, so that it can be closed when nothing refers to the token any more.
type held struct{ session session }

func (h *held) close() {
	if h.session != nil {
		h.session.close()
		h.session = nil
	}
}

// newTokenFor returns the token of o, of which it copies everything. Nothing is opened.
func newTokenFor(o Options) *token {
	if o.Slot != nil {
		o.Slot = new(*o.Slot)
	}
	o.CertPEM = bytes.Clone(o.CertPEM)
	t := &token{options: o, open: open, free: make(chan struct{}, 1), held: &held{}}
	// An Auth has no Close, so the collector says when it is not used any more: neither by a client nor, through its
	// signers, by a connection.
	runtime.AddCleanup(t, (*held).close, t.held)
	return t
}

// certificate returns the certificate with a signer on the token, whose session is opened where there is none that works.
func (t *token) certificate(ctx context.Context) (tls.Certificate, error) {
	select {
	case t.free <- struct{}{}:
		defer func() { <-t.free }()
	case <-ctx.Done():
		return tls.Certificate{}, fmt.Errorf("another attempt is at the %s: %w", t.options.tokenName(), context.Cause(ctx))
	}
	if err := t.options.problem(); err != nil {
		return tls.Certificate{}, err
	}
	if t.refused != nil {
		return tls.Certificate{}, t.refused
	}
	key, err := t.key()
	if err != nil {
		return tls.Certificate{}, err
	}
	cert := tls.Certificate{PrivateKey: &watched{key, &t.broken}}
	if cert.Certificate, err = t.chain(key); err != nil {
		return tls.Certificate{}, err
	}
	if err := clientcert.Check(&cert); err != nil {
		return tls.Certificate{}, fmt.Errorf("%s of %s: %w", t.options.keyName(), t.options.tokenName(), err)
	}
	return cert, nil
}

// key finds the key: in the session there is, or else in a new one, since a token that was taken out and put back looks
// to an old session like one that is gone.
func (t *token) key() (crypto.Signer, error) {
	if t.held.session != nil && !t.broken.Load() {
		if key, err := t.find(); err == nil {
			return key, nil
		}
	}
	t.held.close()
	t.broken.Store(false)
	opened, err := t.open(t.options)
	if errors.Is(err, ErrPIN) {
		t.refused = fmt.Errorf("%s: %w; it is not tried again, so that the token does not lock itself", t.options.tokenName(), err)
		return nil, t.refused
	}
	if err != nil {
		return nil, err
	}
	t.held.session = opened
	return t.find()
}

func (t *token) find() (crypto.Signer, error) {
	keys, err := t.held.session.keys(t.options.KeyLabel)
	if err != nil {
		return nil, fmt.Errorf("looking for %s on %s: %w", t.options.keyName(), t.options.tokenName(), err)
	}
	switch {
	case len(keys) == 1:
		return keys[0], nil
	case t.options.KeyLabel == "" && len(keys) > 1:
		return nil, fmt.Errorf("%s holds %d keys: name one by Options.KeyLabel", t.options.tokenName(), len(keys))
	case len(keys) > 1:
		return nil, fmt.Errorf("%s holds %d keys with the label %q", t.options.tokenName(), len(keys), t.options.KeyLabel)
	}
	what := "no private key"
	if t.options.KeyLabel != "" {
		what += fmt.Sprintf(" with the label %q", t.options.KeyLabel)
	}
	return nil, fmt.Errorf("%s shows %s (it shows none without the PIN, and none that has neither its public key nor its certificate beside it)", t.options.tokenName(), what)
}

// chain returns the certificate, DER, and what is to be sent with it.
func (t *token) chain(key crypto.Signer) ([][]byte, error) {
	text, where := t.options.CertPEM, "Options.CertPEM"
	if t.options.CertFile != "" {
		var err error
		if text, err = os.ReadFile(t.options.CertFile); err != nil {
			return nil, fmt.Errorf("certificate: %w", err)
		}
		where = t.options.CertFile
	}
	if where == t.options.CertFile || len(text) > 0 {
		var chain [][]byte
		for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
			if block.Type == "CERTIFICATE" {
				chain = append(chain, block.Bytes)
			}
		}
		if chain == nil {
			return nil, fmt.Errorf("%s: no PEM certificate in it", where)
		}
		return chain, nil
	}
	found, err := t.held.session.certificate(key)
	switch {
	case err != nil:
		return nil, fmt.Errorf("looking for the certificate on %s: %w", t.options.tokenName(), err)
	case found == nil:
		return nil, fmt.Errorf("%s holds no certificate for %s: give it by Options.CertFile or CertPEM", t.options.tokenName(), t.options.keyName())
	}
	return [][]byte{found}, nil
}

// watched is a key that remembers that a signature failed.
type watched struct {
	crypto.Signer
	broken *atomic.Bool
}

func (w *watched) Sign(rand io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	signature, err := w.Signer.Sign(rand, digest, opts)
	if err != nil {
		w.broken.Store(true)
		err = fmt.Errorf("PKCS #11: signing on the token: %w", err)
	}
	return signature, err
}
