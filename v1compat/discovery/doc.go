// Package discovery is the Greengrass discovery of the AWS IoT Device SDK for Python, v1
// (AWSIoTPythonSDK.core.greengrass.discovery), in Go case, on package greengrass.
//
//	provider := discovery.NewDiscoveryInfoProvider()
//	provider.ConfigureEndpoint("greengrass-ats.iot.eu-west-1.amazonaws.com")
//	provider.ConfigureCredentials("root-ca.pem", "cert.pem", "key.pem") // CA, certificate, key: unlike the MQTT client
//	provider.ConfigureTimeout(10)
//	info, err := provider.Discover("thermostat")
//
// What v1 did badly is done right: the timeout holds against a server that is silent, header names have no case, the
// host name of the server is checked on every port, and the connection is closed.
//
// Everything here has a better successor in package greengrass.
package discovery
