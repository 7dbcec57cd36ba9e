package reqresp

import "time"

// timeouts is a heap of the calls that have a deadline, the nearest first, and one timer for all of them. Client.mu guards it.
type timeouts struct {
	calls []*call
	timer *time.Timer
	armed int64 // when timer fires; 0: not at all
	start time.Time
}

// now is the monotonic time since the first call, in nanoseconds.
func (t *timeouts) now() int64 {
	if t.start.IsZero() {
		t.start = time.Now()
	}
	return int64(time.Since(t.start))
}

// schedule gives k until d from now. mu is held.
func (c *Client) schedule(k *call, d time.Duration) {
	t := &c.deadline
	k.until = t.now() + int64(d)
	t.calls = append(t.calls, k)
	k.slot = len(t.calls)
	t.up(k.slot - 1)
	c.arm()
}

// arm sets the timer to the nearest deadline, unless it fires before that. mu is held.
func (c *Client) arm() {
	t := &c.deadline
	if len(t.calls) == 0 || t.armed != 0 && t.armed <= t.calls[0].until {
		return
	}
	t.armed = max(1, t.calls[0].until)
	d := time.Duration(t.armed - t.now())
	if t.timer == nil {
		t.timer = time.AfterFunc(d, c.expired)
	} else {
		t.timer.Reset(d)
	}
}

// expired ends the calls whose time is over.
func (c *Client) expired() {
	c.mu.Lock()
	defer c.unlock()
	t := &c.deadline
	t.armed = 0
	if c.closed {
		return
	}
	for now := t.now(); len(t.calls) > 0 && t.calls[0].until <= now; {
		c.expire(t.calls[0])
	}
	c.arm()
}

// stop stops the timer for good.
func (t *timeouts) stop() {
	if t.timer != nil {
		t.timer.Stop()
	}
}

// remove takes k out, if it is in.
func (t *timeouts) remove(k *call) {
	if k.slot == 0 {
		return
	}
	i, last := k.slot-1, len(t.calls)-1
	k.slot = 0
	if i != last {
		t.put(i, t.calls[last])
	}
	t.calls[last] = nil
	t.calls = t.calls[:last]
	if i != last {
		t.down(i)
		t.up(i)
	}
}

func (t *timeouts) put(i int, k *call) {
	t.calls[i] = k
	k.slot = i + 1
}

func (t *timeouts) swap(i, j int) {
	a, b := t.calls[i], t.calls[j]
	t.put(i, b)
	t.put(j, a)
}

func (t *timeouts) up(i int) {
	for i > 0 {
		p := (i - 1) / 2
		if t.calls[p].until <= t.calls[i].until {
			return
		}
		t.swap(p, i)
		i = p
	}
}

func (t *timeouts) down(i int) {
	for {
		j := 2*i + 1
		if j >= len(t.calls) {
			return
		}
		if j+1 < len(t.calls) && t.calls[j+1].until < t.calls[j].until {
			j++
		}
		if t.calls[i].until <= t.calls[j].until {
			return
		}
		t.swap(i, j)
		i = j
	}
}
