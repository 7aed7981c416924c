"""Peers of the loss scenarios, each a process of its own: they write at a rate and measure how long a write was held up."""

import multiprocessing
import socket
import time
from dataclasses import dataclass

from whole.forward import Frames

# Records of a moment go out in one write.
TICK_SECONDS = 0.005
# Docker's driver keeps so many events for a router that does not read; what comes beyond is gone.
DRIVER_EVENTS_MAX = 1_048_576
# From the last line of a container to the end of its driver, which drops what it could not write by then.
DRIVER_END_SECONDS = 0.01


@dataclass
class Told:
    """What a peer says at its end."""

    name: str
    # Records that its container printed.
    printed: int
    # Records that went out whole.
    written: int
    longest_write_ms: float
    # Why it was cut off, or empty.
    reset: str


class Peers:
    """Processes that make their frames, wait for `go`, write, and tell."""

    def __init__(self, *tasks):
        self.told = multiprocessing.Queue()
        self.start = multiprocessing.Event()
        ready = multiprocessing.Barrier(len(tasks) + 1)
        self.processes = [
            multiprocessing.Process(target=task, args=(ready, self.start, self.told), daemon=True) for task in tasks
        ]
        for process in self.processes:
            process.start()
        ready.wait()

    def go(self):
        self.start.set()
        return self

    def all(self, seconds):
        """What each tells, at the latest after so many seconds."""
        return [self.told.get(timeout=seconds) for _ in self.processes]


def connect(address):
    connection = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
    connection.connect(address)
    return connection


@dataclass(frozen=True)
class Steady:
    """Writes at a rate, or as fast as it is read; every record is written, however long that takes."""

    name: str
    address: object
    line_bytes: int
    records: int
    # 0: as fast as it is read.
    records_per_s: int
    # How long it stays connected behind its last write.
    lingers_seconds: float = 0.0

    def __call__(self, ready, start, told):
        frames = Frames("app-firelens-0123456789abcdef", self.name, self.line_bytes)
        each = max(1, int(self.records_per_s * TICK_SECONDS)) if self.records_per_s else 200
        began = time.time_ns()
        step = 1_000_000_000 // self.records_per_s if self.records_per_s else 1_000
        blobs = [
            b"".join(frames.message(number, began + number * step) for number in range(first, min(self.records, first + each)))
            for first in range(0, self.records, each)
        ]
        connection = connect(self.address)
        ready.wait()
        start.wait()
        written, longest, reset, due = 0, 0.0, "", time.monotonic()
        for blob in blobs:
            began = time.monotonic()
            try:
                connection.sendall(blob)
            except OSError as error:
                reset = str(error)
                break
            longest = max(longest, time.monotonic() - began)
            written = min(self.records, written + each)
            if self.records_per_s:
                due += each / self.records_per_s
                time.sleep(max(0, due - time.monotonic()))
        time.sleep(self.lingers_seconds)
        connection.close()
        told.put(Told(self.name, self.records, written, longest * 1000, reset))


@dataclass(frozen=True)
class Driver:
    """Docker's `fluentd` driver with the options of the ECS agent, of a container that prints in a short time and exits.

    Lines wait in a queue of events and go out one by one, each in a write of its own; when the container has ended, the
    driver ends, and what is in the queue ends with it.
    """

    name: str
    address: object
    line_bytes: int
    records: int
    seconds: float

    def __call__(self, ready, start, told):
        frames = Frames("app-firelens-0123456789abcdef", self.name, self.line_bytes)
        now = time.time_ns()
        step = int(self.seconds * 1_000_000_000 / self.records)
        made = [frames.message(number, now + number * step) for number in range(self.records)]
        connection = connect(self.address)
        ready.wait()
        start.wait()
        written, longest, began, reset = 0, 0.0, time.monotonic(), ""
        end = began + self.seconds + DRIVER_END_SECONDS
        while written < self.records and (now := time.monotonic()) < end:
            printed = min(self.records, int((now - began) / self.seconds * self.records))
            if printed - written > DRIVER_EVENTS_MAX:
                reset = "the queue of the driver is full"
                break
            if written == printed:
                time.sleep(0.0005)
                continue
            # The driver's end cuts a write off that is held up.
            connection.settimeout(end - now)
            try:
                connection.sendall(made[written])
            except OSError as error:
                reset = "" if isinstance(error, TimeoutError) else str(error)
                break
            longest = max(longest, time.monotonic() - now)
            written += 1
        connection.close()
        told.put(Told(self.name, self.records, written, longest * 1000, reset))
