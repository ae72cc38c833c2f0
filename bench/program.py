# The program that every subject keeps running. The bench writes VERSION, MODE,
# STAMPS, PORT, PARTS and FOLDER above this line, so that nothing has to reach it
# through the subject. The first stamp is the first thing it does.
import os
import time

out = os.open(STAMPS, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)


def stamp(kind):
    os.write(out, b"%d %d %d %s\n" % (VERSION, os.getpid(), time.monotonic_ns(), kind))


stamp(b"first")

import signal


def stop(number, frame):
    raise SystemExit(0)


# One way out for whichever signal a subject likes, so that ending takes all of
# them the same time.
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2):
    signal.signal(number, stop)


def whole():
    for part in range(PARTS):
        try:
            with open("parts/%02d/part-%02d.txt" % (part // FOLDER, part), "rb") as file:
                text = file.read()
        except FileNotFoundError:
            return False
        begin, end = b"begin %d\n" % VERSION, b"end %d\n" % VERSION
        if not text.startswith(begin) or not text.endswith(end):
            return False
    return True


def clock():
    while True:
        time.sleep(0.0005)
        stamp(b"tick")


def serve():
    import socket

    with socket.create_server(("127.0.0.1", PORT), backlog=128) as server:
        while True:
            client, _ = server.accept()
            with client:
                client.sendall(b"%d\n" % VERSION)


def idle():
    while True:
        signal.pause()


stamp(b"whole" if whole() else b"torn")
{"clock": clock, "serve": serve, "idle": idle}[MODE]()
