package v1compat_test

// The second replay: a program that is half moved. Its Configure calls have become options of an awsiot.Client, and all
// other calls go to FromV2 of that.

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/portage-iot/awsiot/shadowcompat"
	"github.com/portage-iot/awsiot/v1compat"
	awsiot "github.com/portage-iot/awsiot/v2"
)

// TestTranscriptFromV2 replays every recording through a facade that FromV2 makes at the first call that is not Configure:
// it is equal as that of NewAWSIoTMQTTClient is.
func TestTranscriptFromV2(t *testing.T) {
	certs := newTrCerts(t)
	for _, dir := range []string{*transcriptDir, "testdata/handwritten"} {
		files, err := loadTranscripts(dir)
		require.NoError(t, err)
		for _, name := range slices.Sorted(maps.Keys(files)) {
			t.Run(name, func(t *testing.T) {
				for _, strict := range []bool{false, true} {
					rec, err := parseTranscript(files[name])
					require.NoError(t, err)
					if rec.foreign() != "" {
						return
					}
					applyRules(rec, strict)
					diffs, _ := replay(t, rec, trQuirks{strict: strict, wrapped: true}, certs)
					assert.Empty(t, diffs, "strict=%v:\n%s", strict, strings.Join(diffs, "\n"))
				}
			})
		}
	}
}

// wrap is the half-moved form of a client that has been configured, if the replay is one of these; else the client.
func (d *trDriver) wrap(c *v1compat.AWSIoTMQTTClient) *v1compat.AWSIoTMQTTClient {
	if !d.w.quirks.wrapped || d.wrapped[c] {
		return c
	}
	core := awsiot.NewClient(c.V2().Options())
	var opts []v1compat.ClientOption
	if d.w.quirks.strict {
		opts = append(opts, v1compat.WithStrictV1())
	}
	w := v1compat.FromV2(core, opts...)
	w.OnOnline, w.OnOffline, w.OnMessage, w.OnAsyncError = c.OnOnline, c.OnOffline, c.OnMessage, c.OnAsyncError
	if d.wrapped == nil {
		d.wrapped = map[*v1compat.AWSIoTMQTTClient]bool{}
	}
	d.wrapped[w] = true
	if v1compat.Refused(c) { // the options do not show that: it is configured here
		for _, f := range d.configured {
			d.client = w
			_, _ = d.clientCall(f)()
		}
	}
	d.configured = nil
	d.all = append(d.all, w)
	return w
}

// used is called before every call: the first one that is not Configure makes the facade.
func (d *trDriver) uses(c *trCall) {
	switch {
	case !d.w.quirks.wrapped, c.Assign != "", c.Method == "__init__":
		return
	case strings.HasPrefix(c.Method, "configure"), c.Method == "clearLastWill", strings.HasSuffix(c.Method, "MetricsCollection"):
		d.configured = append(d.configured, &trArgs{c: c, rec: d.w.rec})
		return
	}
	switch c.Object {
	case "AWSIoTMQTTClient":
		d.client = d.wrap(d.client)
	case "AWSIoTMQTTShadowClient":
		if mqtt := d.shadow.GetMQTTConnection(); !d.wrapped[mqtt] {
			former := d.shadow
			d.shadow = shadowcompat.NewAWSIoTMQTTShadowClientWith(d.wrap(mqtt))
			d.shadow.OnOnline, d.shadow.OnOffline = former.OnOnline, former.OnOffline
			if d.client == mqtt {
				d.client = d.shadow.GetMQTTConnection()
			}
		}
	case jobsObject:
		if mqtt := d.jobs.client.GetMQTTConnection(); !d.wrapped[mqtt] {
			former := d.jobs.client
			d.jobs.client = d.jobs.with.on(d.wrap(mqtt))
			d.jobs.client.OnOnline, d.jobs.client.OnOffline = former.OnOnline, former.OnOffline
			if d.client == mqtt {
				d.client = d.jobs.client.GetMQTTConnection()
			}
		}
	}
}
