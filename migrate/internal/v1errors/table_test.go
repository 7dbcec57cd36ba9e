package v1errors

import (
	"context"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"net"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/portage-iot/awsiot/v1compat"
	"github.com/portage-iot/awsiot/v1compat/discovery"
	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/greengrass"
)

// sample is one failure of an operation, as each side returns it.
type sample struct {
	name   string
	op     Op
	v1, v2 error
}

var (
	denied  = &awsiot.ReasonError{Op: "publish", Code: 0x87}
	refused = &awsiot.ConnectError{Connack: &awsiot.ConnackPacket{Code: 0x87}, Err: &awsiot.ReasonError{Op: "connect", Code: 0x87}}
	dial    = &net.OpError{Op: "dial", Err: io.EOF}
	undone  = &awsiot.ConnectError{Err: dial}
	silent  = &awsiot.ConnectError{Err: awsiot.ErrConnackTimeout}
	wrong   = &awsiot.ValidationError{Field: "Topic"}
)

var samples = []sample{
	{"refused", Connect, &v1compat.ConnectError{Code: 5, Err: refused}, refused},
	{"dial", Connect, undone, undone},
	{"no CONNACK", Connect, &v1compat.ConnectTimeoutError{Err: silent}, silent},
	{"options", Connect, &v1compat.ConfigureError{Err: &v1compat.ValueError{}}, wrong},
	{"disconnect timeout", Disconnect, &v1compat.DisconnectTimeoutError{Err: context.DeadlineExceeded}, context.DeadlineExceeded},
	{"publish timeout", Publish, &v1compat.PublishTimeoutError{Err: awsiot.ErrAckTimeout}, awsiot.ErrAckTimeout},
	{"publish full", Publish, &v1compat.PublishQueueFullError{Err: awsiot.ErrQueueFull}, awsiot.ErrQueueFull},
	{"publish offline", Publish, &v1compat.PublishQueueDisabledError{Err: awsiot.ErrOffline}, awsiot.ErrOffline},
	{"publish denied", Publish, &v1compat.PublishError{Code: 12, Err: denied}, denied},
	{"publish argument", Publish, &v1compat.ValueError{}, wrong},
	{"subscribe timeout", Subscribe, &v1compat.SubscribeTimeoutError{Err: awsiot.ErrAckTimeout}, awsiot.ErrAckTimeout},
	{"subscribe full", Subscribe, &v1compat.SubscribeQueueFullError{Err: awsiot.ErrQueueFull}, awsiot.ErrQueueFull},
	{"subscribe offline", Subscribe, &v1compat.SubscribeQueueDisabledError{Err: awsiot.ErrOffline}, awsiot.ErrOffline},
	{"subscribe denied", Subscribe, &v1compat.SubackError{Suback: 0x87, Err: denied}, denied},
	{"unsubscribe timeout", Unsubscribe, &v1compat.UnsubscribeTimeoutError{Err: awsiot.ErrAckTimeout}, awsiot.ErrAckTimeout},
	{"unsubscribe full", Unsubscribe, &v1compat.UnsubscribeQueueFullError{Err: awsiot.ErrQueueFull}, awsiot.ErrQueueFull},
	{"unsubscribe offline", Unsubscribe, &v1compat.UnsubscribeQueueDisabledError{Err: awsiot.ErrOffline}, awsiot.ErrOffline},
	{"unsubscribe denied", Unsubscribe, &v1compat.UnsubscribeError{Code: 12, Err: denied}, denied},
	{"discovery timeout", Discover, &discovery.DiscoveryTimeoutError{Err: context.DeadlineExceeded}, context.DeadlineExceeded},
	{"discovery 400", Discover, &discovery.DiscoveryInvalidRequestError{Err: status(400)}, status(400)},
	{"discovery 401", Discover, &discovery.DiscoveryUnauthorizedError{Err: status(401)}, status(401)},
	{"discovery 404", Discover, &discovery.DiscoveryDataNotFoundError{Err: status(404)}, status(404)},
	{"discovery 429", Discover, &discovery.DiscoveryThrottlingError{Err: status(429)}, status(429)},
	{"discovery 500", Discover, &discovery.DiscoveryFailure{Err: status(500)}, status(500)},
	{"discovery options", Discover, &v1compat.ConfigureError{Err: &v1compat.ValueError{}}, wrong},
}

