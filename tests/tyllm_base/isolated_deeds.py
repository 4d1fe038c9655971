"""The task of the tests' isolated processes: deeds by name."""

import json
import os
import signal
import sys
import time


def prepare(setup):
    if setup == b"fail":
        raise ValueError("not prepared")
    if setup == b"die":
        os.kill(os.getpid(), signal.SIGSEGV)
    count = [0]

    def deed(request):
        name, *rest = json.loads(request)
        count[0] += 1
        return globals()[name](*rest) if name != "count" else count[0]

    return deed


def echo(value):
    return value


def pid():
    return os.getpid()


def spin():
    while True:
        pass


def native():
    return len(str(10**10**8))


def sleep(seconds):
    time.sleep(seconds)


def fill():
    return len(bytearray(1 << 40))


def fill_slowly():
    parts = []
    while True:
        parts.append(bytearray(1 << 20))


def long(size):
    return "x" * size


def raise_error(message):
    raise ValueError(message)


def raise_exit():
    raise SystemExit(3)


def recurse():
    return recurse()


def kill(number):
    os.kill(os.getpid(), number)


def leave(code):
    os._exit(code)


def write():
    print("out", flush=True)
    print("err", file=sys.stderr, flush=True)
    return "said"


def nonsense():
    return {1, 2}
