package provisioning

import (
	"fmt"
	"strings"

	"github.com/portage-iot/awsiot/iotlocal/internal/payload"
)

// The prefixes of the topics of provisioning.
const (
	CertificatesPrefix = "$aws/certificates/"
	TemplatesPrefix    = "$aws/provisioning-templates/"
)

// Op is a request of a device.
type Op uint8

// The requests.
const (
	CreateKeys    Op = iota // CreateKeysAndCertificate
	CreateFromCSR           // CreateCertificateFromCsr
	RegisterThing
)

var opNames = [...]string{"CreateKeysAndCertificate", "CreateCertificateFromCsr", "RegisterThing"}

// String returns the name of the operation in the API.
func (o Op) String() string {
	if int(o) < len(opNames) {
		return opNames[o]
	}
	return fmt.Sprintf("Op(%d)", uint8(o))
}

// Topic is the topic of a request, taken apart.
type Topic struct {
	Op       Op
	Template string // RegisterThing only
	format   payload.Format
	text     string
}

// ParseTopic takes a topic of a request apart; ok is false for any other topic,
// those of answers included.
func ParseTopic(s string) (t Topic, ok bool) {
	t.text = s
	base, last, ok := cutLast(s)
	if !ok {
		return Topic{}, false
	}
	if t.format, ok = payload.Parse(last); !ok {
		return Topic{}, false
	}
	switch base {
	case CertificatesPrefix + "create":
		return t, true
	case CertificatesPrefix + "create-from-csr":
		t.Op = CreateFromCSR
		return t, true
	}
	name, ok := strings.CutPrefix(base, TemplatesPrefix)
	if name, rest, _ := strings.Cut(name, "/"); ok && name != "" && rest == "provision" {
		t.Op, t.Template = RegisterThing, name
		return t, true
	}
	return Topic{}, false
}

func cutLast(s string) (before, last string, ok bool) {
	i := strings.LastIndexByte(s, '/')
	if i < 0 {
		return "", "", false
	}
	return s[:i], s[i+1:], true
}

// answer returns the topic of the answer.
func (t Topic) answer(accepted bool) string {
	if accepted {
		return t.text + "/accepted"
	}
	return t.text + "/rejected"
}
