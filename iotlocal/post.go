package iotlocal

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/portage-iot/awsiot/iotlocal/internal/rest"
)

// checkURL refuses what post cannot post to.
func checkURL(s string) error {
	u, err := url.Parse(s)
	if err == nil && (u.Scheme != "http" && u.Scheme != "https" || u.Host == "") {
		err = fmt.Errorf("%q is no http or https URL", s)
	}
	return err
}

// post posts JSON, or what header says it is, and returns the answer, of which no more than rest.MaxBody bytes are read. Any
// answer but 2xx is an error.
func post(ctx context.Context, to string, header http.Header, body []byte) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if header != nil {
		r.Header = header.Clone()
	}
	if r.Header.Get("Content-Type") == "" {
		r.Header.Set("Content-Type", "application/json")
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	said, err := io.ReadAll(io.LimitReader(answer.Body, rest.MaxBody))
	switch {
	case answer.StatusCode/100 != 2:
		return nil, fmt.Errorf("the answer of %s is %s", to, answer.Status)
	case err != nil:
		return nil, fmt.Errorf("the answer of %s: %w", to, err)
	}
	return said, nil
}
