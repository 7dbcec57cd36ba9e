// Package greengrass asks AWS IoT Greengrass where the cores of a device are: the discovery API, one
// HTTPS request with the device's certificate
// (https://docs.aws.amazon.com/greengrass/v2/developerguide/greengrass-discover-api.html).
//
//	discovery := greengrass.NewClient(greengrass.Options{
//		Region: "eu-west-1",
//		Auth:   awsiot.MTLSFromPath("device.pem.crt", "device.pem.key"),
//	})
//	found, err := discovery.Discover(ctx, "thermostat")
//	...
//	client, where, err := greengrass.Connect(ctx, found, awsiot.ClientOptions{
//		ClientID: "thermostat",
//		Auth:     awsiot.MTLSFromPath("device.pem.crt", "device.pem.key"),
//	})
//
// A core announces several addresses, of which a device reaches some or none: a client has to try all of
// them, each with the certificate authorities of its group. [DiscoverResponse.Candidates] lists them in
// their order, [Connect] tries them.
package greengrass
