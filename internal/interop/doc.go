// Package interop holds the tests against a broker that is not ours: mosquitto, started by the tests on free ports of
// the loopback interface, with mutual TLS and a throwaway CA. They stand behind the build tag interop; ci/interop.sh
// installs the programs they need and runs them:
//
//	go test -tags interop ./internal/interop
package interop
