"""A process that plays one part in a test of leases; told what to do on its command line, and over stdin.

Prints one word a line, so that a test can wait for it: ``waiting``, ``got KEY``, ``busy``, ``released``.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import signal
import sys
import time

if "EDGEDEVICE_TEST_POSIXLESS" in os.environ:
    __import__("posixless")  # before anything of ours

from pytest_edgedevice.errors import DeviceBusyError, LeaseError
from pytest_edgedevice.leases import Holder, Waiting, acquire


def say(*words: object) -> None:
    print(*words, flush=True)


def sleep_long(started: object) -> None:
    started.set()  # type: ignore[attr-defined]  # multiprocessing.Event has no type of its own
    time.sleep(600)


def told(waiting: Waiting) -> None:
    say("waiting", waiting.place)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("keys", nargs="+")
    parser.add_argument("--wait-s", type=float, default=0.0)
    parser.add_argument("--test", default="tests/test_x.py::test_y")
    parser.add_argument("--shared", action="store_true")
    parser.add_argument("--folder", default="", help="where our files on the device would be")
    parser.add_argument("--deaf", action="store_true", help="do not end when interrupted")
    parser.add_argument("--fork", action="store_true", help="leave a forked child that outlives us")
    parser.add_argument("--uid", type=int, default=None, help="become this user first")
    args = parser.parse_args()
    # as in a terminal, whatever whoever started the tests does about interrupts
    signal.signal(signal.SIGINT, signal.SIG_IGN if args.deaf else signal.SIG_DFL)
    if args.uid is not None:
        Holder.here()  # imports what it needs while we may still read it: a checkout below /root is closed to others
        os.setgroups([])
        os.setgid(args.uid)
        os.setuid(args.uid)
    try:
        holder = Holder.here(test=args.test)
        lease = acquire(args.keys, holder=holder, wait_s=args.wait_s, on_wait=told, shared=args.shared)
    except (DeviceBusyError, LeaseError) as error:
        say(type(error).__name__, str(error).replace("\n", " "))
        return
    if args.folder:
        lease.update(folder=args.folder)
    if args.fork:
        fork = multiprocessing.get_context("fork")
        started = fork.Event()
        child = fork.Process(target=sleep_long, args=(started,))
        child.start()
        started.wait(30)
        say("child", child.pid)
    say("got", lease.key, "dirty" if lease.dirty else "clean")
    sys.stdin.readline()
    lease.release()
    say("released")


if __name__ == "__main__":
    main()
