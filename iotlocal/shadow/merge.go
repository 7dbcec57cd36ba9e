package shadow

import (
	"encoding/json"
	"maps"
	"strconv"
	"strings"
	"time"
)

// merge returns old with the members of req put in: objects member by member,
// null removes, everything else replaces. old and its metadata are not changed;
// what is untouched is shared.
func merge(old, oldMeta, req object, now time.Time) (state, meta object) {
	state, meta = maps.Clone(old), maps.Clone(oldMeta)
	if state == nil {
		state = object{}
	}
	if meta == nil {
		meta = object{}
	}
	for k, v := range req {
		switch v := v.(type) {
		case nil:
			delete(state, k)
			delete(meta, k)
		case object:
			sub, _ := old[k].(object)
			subMeta, _ := oldMeta[k].(object)
			if sub == nil {
				subMeta = nil // the metadata is that of a value which is replaced
			}
			state[k], meta[k] = asAny(merge(sub, subMeta, v, now))
		default:
			state[k], meta[k] = v, requestValueMeta(v, now)
		}
	}
	return state, meta
}

func asAny(a, b object) (any, any) { return a, b }

// requestMeta returns metadata for what a request sets; removed members have
// none.
func requestMeta(req object, now time.Time) object {
	out := object{}
	for k, v := range req {
		if m := requestValueMeta(v, now); m != nil {
			out[k] = m
		}
	}
	return out
}

// requestValueMeta returns the metadata of one value: of an object and an array
// the same shape with a timestamp at each leaf.
func requestValueMeta(v any, now time.Time) any {
	switch v := v.(type) {
	case nil:
		return nil
	case object:
		return requestMeta(v, now)
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = requestValueMeta(e, now)
		}
		return out
	}
	return stamp(now)
}

// diff returns the members of want that have lacks or has otherwise.
func diff(want, wantMeta, have object) (state, meta object) {
	for k, w := range want {
		h, ok := have[k]
		ds, dm := any(nil), any(nil)
		wo, wIsObj := w.(object)
		ho, hIsObj := h.(object)
		switch {
		case ok && wIsObj && hIsObj:
			sub, subMeta := diff(wo, metaObject(wantMeta[k]), ho)
			if sub == nil {
				continue
			}
			ds, dm = sub, subMeta
		case ok && equal(w, h):
			continue
		default:
			ds, dm = w, wantMeta[k]
		}
		if state == nil {
			state, meta = object{}, object{}
		}
		state[k], meta[k] = ds, dm
	}
	return state, meta
}

func metaObject(v any) object {
	o, _ := v.(object)
	return o
}

// equal compares two JSON values. Numbers are equal by value: 1 and 1.0 are.
func equal(a, b any) bool {
	switch a := a.(type) {
	case object:
		b, ok := b.(object)
		if !ok || len(a) != len(b) {
			return false
		}
		for k, v := range a {
			w, ok := b[k]
			if !ok || !equal(v, w) {
				return false
			}
		}
		return true
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !equal(a[i], b[i]) {
				return false
			}
		}
		return true
	case json.Number:
		b, ok := b.(json.Number)
		return ok && equalNumbers(string(a), string(b))
	}
	return a == b
}

func equalNumbers(a, b string) bool {
	if a == b {
		return true
	}
	if !strings.ContainsAny(a+b, ".eE") {
		return strings.Trim(a, "-")+strings.Trim(b, "-") == "00" // integers have one spelling, but -0
	}
	x, errX := strconv.ParseFloat(a, 64)
	y, errY := strconv.ParseFloat(b, 64)
	return errX == nil && errY == nil && x == y
}

// nesting returns how deep keys and arrays nest: {"a":1} is 1, {"a":{}} too.
func nesting(v any) int {
	deepest := 0
	switch v := v.(type) {
	case object:
		for _, e := range v {
			deepest = max(deepest, 1+nesting(e))
		}
	case []any:
		for _, e := range v {
			deepest = max(deepest, 1+nesting(e))
		}
	}
	return deepest
}

// hasNullInArray finds what AWS refuses: null as an element of an array, at any
// depth.
func hasNullInArray(v any) bool { return nullIn(v, false) }

func nullIn(v any, inArray bool) bool {
	switch v := v.(type) {
	case nil:
		return inArray
	case object:
		for _, e := range v {
			if nullIn(e, inArray) {
				return true
			}
		}
	case []any:
		for _, e := range v {
			if nullIn(e, true) {
				return true
			}
		}
	}
	return false
}
