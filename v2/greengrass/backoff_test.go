package greengrass_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing"
	"testing/synctest"
	"time"

	awsiot "github.com/portage-iot/awsiot/v2"
	"github.com/portage-iot/awsiot/v2/greengrass"
)

// v1's waits: 1 s and twice as long each time.
func ExampleBackOffV1() {
	b := greengrass.NewBackOffV1()
	if err := b.Configure(0.001, 0.002, 20); err != nil {
		fmt.Println(err)
	}
	b.Reset()
	start := time.Now()
	err := b.Wait(context.Background())
	fmt.Println(err, time.Since(start) >= time.Millisecond)
	// Output: <nil> true
}

// TestBackOffV1: the waits are v1's, and a context ends one.
func TestBackOffV1(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := greengrass.NewBackOffV1()
		took := func() float64 {
			start := time.Now()
			if err := b.Wait(t.Context()); err != nil {
				t.Error(err)
			}
			return time.Since(start).Seconds()
		}
		var got []float64
		for range 7 {
			got = append(got, took())
		}
		if err := b.Configure(2, 3, 20); err != nil {
			t.Error(err)
		}
		got = append(got, took(), took(), took())
		b.Reset()
		got = append(got, took())
		if fmt.Sprint(got) != "[1 2 4 8 16 32 32 1 2 3 2]" {
			t.Error("waits", got)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := b.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error("a wait that its context ends:", err)
		}
		for _, bad := range [][3]float64{{-1, 1, 1}, {1, -1, 2}, {2, 5, 2}, {0, math.NaN(), 1}, {0, 1, math.Inf(1)}} {
			if _, ok := errors.AsType[*awsiot.ValidationError](b.Configure(bad[0], bad[1], bad[2])); !ok {
				t.Error(bad, "is taken")
			}
		}
	})
}
