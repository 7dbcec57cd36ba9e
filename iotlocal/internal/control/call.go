package control

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"

	"github.com/portage-iot/awsiot/iotlocal/internal/rest"
)

// Call is a request with the fields of its operation.
type Call struct {
	*rest.Call
	Region, Account string // of ARNs
	values          map[string]any
}

// Has reports whether a field is there. A member that is null is not.
func (c *Call) Has(name string) bool { _, ok := c.values[name]; return ok }

// Text returns a field of text; "" when it is not there.
func (c *Call) Text(name string) string { s, _ := c.values[name].(string); return s }

// Int returns a whole number, or def when it is not there.
func (c *Call) Int(name string, def int64) int64 {
	if n, ok := c.values[name].(int64); ok {
		return n
	}
	return def
}

// Bool returns a boolean, or def when it is not there.
func (c *Call) Bool(name string, def bool) bool {
	if b, ok := c.values[name].(bool); ok {
		return b
	}
	return def
}

// List returns a list of strings; nil when it is not there.
func (c *Call) List(name string) []string { l, _ := c.values[name].([]string); return l }

// Map returns strings by name; nil when they are not there.
func (c *Call) Map(name string) map[string]string {
	m, _ := c.values[name].(map[string]string)
	return m
}

// Decode reads a field of type object or any into v, which stays as it is when the field is not there. The error is a 400.
func (c *Call) Decode(name string, v any) error {
	raw, ok := c.values[name].(json.RawMessage)
	if !ok {
		return nil
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return serialization("%s: %v", name, err)
	}
	return nil
}

// ARN returns the ARN of a resource of AWS IoT, as thing/NAME.
func (c *Call) ARN(resource string) string { return ARN(c.Region, c.Account, resource) }

// ARN returns the ARN of a resource of AWS IoT.
func ARN(region, account, resource string) string {
	return strings.Join([]string{"arn:aws:iot", region, account, resource}, ":")
}

// Resource returns what stands in an ARN of AWS IoT behind the account, whatever region and account it names: scripts have those
// of their own.
func Resource(arn string) (resource string, ok bool) {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) != 6 || parts[0] != "arn" || !strings.HasPrefix(parts[1], "aws") || parts[2] != "iot" || parts[5] == "" {
		return "", false
	}
	return parts[5], true
}

// Pager names the fields of a list that is read page by page.
type Pager struct {
	Size, Token string // of the request
	Next        string // of the answer
	Default     int64  // entries of a page when Size is not there
}

// The two ways in which the API names them.
var (
	ByToken  = Pager{Size: "maxResults", Token: "nextToken", Next: "nextToken", Default: 25}
	ByMarker = Pager{Size: "pageSize", Token: "marker", Next: "nextMarker", Default: 25}
)

// Page returns the page of a list that the call asks for, and writes the token of the next one into answer. The list must be
// sorted by key, which names every entry once, or the other way around with descending. Tokens are good for one operation, and
// also when entries have come and gone. The error is a 400 for a token that is none.
func Page[T any](c *Call, p Pager, all []T, descending bool, key func(T) string, answer map[string]any) ([]T, error) {
	after, given, err := c.openToken(c.Text(p.Token))
	if err != nil {
		return nil, err
	}
	first := 0
	if given {
		first = slices.IndexFunc(all, func(e T) bool {
			if descending {
				return key(e) < after
			}
			return key(e) > after
		})
		if first < 0 {
			first = len(all)
		}
	}
	end := min(len(all), first+int(c.Int(p.Size, p.Default)))
	if page := all[first:end]; end < len(all) {
		answer[p.Next] = c.token(key(page[len(page)-1]))
	}
	return all[first:end], nil
}

// List answers with the page of a list that the call asks for (see Page): as a member, each entry in the form that show gives it.
func List[T, U any](c *Call, p Pager, member string, all []T, descending bool, key func(T) string, show func(T) U) (any, error) {
	answer := map[string]any{}
	page, err := Page(c, p, all, descending, key, answer)
	if err != nil {
		return nil, err
	}
	out := []U{}
	for _, e := range page {
		out = append(out, show(e))
	}
	answer[member] = out
	return answer, nil
}

// tokenSum is how many bytes of a token say that it is one of the operation.
const tokenSum = 8

func (c *Call) tokenSum(key string) []byte {
	sum := sha256.Sum256([]byte(c.Operation + "\x00" + key))
	return sum[:tokenSum]
}

// token returns the token of what follows key.
func (c *Call) token(key string) string {
	return hex.EncodeToString(append(c.tokenSum(key), key...)) // it stands in queries
}

func (c *Call) openToken(token string) (key string, given bool, err error) {
	if token == "" {
		return "", false, nil
	}
	raw, err := hex.DecodeString(token)
	if err != nil || len(raw) < tokenSum || !bytes.Equal(raw[:tokenSum], c.tokenSum(string(raw[tokenSum:]))) {
		return "", false, rest.Invalid("the token %.100q is not one of %s of this endpoint", token, c.Operation)
	}
	return string(raw[tokenSum:]), true, nil
}
