package jsonobj_test

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/portage-iot/awsiot/v2/internal/jsonobj"
)

// AppendAny writes what encoding/json writes, for every kind of value, and fails where it fails.
func TestAppendAny(t *testing.T) {
	type lamp struct {
		On bool `json:"on"`
	}
	deep := any("end")
	for range 150 {
		deep = map[string]any{"d": []any{deep}}
	}
	circle := map[string]any{}
	circle["c"] = circle
	for _, v := range []any{
		nil, "text é \" \\ \n", true, false, 0, -5, int64(math.MaxInt64), int32(7), uint8(255), uint64(math.MaxUint64), 1.5, 1e300, float32(0.1), json.Number("1.10"),
		json.RawMessage(`{"a": 1}`), lamp{true}, &lamp{}, (*lamp)(nil), time.Unix(0, 0).UTC(), []int{1}, []byte("x"), map[string]int{"b": 1, "a": 2}, map[int]string{1: "x"},
		map[string]any(nil), []any(nil), map[string]any{}, []any{}, map[string]any{"z": nil, "a": []any{1, "x", map[string]any{"é": false}}, "m": lamp{}, "n": json.Number("12345678901234567890")},
		map[string]any{"1": 1, "2": 2, "3": 3, "4": 4, "5": 5, "6": 6, "7": 7, "8": 8, "9": 9, "10": 10}, deep,
		map[string]any{"bad": make(chan int)}, []any{math.NaN()}, circle, "\xff",
	} {
		got, err := jsonobj.AppendAny([]byte("x"), v)
		want, wrong := json.Marshal(v)
		if (err != nil) != (wrong != nil) {
			t.Errorf("%T: %v, want %v", v, err, wrong)
		}
		if err == nil && string(got) != "x"+string(want) {
			t.Errorf("%T: %.200s, want %.200s", v, got, want)
		}
	}
}