func status(code int) error { return &greengrass.Error{Err: &greengrass.StatusError{Code: code}} }

// oldCheck is errors.As for v1's type of the name.
func oldCheck(name string, err error) bool {
	switch name {
	case "OperationTimeoutError":
		return errors.As(err, new(v1compat.OperationTimeoutError))
	case "OperationError":
		return errors.As(err, new(v1compat.OperationError))
	}
	for ; err != nil; err = errors.Unwrap(err) {
		if t := reflect.TypeOf(err); t.Kind() == reflect.Pointer && t.Elem().Name() == name && strings.Contains(t.Elem().PkgPath(), "/v1compat") {
			return true
		}
	}
	return false
}

// newCheck is what the row says in its place.
func newCheck(t *testing.T, r row, err error) bool {
	switch r.is + r.as {
	case "ErrAckTimeout":
		return errors.Is(err, awsiot.ErrAckTimeout)
	case "ErrQueueFull":
		return errors.Is(err, awsiot.ErrQueueFull)
	case "ErrOffline":
		return errors.Is(err, awsiot.ErrOffline)
	case "DeadlineExceeded":
		return errors.Is(err, context.DeadlineExceeded)
	case "ErrInvalidRequest":
		return errors.Is(err, greengrass.ErrInvalidRequest)
	case "ErrUnauthorized":
		return errors.Is(err, greengrass.ErrUnauthorized)
	case "ErrNotFound":
		return errors.Is(err, greengrass.ErrNotFound)
	case "ErrThrottled":
		return errors.Is(err, greengrass.ErrThrottled)
	case "ReasonError":
		return errors.As(err, new(*awsiot.ReasonError))
	case "StatusError":
		s, ok := errors.AsType[*greengrass.StatusError](err)
		return ok && s.Code != 400 && s.Code != 401 && s.Code != 404 && s.Code != 429 // the row's and
	case "ConnectError":
		c, ok := errors.AsType[*awsiot.ConnectError](err)
		return ok && c.Connack != nil && c.Connack.Code >= 0x80 // the row's and
	}
	t.Fatalf("no new check for %+v", r)
	return false
}

// TestTable holds every row against errors of every operation: for the sets of operations for which it claims to be
// exact the new check says of both sides' errors what the old one says of v1's.
func TestTable(t *testing.T) {
	for name, r := range rows {
		for _, s := range samples {
			if old := oldCheck(name, s.v1); old && r.from&s.op == 0 {
				t.Errorf("%s: %s returns it, which the row does not know", name, s.name)
			}
		}
		if r.matches == 0 {
			continue
		}
		for o := Op(1); o <= all|Discover; o++ {
			exact := true
			for _, s := range samples {
				if o&s.op == 0 {
					continue
				}
				old := oldCheck(name, s.v1)
				same := newCheck(t, r, s.v1) == old && newCheck(t, r, s.v2) == old
				if !same && r.exact(o) {
					t.Errorf("%s with operations %06b: %s: the new check says something else than the old one", name, o, s.name)
				}
				exact = exact && same
			}
			if exact && !r.exact(o) && r.from&o != 0 {
				t.Errorf("%s with operations %06b: the checks agree, and the row does not say so", name, o)
			}
		}
	}
}

// TestRows: the table has every error that v1compat exports.
func TestRows(t *testing.T) {
	files, err := filepath.Glob("../../../v1compat/*.go")
	more, err2 := filepath.Glob("../../../v1compat/discovery/*.go")
	if files = append(files, more...); err != nil || err2 != nil || len(more) == 0 || len(files) == len(more) {
		t.Fatal("no sources of v1compat", err, err2)
	}
	found := map[string]bool{}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				return false
			case *ast.TypeSpec:
				found[n.Name.Name] = n.Name.IsExported() && (strings.HasSuffix(n.Name.Name, "Error") || strings.HasSuffix(n.Name.Name, "Failure"))
			case *ast.ValueSpec:
				for _, id := range n.Names {
					found[id.Name] = strings.HasPrefix(id.Name, "Err")
				}
			}
			return true
		})
	}
	for name, is := range found {
		if _, ok := rows[name]; is && !ok {
			t.Errorf("the table has no row for %s", name)
		}
	}
	for name := range rows {
		if !found[name] {
			t.Errorf("v1compat has no %s", name)
		}
	}
}
