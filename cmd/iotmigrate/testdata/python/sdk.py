"""What examples/v1-style/pubsub does, on the AWS IoT Device SDK v1 for Python, which stands in PYTHONPATH."""

import argparse
import json
import threading
import time

from AWSIoTPythonSDK.MQTTLib import AWSIoTMQTTClient

flags = argparse.ArgumentParser()
for name in ("endpoint", "ca", "cert", "key"):
    flags.add_argument("-" + name, required=True)
flags.add_argument("-port", type=int, required=True)
flags.add_argument("-topic", default="sdk/test/Go")
flags.add_argument("-n", type=int, default=1)
args = flags.parse_args()

received = threading.Semaphore(0)
client = AWSIoTMQTTClient("basicPubSub")
client.configureEndpoint(args.endpoint, args.port)
client.configureCredentials(args.ca, args.key, args.cert)
client.configureAutoReconnectBackoffTime(1, 32, 20)
client.configureConnectDisconnectTimeout(10)
client.configureMQTTOperationTimeout(5)
client.connect()
client.subscribe(args.topic, 1, lambda client, userdata, message: received.release())
for i in range(args.n):
    client.publish(args.topic, json.dumps({"message": "Hello World!", "sequence": i}), 1)
    if not received.acquire(timeout=10):
        raise SystemExit("message %d did not come back" % i)
client.unsubscribe(args.topic)
client.disconnect()
