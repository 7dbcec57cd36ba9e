package v1compat

// Refused reports whether a Configure call of c was refused, which Connect is to return.
func Refused(c *AWSIoTMQTTClient) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.problems) > 0 || c.settings.credential && len(c.settings.check(true)) > 0
}

// Facades is how many awsiot.Clients have a facade.
func Facades() int { return facades.len() }
