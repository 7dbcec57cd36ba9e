package main

import (
	"bufio"
	"cmp"
	"fmt"
	"os"
	"strings"

	"github.com/portage-iot/awsiot/iotlocal"
)

// readCredentials reads a file in the form of ~/.aws/credentials: profiles in brackets, a name and a value on each line below, and
// comments. Profiles without an access key id are left out, and other names are, as the tools of AWS do.
func readCredentials(path string) (map[string]iotlocal.Credential, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	all := map[string]iotlocal.Credential{}
	var profile map[string]string
	var name string
	end := func() error {
		id := profile["aws_access_key_id"]
		switch _, twice := all[id]; {
		case id == "":
			return nil
		case profile["aws_secret_access_key"] == "":
			return fmt.Errorf("%s: profile %s has no aws_secret_access_key", path, name)
		case twice:
			return fmt.Errorf("%s: access key id %s stands there twice", path, id)
		}
		all[id] = iotlocal.Credential{SecretAccessKey: profile["aws_secret_access_key"], SessionToken: profile["aws_session_token"]}
		return nil
	}
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		if inner, ok := strings.CutPrefix(line, "["); ok && strings.HasSuffix(inner, "]") {
			if err := end(); err != nil {
				return nil, err
			}
			name, profile = strings.TrimSuffix(inner, "]"), map[string]string{}
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok || profile == nil {
			return nil, fmt.Errorf("%s: line %d is neither [PROFILE] nor NAME = VALUE in a profile", path, n)
		}
		profile[strings.ToLower(strings.TrimSpace(key))] = strings.TrimSpace(value)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if err := end(); err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s: no profile has an aws_access_key_id", path)
	}
	return all, nil
}

// awsCommand is a command of the aws CLI to paste. With credentials to compare with it needs those of the user; without, any.
func awsCommand(url string, o iotlocal.Options) string {
	command := "aws --endpoint-url " + url + " iot list-things"
	if len(o.Credentials) > 0 {
		return command
	}
	return "AWS_ACCESS_KEY_ID=any AWS_SECRET_ACCESS_KEY=any AWS_DEFAULT_REGION=" + cmp.Or(o.Region, "us-east-1") + " " + command
}
