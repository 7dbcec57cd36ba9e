package v1compat_test

// The rows about jobs and discovery.

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portage-iot/awsiot/jobscompat"
	"github.com/portage-iot/awsiot/v1compat"
	"github.com/portage-iot/awsiot/v1compat/discovery"
	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/greengrass"
)

// jobs is a jobs client on the facade, which is connected.
func (s *stage) jobs() *jobscompat.AWSIoTMQTTThingJobsClient {
	s.online()
	return jobscompat.NewAWSIoTMQTTThingJobsClientWith(s.facade, stageID, "Bot", 1)
}

var serviceRows = []quirkRow{
	{
		name: "JobPayload", what: "the payload of `sendJobsUpdate`: its order, its white space, and the types of its numbers",
		v1:   "`{\"status\": \"IN_PROGRESS\", \"expectedVersion\": \"1\", \"executionNumber\": \"2\", \"includeJobDocument\": true, \"clientToken\": \"ledger\"}`",
		here: asV1, v2: none + "`iotjobs`: compact, with numbers; a `Document` goes out as it is, with a token", threads: "rec",
		run: func(s *stage) string {
			_, err := s.jobs().SendJobsUpdate("job", jobscompat.JobExecutionInProgress, jobscompat.UpdateOptions{ExpectedVersion: 1, ExecutionNumber: 2, IncludeJobDocument: true})
			require.NoError(s.t, err)
			got := s.packets()
			return "`" + strings.TrimPrefix(got[len(got)-1], "PUBLISH $aws/things/Bot/jobs/job/update 1 ") + "`"
		},
	},
	{
		name: "JobArgumentOrder", what: "the order of the callbacks of `createJobSubscriptionAsync`",
		v1: "ack, callback", here: asV1, v2: none + "a handler in the subscription, a future for the ack", threads: "code",
		run: func(s *stage) string {
			_, err := s.jobs().CreateJobSubscriptionAsync(func(v1compat.Mid, []byte) { s.log.Add("ack") },
				func(*v1compat.AWSIoTMQTTClient, any, *v1compat.Message) { s.log.Add("callback") }, jobscompat.JobNotifyTopic, jobscompat.JobRequestType, "")
			require.NoError(s.t, err)
			s.pass(time.Second)
			s.deliver("$aws/things/Bot/jobs/notify", "{}")
			return strings.Join(s.log.All()[1:], ", ")
		},
	},
	{
		name: "JobStatusRefused", what: "`sendJobsUpdate` with a status that has no word (UNKNOWN, NOT_SET)",
		v1: "true, an empty message is published", here: "`*ValueError`, nothing is published", v2: none + "`*ValidationError` of `iotjobs`, nothing is published", threads: "rec",
		run: func(s *stage) string {
			_, err := s.jobs().SendJobsUpdate("job", jobscompat.JobExecutionUnknownStatus, jobscompat.UpdateOptions{})
			if s.sent("PUBLISH") > 0 {
				return result(false, err) + ", an empty message is published"
			}
			return result(false, err) + ", nothing is published"
		},
	},
	{
		name: "JobWithoutTopicHarmless", what: "a job subscription that has no topic (describe without a job id), and the next message",
		v1: "`*ValueError`, no callback any more", here: "`*ValueError`, its callback runs", v2: none + "`*ValidationError` of `iotjobs`, other callbacks run", threads: "#232, rec",
		run: func(s *stage) string {
			jobs := s.jobs()
			s.subscribe("m", 0)
			_, err := jobs.CreateJobSubscription(nil, jobscompat.JobDescribeTopic, jobscompat.JobRequestType, "")
			s.deliver("m", "1")
			if s.heard("m 1") != 1 {
				return result(false, err) + ", no callback any more"
			}
			return result(false, err) + ", its callback runs"
		},
	},
	{
		name: "DiscoveryTimeoutHolds", what: "discovery of a server that says nothing, with a timeout of 5 s",
		v1: "waits for ever", here: "an error after 5 s", v2: "an error after 5 s", threads: "rec",
		run: func(s *stage) string {
			var err error
			d := took(func() { err = s.discover("localhost", "") })
			if err == nil {
				return "no error"
			}
			return fmt.Sprintf("an error after %g s", d.Seconds())
		},
	},
	{
		name: "DiscoveryHeaderAnyCase", what: "a discovery answer with the header Content-Length in capitals",
		v1: "AttributeError", here: "the cores", v2: "the cores", threads: "rec",
		run: func(s *stage) string {
			if err := s.discover("localhost", "CONTENT-LENGTH"); err != nil {
				return err.Error()
			}
			return "the cores"
		},
	},
	{
		name: "DiscoveryHostName", what: "discovery of a server whose certificate is for another host",
		v1: "the cores", here: "refused", v2: "refused", threads: "code",
		run: func(s *stage) string {
			err := s.discover("other.example.com", "content-length")
			var verify *tls.CertificateVerificationError
			switch {
			case err == nil:
				return "the cores"
			case errors.As(err, &verify):
				return "refused"
			}
			return err.Error()
		},
	},
}

// discover asks a server for the cores of a thing. The server answers with the length in header; with "" it keeps
// silent.
func (s *stage) discover(host, header string) error {
	certs := newTrCerts(s.t)
	ln, err := s.net.Listen("discovery:8443")
	require.NoError(s.t, err)
	var server sync.WaitGroup
	server.Go(func() {
		if conn, err := ln.Accept(); err == nil { // the client asks once
			answerDiscovery(tls.Server(conn, certs.server()), header)
		}
	})
	dial := func() (net.Conn, error) { return s.net.Dial(context.Background(), "tcp", "discovery:8443") }
	ca, cert, key := certs.path("<certs>/ca.pem"), certs.path("<certs>/client.pem"), certs.path("<certs>/client.key")
	if s.onV2 {
		_, err = greengrass.NewClient(greengrass.Options{
			Endpoint: host, Port: 8443, CAFile: ca, Auth: awsiot.MTLSFromPath(cert, key), Timeout: 5 * time.Second,
			Dialer: func(context.Context, string, string) (net.Conn, error) { return dial() },
		}).Fetch(context.Background(), "Bot")
	} else {
		p := discovery.NewDiscoveryInfoProvider()
		p.ConfigureEndpoint(host, 8443)
		p.ConfigureCredentials(ca, cert, key)
		p.ConfigureTimeout(5)
		p.ConfigureSocketFactory(dial)
		_, err = p.Discover("Bot")
	}
	require.NoError(s.t, ln.Close())
	server.Wait()
	return err
}

// answerDiscovery is the server on one connection, until the client closes it.
func answerDiscovery(conn *tls.Conn, header string) {
	defer conn.Close()
	r := bufio.NewReader(conn)
	if _, err := http.ReadRequest(r); err != nil {
		return
	}
	if header != "" {
		const body = `{"GGGroups":[]}`
		if _, err := fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\n%s: %d\r\n\r\n%s", header, len(body), body); err != nil {
			return
		}
	}
	_, _ = r.ReadByte() // an error: the client has gone
}
