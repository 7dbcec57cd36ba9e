package broker

import "time"

// perSecond counts what happens within a second. The zero value has seen nothing.
type perSecond struct {
	from time.Time // when the second began
	n    int
}

// take counts one more, and reports whether it is within the limit; a limit of 0 or less is none.
func (p *perSecond) take(limit int, now time.Time) bool {
	if limit <= 0 {
		return true
	}
	if now.Sub(p.from) >= time.Second || now.Before(p.from) {
		p.from, p.n = now, 0
	}
	if p.n >= limit {
		return false
	}
	p.n++
	return true
}

// full reports whether the second has no room for more.
func (p *perSecond) full(limit int) bool { return limit > 0 && p.n >= limit }

// next is when the next second begins.
func (p *perSecond) next() time.Time { return p.from.Add(time.Second) }

// maxConnectCounts is how many client ids are remembered for Limits.ConnectsPerSecond before those of the past are forgotten.
const maxConnectCounts = 1024

// connectInTime reports whether a client id may connect by Limits.ConnectsPerSecond.
func (b *Broker) connectInTime(id string) bool {
	limit := b.opts.Limits.ConnectsPerSecond
	if limit <= 0 {
		return true
	}
	now := b.opts.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.connects) >= maxConnectCounts {
		for k, p := range b.connects {
			if !now.Before(p.next()) {
				delete(b.connects, k)
			}
		}
	}
	p := b.connects[id]
	if p == nil {
		p = &perSecond{}
		b.connects[id] = p
	}
	return p.take(limit, now)
}
