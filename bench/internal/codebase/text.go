package codebase

// ordinaryCode is a type with functions, numbered.
const ordinaryCode = `
// reading%[1]d is one of many.
type reading%[1]d struct {
	name   string
	values []float64
	labels map[string]string
	limit  float64
}

func newReading%[1]d(name string) *reading%[1]d {
	return &reading%[1]d{name: name, labels: map[string]string{"unit": "C"}, limit: %[2]d}
}

func (r *reading%[1]d) add(v float64) error {
	if v > r.limit {
		return fmt.Errorf("reading %%s: %%g is above %%g", r.name, v, r.limit)
	}
	r.values = append(r.values, v)
	return nil
}

func (r *reading%[1]d) mean() float64 {
	sum := 0.0
	for _, v := range r.values {
		sum += v
	}
	return sum / float64(max(len(r.values), 1))
}

// Describe%[1]d says what is known.
func Describe%[1]d(names ...string) string {
	var b strings.Builder
	sort.Strings(names)
	for i, n := range names {
		r := newReading%[1]d(n)
		if err := r.add(float64(i * %[3]d)); err != nil {
			b.WriteString(err.Error())
			continue
		}
		switch {
		case r.mean() > 10:
			fmt.Fprintf(&b, "%%s is warm\n", r.name)
		case r.mean() < -10:
			fmt.Fprintf(&b, "%%s is cold\n", r.name)
		default:
			fmt.Fprintf(&b, "%%s: %%s\n", r.name, strings.ToUpper(r.labels["unit"]))
		}
	}
	return b.String()
}
`

// clientCode is clients in the shapes of real programs: most can be rewritten, one cannot.
const clientCode = `
type gateway struct {
	client *v1compat.AWSIoTMQTTClient
	seen   map[string]int
}

func newGateway(id, host string) *gateway {
	g := &gateway{client: v1compat.NewAWSIoTMQTTClient(id), seen: map[string]int{}}
	g.client.ConfigureEndpoint(host, 8883)
	g.client.ConfigureCredentials("ca.pem", "%[1]s.key", "%[1]s.pem")
	g.client.ConfigureAutoReconnectBackoffTime(1, 32, 20)
	g.client.ConfigureOfflinePublishQueueing(-1)
	g.client.ConfigureDrainingFrequency(2)
	g.client.ConfigureConnectDisconnectTimeout(10)
	g.client.ConfigureMQTTOperationTimeout(5)
	return g
}

func (g *gateway) start() error {
	if err := g.client.Connect(); err != nil {
		return fmt.Errorf("connect: %%w", err)
	}
	_, err := g.client.Subscribe("%[1]s/commands/#", 1, func(_ *v1compat.AWSIoTMQTTClient, _ any, m *v1compat.Message) {
		g.seen[m.Topic]++
	})
	return err
}

func (g *gateway) report(topic, payload string) error {
	_, err := g.client.Publish(topic, payload, 1)
	return err
}

func (g *gateway) stop() error { return g.client.Disconnect() }

// Serve runs a gateway.
func Serve(id, host string) error {
	g := newGateway(id, host)
	if err := g.start(); err != nil {
		return err
	}
	for i := range 3 {
		if err := g.report("%[1]s/report", fmt.Sprintf("{\"n\": %%d}", i)); err != nil {
			return err
		}
	}
	return g.stop()
}

func configure(c *v1compat.AWSIoTMQTTClient, host string) {
	c.ConfigureEndpoint(host, 8883)
	c.ConfigureCredentials("ca.pem", "sensor.key", "sensor.pem")
}

// Once publishes one message.
func Once(host, topic string, payload []byte) error {
	c := v1compat.NewAWSIoTMQTTClient("once")
	configure(c, host)
	c.OnOffline = func() { fmt.Println("offline") }
	if err := c.Connect(30); err != nil {
		return err
	}
	c.PublishAsync(topic, payload, 1, nil)
	return c.Disconnect()
}

// Watch keeps its client, since it asks for what v2 has no rule for.
func Watch(host string) {
	c := v1compat.NewAWSIoTMQTTClient("watch")
	c.ConfigureEndpoint(host, 8883)
	c.PublishAsync("%[1]s/watch", "on", 1, func(mid v1compat.Mid) { fmt.Println(mid) })
}
`
