package awsauth

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// The names of the three parts, in the environment and in the file.
const (
	envKeyID  = "AWS_ACCESS_KEY_ID"
	envSecret = "AWS_SECRET_ACCESS_KEY"
	envToken  = "AWS_SESSION_TOKEN"

	fileKeyID  = "aws_access_key_id"
	fileSecret = "aws_secret_access_key"
	fileToken  = "aws_session_token"
)

// v1Chain is the look-up of the AWS IoT Device SDK v1.
type v1Chain struct{}

// V1Chain returns a provider that looks where the AWS IoT Device SDK v1 for Python did: the environment
// (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN), then ~/.aws/credentials, section
// [default], then [DEFAULT]. An access key id without a secret counts as nothing. AWS_PROFILE,
// AWS_SHARED_CREDENTIALS_FILE and roles are not looked at: that is DefaultChain. It looks anew at every
// attempt; the error is a *NoCredentialsError.
func V1Chain() aws.CredentialsProvider { return v1Chain{} }

// Retrieve looks in the environment and the file.
func (v1Chain) Retrieve(context.Context) (aws.Credentials, error) {
	c := aws.Credentials{AccessKeyID: os.Getenv(envKeyID), SecretAccessKey: os.Getenv(envSecret),
		SessionToken: os.Getenv(envToken), Source: "environment"}
	if c.AccessKeyID != "" && c.SecretAccessKey != "" {
		return c, nil
	}
	missing := []string{}
	for _, name := range []string{envKeyID, envSecret} {
		if os.Getenv(name) == "" {
			missing = append(missing, name)
		}
	}
	none := &NoCredentialsError{Environment: strings.Join(missing, " and ") + " not set"}
	home, err := os.UserHomeDir()
	if err != nil {
		none.File, none.err = "no home directory: "+err.Error(), err
		return aws.Credentials{}, none
	}
	path := filepath.Join(home, ".aws", "credentials")
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		none.File, none.err = path+" does not exist", err
		return aws.Credentials{}, none
	case err != nil:
		none.File, none.err = err.Error(), err
		return aws.Credentials{}, none
	}
	sections := parseINI(string(text))
	for _, name := range []string{"default", "DEFAULT"} {
		s := sections[name]
		if s[fileKeyID] != "" && s[fileSecret] != "" {
			return aws.Credentials{AccessKeyID: s[fileKeyID], SecretAccessKey: s[fileSecret],
				SessionToken: s[fileToken], Source: path}, nil
		}
	}
	none.File = path + " has no " + fileKeyID + " with " + fileSecret + " in [default] or [DEFAULT]"
	return aws.Credentials{}, none
}

// NoCredentialsError is returned by V1Chain's Retrieve when it finds none. It unwraps to the error of
// reading the file, if there was one.
type NoCredentialsError struct {
	Environment string // what is missing there
	File        string // what is wrong with the file, with its path

	err error
}

// Error returns where credentials were looked for and what was missing.
func (e *NoCredentialsError) Error() string {
	return "awsauth: no AWS credentials: environment: " + e.Environment + "; file: " + e.File
}

// Unwrap returns the error of the file system, or nil.
func (e *NoCredentialsError) Unwrap() error { return e.err }

// parseINI returns the members of each section, their names in lower case. As Python's configparser,
// which v1 read the file with, it lets the other sections inherit those of [DEFAULT]. Lines that it does
// not understand are passed over: the file belongs to other tools as well.
func parseINI(text string) map[string]map[string]string {
	sections := map[string]map[string]string{}
	section := ""
	for line := range strings.Lines(strings.TrimPrefix(text, "\ufeff")) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		if line[0] == '[' {
			section = ""
			if end := strings.IndexByte(line, ']'); end > 0 {
				section = line[1:end]
				if sections[section] == nil {
					sections[section] = map[string]string{}
				}
			}
			continue
		}
		i := strings.IndexAny(line, "=:")
		if section == "" || i < 0 {
			continue
		}
		sections[section][strings.ToLower(strings.TrimSpace(line[:i]))] = strings.TrimSpace(line[i+1:])
	}
	for name, s := range sections {
		for k, v := range sections["DEFAULT"] {
			if _, has := s[k]; !has && name != "DEFAULT" {
				s[k] = v
			}
		}
	}
	return sections
}
