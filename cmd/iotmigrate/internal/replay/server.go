package replay

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/portage-iot/awsiot/iotlocal"
	"github.com/portage-iot/awsiot/iotlocal/greengrass"
)

// Placeholders are replaced in arguments, in the environment and in scripts by the address of the server and the files of
// the things.
var Placeholders = []string{"{host}", "{port}", "{wss-port}", "{tcp-port}", "{name}", "{proxy}", "{ca}", "{cert}", "{key}", "{thing}",
	"{cert:THING}", "{key:THING}", "{discovery-port}", "{discovery-ca}"}

// DefaultArgs are the arguments of the examples of this repository.
const DefaultArgs = "-endpoint {host} -port {port} -ca {ca} -cert {cert} -key {key}"

// Job is a job that is there before the program starts.
type Job struct{ Thing, ID, Document string }

// Shadow is a document that is there before the program starts: Name "" is the classic shadow.
type Shadow struct{ Thing, Name, Document string }

// host is the server that one program is run against, and what replaces the placeholders.
type host struct {
	server    *iotlocal.Server
	proxy     *proxy             // nil without names
	discovery *greengrass.Server // nil unless a placeholder stands for it
	replace   *strings.Replacer
}

// newHost starts the server and puts into it what the options, and the placeholders in texts, ask for.
func newHost(o Options, texts []string) (*host, error) {
	server, err := iotlocal.Start(iotlocal.Options{SANs: o.Names})
	if err != nil {
		return nil, err
	}
	h := &host{server: server}
	if err := h.prepare(o, strings.Contains(strings.Join(texts, " "), "{discovery-")); err != nil {
		return nil, errors.Join(err, h.close())
	}
	return h, nil
}

// prepare makes the things, the proxy, the shadows, the jobs and the discovery service.
func (h *host) prepare(o Options, discovery bool) (err error) {
	server := h.server
	pairs := []string{"{host}", server.Host(), "{port}", strconv.Itoa(server.TLSPort()), "{wss-port}", strconv.Itoa(server.WSSPort()),
		"{tcp-port}", strconv.Itoa(server.TCPPort()), "{ca}", server.CAFile(), "{thing}", o.Thing}
	for i, name := range append([]string{o.Thing}, o.Things...) {
		thing, err := server.NewThing(name)
		if err != nil {
			return err
		}
		if i == 0 {
			pairs = append(pairs, "{cert}", thing.CertFile, "{key}", thing.KeyFile)
		}
		pairs = append(pairs, "{cert:"+name+"}", thing.CertFile, "{key:"+name+"}", thing.KeyFile)
	}
	if len(o.Names) > 0 {
		if h.proxy, err = newProxy(server, o.Names); err != nil {
			return err
		}
		pairs = append(pairs, "{name}", o.Names[0], "{proxy}", h.proxy.url())
	}
	if discovery {
		if h.discovery, err = greengrass.Start(greengrass.Options{ClientCAPEM: server.CAPEM()}); err != nil {
			return err
		}
		for _, name := range append([]string{o.Thing}, o.Things...) {
			h.discovery.SetGroups(name, greengrass.Group{ID: "group", CAs: []string{string(server.CAPEM())}, Cores: []greengrass.Core{{ThingARN: "arn:core",
				Connectivity: []greengrass.Connectivity{{ID: "local", HostAddress: server.Host(), PortNumber: server.TLSPort()}}}}})
		}
		pairs = append(pairs, "{discovery-port}", strconv.Itoa(h.discovery.Port()), "{discovery-ca}", h.discovery.CAFile())
	}
	h.replace = strings.NewReplacer(pairs...)
	for _, s := range o.Shadows {
		if _, err := server.Shadow(s.Thing, s.Name).Update(s.Document); err != nil {
			return fmt.Errorf("shadow %s: %w", strings.TrimSuffix(s.Thing+"/"+s.Name, "/"), err)
		}
	}
	for _, j := range o.Jobs {
		if err := server.Jobs(j.Thing).Create(j.ID, j.Document, iotlocal.JobOptions{}); err != nil {
			return fmt.Errorf("job %s of %s: %w", j.ID, j.Thing, err)
		}
	}
	return nil
}

// fill replaces the placeholders in texts. One that is left over stands for something that was not asked for.
func (h *host) fill(texts []string) ([]string, error) {
	out := make([]string, len(texts))
	for i, t := range texts {
		out[i] = h.replace.Replace(t)
		for _, p := range Placeholders {
			open, thing, _ := strings.Cut(strings.TrimSuffix(p, "}"), ":")
			if thing == "" && strings.Contains(out[i], p) {
				return nil, fmt.Errorf("%s in %q needs -name", p, t)
			}
			if _, rest, ok := strings.Cut(out[i], open+":"); ok && thing != "" {
				name, _, _ := strings.Cut(rest, "}")
				return nil, fmt.Errorf("%s:%s} in %q: no thing of this name, see -thing", open, name, t)
			}
		}
	}
	return out, nil
}

func (h *host) close() error {
	var err error
	if h.proxy != nil {
		err = h.proxy.close()
	}
	if h.discovery != nil {
		err = errors.Join(err, h.discovery.Close())
	}
	return errors.Join(err, h.server.Close())
}
