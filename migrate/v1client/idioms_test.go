package v1client

import (
	"reflect"
	"testing"
	"time"

	awsiot "github.com/portage-iot/awsiot/v2"
)

// values are what the texts of defaults mean.
var values = map[string]any{
	"600 * time.Second": 600 * time.Second, "5 * time.Second": 5 * time.Second, "30 * time.Second": 30 * time.Second,
	"1 * time.Second": time.Second, "32 * time.Second": 32 * time.Second, "20 * time.Second": 20 * time.Second,
	"v2.JitterNone": awsiot.JitterNone, "20": 20, "v2.FlowControlNone": awsiot.FlowControlNone, "true": true,
	"v2.Resubscribe{When: v2.ResubscribeAlways, BatchSize: 1}": awsiot.Resubscribe{When: awsiot.ResubscribeAlways, BatchSize: 1},
	"v2.OfflineQueue{Behavior: v2.KeepAll, WhenFull: v2.RejectNew, DrainRate: 2, ReturnQueued: true}": awsiot.OfflineQueue{
		Behavior: awsiot.KeepAll, WhenFull: awsiot.RejectNew, DrainRate: 2, ReturnQueued: true},
}

// TestDefaults: the literal says what OptionsV1 does.
func TestDefaults(t *testing.T) {
	var got awsiot.ClientOptions
	got.ClientID = "x"
	for _, d := range defaults {
		v, ok := values[d.value]
		if !ok {
			t.Fatalf("no value for the text %s", d.value)
		}
		reflect.ValueOf(&got).Elem().FieldByName(d.field).Set(reflect.ValueOf(v))
	}
	if want := awsiot.OptionsV1("x"); !reflect.DeepEqual(got, want) {
		t.Errorf("the literal is %+v, OptionsV1 is %+v", got, want)
	}
}
