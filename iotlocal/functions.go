package iotlocal

import (
	"fmt"
	"regexp"
	"strings"
	"sync"
)

// functions are Go functions that stand for those of Lambda, by name.
type functions[F any] struct {
	mu  sync.Mutex
	all map[string]F
}

var functionName = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,64}$`)

// nameOfFunction returns the name of a function that is meant by its name or ARN, whose region, account and version do not
// matter; ok is false when it is neither.
func nameOfFunction(arn string) (name string, ok bool) {
	if _, rest, isARN := strings.Cut(arn, ":function:"); isARN && strings.HasPrefix(arn, "arn:") {
		arn, _, _ = strings.Cut(rest, ":")
	}
	return arn, functionName.MatchString(arn)
}

// register puts a function under a name, in place of the one that is there.
func (t *functions[F]) register(name string, f F) error {
	if !functionName.MatchString(name) {
		return fmt.Errorf("iotlocal: function name %q is not 1 to 64 of a-z A-Z 0-9 _ -", name)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.all == nil {
		t.all = map[string]F{}
	}
	t.all[name] = f
	return nil
}

// find returns a function by its name or ARN.
func (t *functions[F]) find(arn string) (f F, err error) {
	name, _ := nameOfFunction(arn)
	t.mu.Lock()
	defer t.mu.Unlock()
	f, ok := t.all[name]
	if !ok {
		return f, fmt.Errorf("no function %q is registered: the program around the server does it with Register", name)
	}
	return f, nil
}

// isURL reports whether what stands for a function is a URL.
func isURL(arn string) bool {
	return strings.HasPrefix(arn, "http://") || strings.HasPrefix(arn, "https://")
}
