// Package interop holds the tests against a broker that is not ours: mosquitto, started by the tests on free ports of
// the loopback interface, with mutual TLS and a throwaway CA, and with clients that are not ours: the AWS IoT Device SDK
// v2 for JavaScript against iotlocal, driven by testdata/npm/driver.js. They stand behind the build tag interop;
// ci/interop.sh installs the programs they need and runs them:
//
//	go test -tags interop ./internal/interop
package interop
