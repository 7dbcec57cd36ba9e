package discovery

import (
	"context"

	"github.com/portage-iot/awsiot/v1compat"
	"github.com/portage-iot/awsiot/v2/greengrass"
)

// ProgressiveBackOffCore is v1's class of that name, which its discovery sample used between its tries: BackOff waits
// 1 s, then 2, 4 and so on up to the maximum. All methods are safe for concurrent use.
//
// Deprecated: greengrass.BackOffV1, or a loop with greengrass.Client.Discover and a timer; the MQTT client of package
// awsiot backs off by itself.
type ProgressiveBackOffCore struct{ core greengrass.BackOffV1 }

// NewProgressiveBackOffCore is v1's constructor: base 1 s, maximum 32 s.
//
// Deprecated: see ProgressiveBackOffCore.
func NewProgressiveBackOffCore() *ProgressiveBackOffCore {
	b := &ProgressiveBackOffCore{}
	_ = b.core.Configure(1, 32, 20) // never wrong
	return b
}

// ConfigTime is v1's configTime, in seconds. As in v1 the next wait is then 1 s, whatever the base, and minimum, the
// time after which a connection counts as stable, must be more than base. The error is a *v1compat.ValueError.
//
// Deprecated: see ProgressiveBackOffCore.
func (b *ProgressiveBackOffCore) ConfigTime(base, maximum, minimum float64) error {
	switch {
	case b.core.Configure(base, maximum, minimum) == nil:
		return nil
	case min(base, maximum, minimum) >= 0 && base >= minimum:
		return &v1compat.ValueError{Message: "Min connect time should be bigger than base reconnect time."}
	}
	return &v1compat.ValueError{Message: "Negative time configuration detected."}
}

// BackOff is v1's backOff: it waits, and the next wait is twice as long, up to the maximum.
//
// Deprecated: see ProgressiveBackOffCore.
func (b *ProgressiveBackOffCore) BackOff() { _ = b.BackOffContext(context.Background()) }

// BackOffContext is v1's backOff, which had no way to end it: it returns the cause when ctx ends first.
//
// Deprecated: see ProgressiveBackOffCore.
func (b *ProgressiveBackOffCore) BackOffContext(ctx context.Context) error { return b.core.Wait(ctx) }

// Reset is what v1's stable connection timer did: the next wait is the base.
//
// Deprecated: see ProgressiveBackOffCore.
func (b *ProgressiveBackOffCore) Reset() { b.core.Reset() }
