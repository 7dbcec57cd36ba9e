package greengrass

import (
	"context"

	awsiot "github.com/portage-iot/awsiot/v2"
)

// Connect tries the candidates of a response in their order until a client connects, and returns it with
// the one that worked. o is what the client needs beside the address and the certificate authorities, which are
// the candidate's: Auth, ClientID, handlers. An attempt ends at the latest after o.ConnectTimeout and
// o.ConnackTimeout. Its hooks (OnConnectionFailure and the like) run for every attempt.
//
// The client reconnects to the candidate that worked, and to no other: when a core moves, Close it and discover anew.
//
// The error is a *ConnectError with what every attempt came to. When ctx ends, no further one is made.
func Connect(ctx context.Context, r *DiscoverResponse, o awsiot.ClientOptions) (*awsiot.Client, Candidate, error) {
	failed := &ConnectError{}
	switch {
	case ctx == nil:
		failed.Err = &awsiot.ValidationError{Field: "ctx", Problem: "is nil"}
		return nil, Candidate{}, failed
	case r == nil:
		failed.Err = &awsiot.ValidationError{Field: "DiscoverResponse", Problem: "is nil"}
		return nil, Candidate{}, failed
	}
	for candidate := range r.Candidates() {
		if err := context.Cause(ctx); err != nil {
			failed.Err = err
			break
		}
		client := awsiot.NewClient(candidate.Options(o))
		err := client.StartAndWait(ctx)
		if err == nil {
			return client, candidate, nil
		}
		client.Close()
		failed.Attempts = append(failed.Attempts, Attempt{candidate, err})
	}
	return nil, Candidate{}, failed
}
