package awsiot

import (
	"log/slog"
	"strings"

	"github.com/portage-iot/awsiot/internal/topic"
	"github.com/portage-iot/awsiot/v2/internal/router"
)

// maxUnheard bounds the topics that are remembered as logged.
const maxUnheard = 64

// hears logs, once per topic, that the program publishes a request to a service of AWS IoT while no route of
// this client takes the answers: it has subscribed to another topic, or too late, and waits for ever. Requests that
// make sense without an answer, as a shadow update, are not looked at.
func (c *Client) hears(name string) {
	if !asks(name) || c.options().OnPublishReceived != nil {
		return
	}
	accepted := name + "/accepted"
	found := c.router.Match(accepted, make([]*router.Route[MessageHandler], 0, 4))
	if len(c.direct.Match(accepted, found)) > 0 {
		return
	}
	c.mu.Lock()
	known := c.unheard[name] || len(c.unheard) >= maxUnheard
	if !known {
		if c.unheard == nil {
			c.unheard = map[string]bool{}
		}
		c.unheard[name] = true
	}
	c.mu.Unlock()
	if !known {
		c.log.Warn("request published, but no handler takes its answers: subscribe first",
			slog.String("topic", name), slog.String("accepted", accepted), slog.String("rejected", name+"/rejected"))
	}
}

// asks reports whether a publish to name is made for its answer: certificates, provisioning, and what gets a
// shadow or a job.
func asks(name string) bool {
	if s, ok := topic.ParseShadow(name); ok {
		return s.Op == topic.ShadowGet && s.Role == topic.Request
	}
	if j, ok := topic.ParseJobs(name); ok {
		return j.Op != topic.JobsUpdate && j.Role == topic.Request
	}
	request, ok := strings.CutSuffix(name, "/json")
	if !ok {
		request, ok = strings.CutSuffix(name, "/cbor")
	}
	return ok && (request == "$aws/certificates/create" || request == "$aws/certificates/create-from-csr" ||
		strings.HasPrefix(request, "$aws/provisioning-templates/") && strings.HasSuffix(request, "/provision"))
}
