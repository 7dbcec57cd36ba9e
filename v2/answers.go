package awsiot

import (
	"log/slog"
	"strings"

	"github.com/portage-iot/awsiot/v2/internal/router"
)

// maxUnheard bounds the topics that are remembered as logged.
const maxUnheard = 64

// hears logs, once per topic, that the program publishes a request to a service of AWS IoT while no route of
// this client takes the answers: it has subscribed to another topic, or too late, and waits for ever. Requests that
// make sense without an answer, as a shadow update, are not looked at.
func (c *Client) hears(topic string) {
	if !asks(topic) || c.opts.OnPublishReceived != nil {
		return
	}
	accepted := topic + "/accepted"
	if len(c.router.Match(accepted, make([]*router.Route[MessageHandler], 0, 4))) > 0 {
		return
	}
	c.mu.Lock()
	known := c.unheard[topic] || len(c.unheard) >= maxUnheard
	if !known {
		if c.unheard == nil {
			c.unheard = map[string]bool{}
		}
		c.unheard[topic] = true
	}
	c.mu.Unlock()
	if !known {
		c.log.Warn("request published, but no handler takes its answers: subscribe first",
			slog.String("topic", topic), slog.String("accepted", accepted), slog.String("rejected", topic+"/rejected"))
	}
}

// asks reports whether a publish to topic is made for its answer: certificates, provisioning, and what gets a
// shadow or a job.
func asks(topic string) bool {
	rest, ok := strings.CutPrefix(topic, "$aws/")
	if !ok {
		return false
	}
	if thing, ok := strings.CutPrefix(rest, "things/"); ok {
		_, op, _ := strings.Cut(thing, "/")
		return strings.HasPrefix(op, "shadow/") && strings.HasSuffix(op, "/get") ||
			strings.HasPrefix(op, "jobs/") && (strings.HasSuffix(op, "/get") || strings.HasSuffix(op, "/start-next"))
	}
	request, form := rest, ""
	if i := strings.LastIndexByte(rest, '/'); i >= 0 {
		request, form = rest[:i], rest[i+1:]
	}
	return (form == "json" || form == "cbor") && (request == "certificates/create" || request == "certificates/create-from-csr" ||
		strings.HasPrefix(request, "provisioning-templates/") && strings.HasSuffix(request, "/provision"))
}
