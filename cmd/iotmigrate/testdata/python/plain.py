"""What examples/v1-style/pubsub says, in MQTT 3.1.1 written by hand: a program that shares no code with any library."""

import argparse
import json
import socket
import ssl
import struct

flags = argparse.ArgumentParser()
for name in ("endpoint", "ca", "cert", "key"):
    flags.add_argument("-" + name, required=True)
flags.add_argument("-port", type=int, required=True)
flags.add_argument("-topic", default="sdk/test/Go")
flags.add_argument("-message", default="Hello World!")
flags.add_argument("-n", type=int, default=1)
args = flags.parse_args()

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK, DISCONNECT = 1, 2, 3, 4, 8, 9, 10, 11, 14

context = ssl.create_default_context(cafile=args.ca)
context.load_cert_chain(args.cert, args.key)
stream = context.wrap_socket(socket.create_connection((args.endpoint, args.port), 10), server_hostname=args.endpoint)


def text(s):
    b = s.encode()
    return struct.pack("!H", len(b)) + b


def send(kind, flags, body=b""):
    n, length = len(body), b""
    while True:
        n, digit = n // 128, n % 128
        length += bytes([digit | (128 if n else 0)])
        if not n:
            break
    stream.sendall(bytes([kind << 4 | flags]) + length + body)


def exactly(n):
    out = b""
    while len(out) < n:
        piece = stream.recv(n - len(out))
        if not piece:
            raise SystemExit("the connection ended")
        out += piece
    return out


def read():
    """The next packet: its type, its flags and what is behind the length."""
    first = exactly(1)[0]
    length, shift = 0, 0
    while True:
        digit = exactly(1)[0]
        length |= (digit & 127) << shift
        shift += 7
        if digit < 128:
            return first >> 4, first & 15, exactly(length)


waiting = set()  # packet types that were read while another one was wanted


def wait(kind):
    """Reads until a packet of the type has come. A message of QoS 1 is acknowledged."""
    while kind not in waiting:
        got, flags, body = read()
        if got == PUBLISH and flags >> 1 & 3:
            at = 2 + struct.unpack("!H", body[:2])[0]
            send(PUBACK, 0, body[at:at + 2])
        waiting.add(got)
    waiting.remove(kind)


send(CONNECT, 0, text("MQTT") + bytes([4, 0x82]) + struct.pack("!H", 600) + text("basicPubSub") + text("?SDK=ByHand&Version=1"))
wait(CONNACK)
send(SUBSCRIBE, 2, struct.pack("!H", 1) + text(args.topic) + bytes([1]))
wait(SUBACK)
for i in range(args.n):
    payload = json.dumps({"message": args.message, "sequence": i}).encode()
    send(PUBLISH, 2, text(args.topic) + struct.pack("!H", 2 + i) + payload)
    wait(PUBACK)
    wait(PUBLISH)
send(UNSUBSCRIBE, 2, struct.pack("!H", 2 + args.n) + text(args.topic))
wait(UNSUBACK)
send(DISCONNECT, 0)
stream.close()
