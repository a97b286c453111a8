#!/usr/bin/env python3
"""A chat room as a process: one for each room, anywhere in the cluster, in plain Python.

    nprocreg node --name a@127.0.0.1 --command room:open='python3 room.py'
    nprocreg get  '<<"kitchen">>' --start room:open
    nprocreg call '<<"kitchen">>' '{join, <<"Anna">>}'

Calls:    {join, Name}         ok, or {error, name_taken}
          {join, Name, Pid}    the same, and Pid is sent {room, Room, Name, Text} for each post
          {leave, Name}        ok
          members              [Name]
          history              [{Name, Text}], the last ones
Casts:    {post, Name, Text}   to all members and into the history
          close                ends the room
"""
import json
import sys

HISTORY_MAX = 100


def atom(name):
    return {"$atom": name}


def tuple_of(*parts):
    return {"$tuple": list(parts)}


OK = atom("ok")


class Room:
    def __init__(self, name):
        self.name = name
        self.members = {}  # name -> pid, or None
        self.history = []

    def call(self, request):
        match parse(request):
            case ["join", str(name)] | ["join", str(name), _] if name in self.members:
                return tuple_of(atom("error"), atom("name_taken"))
            case ["join", str(name)]:
                self.members[name] = None
                return OK
            case ["join", str(name), {"$pid": _} as pid]:
                self.members[name] = pid
                return OK
            case ["leave", str(name)]:
                self.members.pop(name, None)
                return OK
            case ["members"]:
                return sorted(self.members)
            case ["history"]:
                return [tuple_of(name, text) for name, text in self.history]
        return tuple_of(atom("error"), atom("unknown"))

    def cast(self, message):
        match parse(message):
            case ["post", str(name), str(text)]:
                self.history = (self.history + [(name, text)])[-HISTORY_MAX:]
                for pid in self.members.values():
                    if pid is not None:
                        send({"send": pid, "message": tuple_of(atom("room"), self.name, name, text)})
            case ["close"]:
                send({"exit": "normal"})


def parse(term):
    """{join, <<"Anna">>} as ["join", "Anna"], and close as ["close"]."""
    parts = term["$tuple"] if isinstance(term, dict) and "$tuple" in term else [term]
    if isinstance(parts[0], dict) and "$atom" in parts[0]:
        return [parts[0]["$atom"], *parts[1:]]
    return [None]


def send(message):
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def main():
    room = None
    for line in sys.stdin:  # ends when the node closes it
        message = json.loads(line)
        if "start" in message:
            room = Room(message["start"].get("key"))
            send({"started": True})
        elif "call" in message:
            send({"reply": message["call"], "value": room.call(message["request"])})
        elif "cast" in message:
            room.cast(message["cast"])
        else:
            print("not understood:", line.rstrip(), file=sys.stderr, flush=True)  # into the log


main()
