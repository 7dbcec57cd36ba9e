// Package greengrass stands in for the discovery service of AWS IoT Greengrass: an HTTPS server that wants a
// client certificate, knows which cores belong to which thing, and misbehaves on demand.
//
//	broker := iotlocal.StartT(t, iotlocal.Options{})
//	discovery := greengrass.StartT(t, greengrass.Options{ClientCAPEM: broker.CAPEM()})
//	discovery.SetGroups("thermostat", greengrass.Group{ID: "home", CAs: []string{string(broker.CAPEM())},
//		Cores: []greengrass.Core{{ThingARN: "arn:core", Connectivity: []greengrass.Connectivity{
//			{ID: "lan", HostAddress: broker.Host(), PortNumber: broker.TLSPort()}}}}})
//	// discover at discovery.Host(), discovery.Port() with discovery.CAFile() and an identity of broker.NewThing
//
// The rules are those of the service: 404 for a thing without cores, 400 for a name that no thing can have, 403
// for another method or path. Everything else is what [Server.Next] says.
package greengrass
