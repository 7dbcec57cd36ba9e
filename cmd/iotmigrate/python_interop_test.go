//go:build interop

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// pythonSDK is the environment variable that names a checkout of the AWS IoT Device SDK v1 for Python: the directory with
// AWSIoTPythonSDK in it. Nothing of it is in this repository.
const pythonSDK = "PORTAGE_PYTHON_SDK"

// pythonOld is a program of testdata/python as OLD of verify.
func pythonOld(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("testdata", "python", name))
	if err != nil {
		t.Fatal(err)
	}
	return "python3 " + path + " -endpoint {host} -port {port} -ca {ca} -cert {cert} -key {key}"
}

// same is what the rewritten program and its original say to each other's satisfaction.
func same(t *testing.T, old string, flags ...string) {
	t.Helper()
	code, stdout, stderr := call(t, append(flags, old, "../../examples/v2-style/pubsub", "--", "-n", "3")...)
	if code != exitDone || !strings.Contains(stdout, "The programs say the same on the wire.") {
		t.Errorf("exit %d, want %d\n%s%s", code, exitDone, stdout, stderr)
	}
}

// TestVerifyPython: a program in Python that speaks MQTT 3.1.1 says the same as its port to v2, and one of another payload
// does not.
func TestVerifyPython(t *testing.T) {
	old := pythonOld(t, "plain.py")
	same(t, old)
	code, stdout, stderr := call(t, old+" -message hello", "../../examples/v2-style/pubsub", "--", "-n", "1")
	if code != exitDiffers || !strings.Contains(stdout, `PUBLISH sent "sdk/test/Go" (client "basicPubSub"): payload from byte 13`) {
		t.Errorf("another payload: exit %d, want %d\n%s%s", code, exitDiffers, stdout, stderr)
	}
}

// TestVerifyPythonSDK: the same with a program on the v1 SDK itself, where PORTAGE_PYTHON_SDK says that it is at hand.
func TestVerifyPythonSDK(t *testing.T) {
	dir := os.Getenv(pythonSDK)
	if dir == "" {
		t.Logf("not run: %s names no checkout of github.com/aws/aws-iot-device-sdk-python", pythonSDK)
		return
	}
	if _, err := os.Stat(filepath.Join(dir, "AWSIoTPythonSDK", "MQTTLib.py")); err != nil {
		t.Fatalf("%s=%s: want the directory that has AWSIoTPythonSDK in it: %v", pythonSDK, dir, err)
	}
	same(t, pythonOld(t, "sdk.py"), "-env", "PYTHONPATH="+dir)
}
