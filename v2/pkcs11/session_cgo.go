//go:build cgo

package pkcs11

import (
	"crypto"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ThalesGroup/crypto11"
	miekg "github.com/miekg/pkcs11"
)

// signWait bounds the wait for one of the token's sessions: a handshake has no use for a signature that comes later.
const signWait = 10 * time.Second

// libSession is a session of a real library.
type libSession struct{ ctx *crypto11.Context }

// open loads the library, finds the token and logs in. The errors of crypto11 tell of the token, never of the PIN.
func open(o Options) (session, error) {
	ctx, err := crypto11.Configure(&crypto11.Config{
		Path: o.Library, TokenLabel: o.TokenLabel, TokenSerial: o.TokenSerial, SlotNumber: o.Slot,
		Pin: o.PIN, LoginNotSupported: o.PIN == "", PoolWaitTimeout: signWait,
	})
	var code miekg.Error
	switch {
	case err == nil:
		return &libSession{ctx}, nil
	case errors.As(err, &code) && pinCodes[code]:
		return nil, fmt.Errorf("%w: %w", ErrPIN, code)
	case strings.Contains(err.Error(), "failed to open module"): // crypto11 has no value for it
		return nil, fmt.Errorf("the library %s cannot be loaded: %w", o.Library, err)
	}
	return nil, fmt.Errorf("%s, library %s: %w", o.tokenName(), o.Library, err)
}

// pinCodes are the answers that a PIN gets when trying it again would do harm or no good.
var pinCodes = map[miekg.Error]bool{
	miekg.CKR_PIN_INCORRECT: true,
	miekg.CKR_PIN_INVALID:   true,
	miekg.CKR_PIN_LEN_RANGE: true,
	miekg.CKR_PIN_EXPIRED:   true,
	miekg.CKR_PIN_LOCKED:    true,
}

func (s *libSession) keys(label string) ([]crypto.Signer, error) {
	var found []crypto11.Signer
	var err error
	if label == "" {
		found, err = s.ctx.FindAllKeyPairs()
	} else {
		found, err = s.ctx.FindKeyPairs(nil, []byte(label))
	}
	keys := make([]crypto.Signer, 0, len(found))
	for _, key := range found {
		keys = append(keys, key)
	}
	return keys, err
}

func (s *libSession) certificate(key crypto.Signer) ([]byte, error) {
	paired, err := s.ctx.FindAllPairedCertificates()
	if err != nil {
		return nil, err
	}
	public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok {
		return nil, fmt.Errorf("the key is of type %T", key.Public())
	}
	for _, p := range paired {
		if public.Equal(p.Leaf.PublicKey) {
			return p.Certificate[0], nil
		}
	}
	return nil, nil
}

func (s *libSession) close() { s.ctx.Close() }
