package wincert

import (
	"bytes"
	"crypto"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"runtime"
	"unsafe"

	"github.com/google/certtostore"
	"golang.org/x/sys/windows"
)

// system takes the certificate from the store of Windows.
func system(l location) (tls.Certificate, error) {
	found, err := find(l)
	if err != nil {
		return tls.Certificate{}, err
	}
	key, err := privateKey(l, found)
	if err != nil {
		windows.CertFreeCertificateContext(found)
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: chain(found), PrivateKey: key}, nil
}

// find returns the certificate's context, which the caller frees.
func find(l location) (*windows.CertContext, error) {
	name, err := windows.UTF16PtrFromString(l.store)
	if err != nil {
		return nil, err
	}
	flags := uint32(windows.CERT_STORE_OPEN_EXISTING_FLAG | windows.CERT_STORE_READONLY_FLAG | windows.CERT_SYSTEM_STORE_CURRENT_USER)
	if l.machine {
		flags = windows.CERT_STORE_OPEN_EXISTING_FLAG | windows.CERT_STORE_READONLY_FLAG | windows.CERT_SYSTEM_STORE_LOCAL_MACHINE
	}
	opened, err := windows.CertOpenStore(windows.CERT_STORE_PROV_SYSTEM_W, 0, 0, flags, uintptr(unsafe.Pointer(name)))
	if err != nil {
		return nil, fmt.Errorf("opening the store: %w", err)
	}
	defer windows.CertCloseStore(opened, 0) // the context stays valid without it
	hash := windows.CryptHashBlob{Size: uint32(len(l.thumbprint)), Data: &l.thumbprint[0]}
	found, err := windows.CertFindCertificateInStore(opened, windows.X509_ASN_ENCODING|windows.PKCS_7_ASN_ENCODING, 0,
		windows.CERT_FIND_HASH, unsafe.Pointer(&hash), nil)
	runtime.KeepAlive(&l)
	if errors.Is(err, windows.Errno(windows.CRYPT_E_NOT_FOUND)) {
		return nil, ErrNotFound
	}
	return found, err
}

// signer is the key of a certificate. Windows keeps the key's handle with the certificate's context, which is therefore
// freed when the key is not used any more.
type signer struct{ key *certtostore.Key }

func (s *signer) Public() crypto.PublicKey { return s.key.Public() }

func (s *signer) Sign(rand io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	signature, err := s.key.Sign(rand, digest, opts)
	runtime.KeepAlive(s)
	return signature, err
}

// privateKey finds the key. When it succeeds, the context belongs to the signer.
func privateKey(l location, cert *windows.CertContext) (crypto.Signer, error) {
	keys, err := certtostore.OpenWinCertStoreWithOptions(certtostore.WinCertStoreOptions{
		Provider: certtostore.ProviderMSSoftware, CurrentUser: !l.machine,
	})
	if err != nil {
		return nil, err
	}
	defer keys.Close()
	key, err := keys.CertKey(cert)
	if err != nil {
		return nil, fmt.Errorf("no private key that this program may use: %w", err)
	}
	s := &signer{key}
	runtime.AddCleanup(s, func(cert *windows.CertContext) { windows.CertFreeCertificateContext(cert) }, cert)
	return s, nil
}

// cacheOnly is CERT_CHAIN_CACHE_ONLY_URL_RETRIEVAL: no address inside a certificate is asked for others.
const cacheOnly = 0x4

// chain returns the certificate and the intermediate ones that Windows finds for it, without the root: the server has it.
func chain(cert *windows.CertContext) [][]byte {
	own := der(cert)
	list := [][]byte{own}
	para := windows.CertChainPara{Size: uint32(unsafe.Sizeof(windows.CertChainPara{}))}
	var built *windows.CertChainContext
	if err := windows.CertGetCertificateChain(0, cert, nil, 0, &para, cacheOnly, 0, &built); err != nil {
		return list // the certificate alone is what most servers want
	}
	defer windows.CertFreeCertificateChain(built)
	if built.ChainCount == 0 {
		return list
	}
	simple := unsafe.Slice(built.Chains, built.ChainCount)[0]
	for i, element := range unsafe.Slice(simple.Elements, simple.NumElements) {
		c := element.CertContext
		root := c.CertInfo.Issuer.Size == c.CertInfo.Subject.Size && bytes.Equal(blob(c.CertInfo.Issuer), blob(c.CertInfo.Subject))
		if i > 0 && !root {
			list = append(list, der(c))
		}
	}
	return list
}

func der(c *windows.CertContext) []byte { return bytes.Clone(unsafe.Slice(c.EncodedCert, c.Length)) }

func blob(b windows.CertNameBlob) []byte { return unsafe.Slice(b.Data, b.Size) }
