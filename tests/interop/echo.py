"""A child that answers each call with its request: echo.py json|packet4."""
import json
import os
import struct
import sys


def json_echo():
    for line in sys.stdin:
        message = json.loads(line)
        if "start" in message:
            print('{"started":true}', flush=True)
        elif "call" in message:
            print(json.dumps({"reply": message["call"], "value": message["request"]}), flush=True)


def name(text):
    return b"m" + struct.pack(">I", len(text)) + text


def write(term):
    sys.stdout.buffer.write(struct.pack(">I", len(term) + 1) + b"\x83" + term)
    sys.stdout.buffer.flush()


def packet4_echo():
    start = b"\x83t\0\0\0\x01" + name(b"start")
    call = b"\x83t\0\0\0\x02" + name(b"call")
    request = name(b"request")
    stdin = sys.stdin.buffer
    while head := stdin.read(4):
        packet = stdin.read(struct.unpack(">I", head)[0])
        if packet.startswith(start):
            write(b"t\0\0\0\x01" + name(b"started") + b"w\x04true")
        elif packet.startswith(call):
            at = packet.index(request, len(call))  # the number is in between
            number = packet[len(call):at]
            value = packet[at + len(request):]
            write(b"t\0\0\0\x02" + name(b"reply") + number + name(b"value") + value)


os.environ["PYTHONIOENCODING"] = "utf-8"
sys.stdin.reconfigure(encoding="utf-8")
sys.stdout.reconfigure(encoding="utf-8")
json_echo() if sys.argv[1] == "json" else packet4_echo()
