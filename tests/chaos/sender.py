"""A peer that writes numbered records and keeps its own account of what it wrote and what was acknowledged."""

import collections
import select
import socket
import threading
import time
from dataclasses import dataclass, field

from whole.forward import Frames, acks

# How often a paused or waiting sender looks around.
LOOK_SECONDS = 0.02
# A sender with acks waits for some when it has this many chunks without.
CHUNKS_UNACKED_MAX = 64
# How far back the time of an ancient record lies: CloudWatch Logs takes 14 days.
ANCIENT_NS = 20 * 86_400 * 1_000_000_000


@dataclass(frozen=True)
class Plan:
    """What a sender is to do."""

    name: str
    tag: str
    transport: str
    mode: str
    # Records of a frame; 1 in Message mode.
    entries: int
    has_acks: bool
    records_per_s: int
    line_bytes: int
    # Each so many records, one that CloudWatch Logs rejects for its age; 0 for none.
    ancient_every: int

    def __str__(self):
        acked = "+ack" if self.has_acks else ""
        return f"{self.name}:{self.transport}/{self.mode}{acked}@{self.records_per_s}/s"

    def is_ancient(self, number):
        return self.ancient_every > 0 and number % self.ancient_every == self.ancient_every - 1


@dataclass
class Chunk:
    """A frame and what it holds."""

    number: int
    first: int
    after: int
    frame: bytes


@dataclass
class Written:
    """What went over one connection: the numbers of its records in the order of writing, all whole frames."""

    opened: float
    chunks: list = field(default_factory=list)
    # When it ended, and why; neither if the sender closed it.
    ended: float = 0.0
    why: str = ""


class Sender(threading.Thread):
    """Writes from `start()` to `finish()`, but not while it is paused. A lost connection is made again; the frame that
    did not go out whole is written again first, and with acks all that was not acknowledged."""

    def __init__(self, plan, address):
        super().__init__(daemon=True, name=plan.name)
        self.plan = plan
        self.address = address
        self.frames = Frames(plan.tag, plan.name, plan.line_bytes)
        self.connections = []
        self.acked = set()
        self.records = 0
        self.unacked = collections.OrderedDict()
        self.again = collections.deque()
        self.received = b""
        self.socket = None
        self.due = None
        self.active = threading.Event()
        self.active.set()
        self.is_finishing = threading.Event()
        self.is_finished = threading.Event()
        self.is_ended = threading.Event()
        self.longest_write_seconds = 0.0
        self.failure = ""

    def pause(self):
        """Stops making frames; what is being written goes on."""
        self.active.clear()

    def resume(self):
        """Makes frames again, over a new connection."""
        self.active.set()

    def finish(self):
        """No new records; those without an ack are still written again."""
        self.is_finishing.set()

    def end(self):
        self.is_ended.set()
        self.join(10)

    def run(self):
        try:
            while not self.is_ended.is_set():
                if self.socket is None and not self._connect():
                    time.sleep(LOOK_SECONDS)
                    continue
                try:
                    self._step()
                except OSError as error:
                    self._lost(str(error) or type(error).__name__)
        except Exception as error:  # The run must fail, whatever it is.
            self.failure = f"{type(error).__name__}: {error}"
        finally:
            if self.socket is not None:
                self.socket.close()
            self.is_finished.set()

    def _connect(self):
        if not self.active.is_set():
            return False
        family = socket.AF_UNIX if self.plan.transport == "unix" else socket.AF_INET
        connection = socket.socket(family)
        connection.settimeout(1)
        try:
            connection.connect(self.address)
        except OSError:
            connection.close()
            return False
        self.socket = connection
        self.connections.append(Written(time.time()))
        self.again = collections.deque(self.unacked.values())
        self.unacked.clear()
        self.received = b""
        self.due = time.monotonic()
        return True

    def _lost(self, why):
        self.connections[-1].ended = time.time()
        self.connections[-1].why = why
        self.socket.close()
        self.socket = None
        # What was to be written again and was not, comes after what was.
        for chunk in self.again:
            self.unacked[chunk.number] = chunk

    def _step(self):
        self._read(0)
        if not self.active.is_set():
            self._read(LOOK_SECONDS)
        elif self.plan.has_acks and len(self.unacked) >= CHUNKS_UNACKED_MAX:
            self._read(LOOK_SECONDS)
        elif self.again:
            self._write(self.again.popleft())
        elif self.is_finishing.is_set():
            if not self.unacked:
                self.is_finished.set()
            self._read(LOOK_SECONDS)
        elif (wait := self.due - time.monotonic()) > 0:
            self._read(min(wait, LOOK_SECONDS))
        else:
            # What could not be written in time is not made up for.
            self.due = max(self.due, time.monotonic() - 1) + self.plan.entries / self.plan.records_per_s
            self._write(self._make())

    def _make(self):
        first, after = self.records, self.records + self.plan.entries
        number = first // self.plan.entries
        chunk = number if self.plan.has_acks else None
        now = time.time_ns()
        entries = [(one, now - ANCIENT_NS * self.plan.is_ancient(one)) for one in range(first, after)]
        if self.plan.mode == "message":
            frame = self.frames.message(*entries[0], chunk)
        else:
            frame = getattr(self.frames, self.plan.mode)(entries, chunk)
        self.records = after
        return Chunk(number, first, after, frame)

    def _write(self, chunk):
        # From the first byte on: what did not go out whole, or is not acknowledged, must come again.
        self.unacked[chunk.number] = chunk
        began = time.monotonic()
        rest = memoryview(chunk.frame)
        try:
            while rest:
                _, writable, _ = select.select([], [self.socket], [], LOOK_SECONDS)
                if writable:
                    rest = rest[self.socket.send(rest, socket.MSG_DONTWAIT) :]
                elif self.is_ended.is_set():
                    return
        finally:
            # Also of a write that does not come to its end.
            self.longest_write_seconds = max(self.longest_write_seconds, time.monotonic() - began)
        self.connections[-1].chunks.append(chunk)
        if not self.plan.has_acks:
            del self.unacked[chunk.number]

    def _read(self, seconds):
        readable, _, _ = select.select([self.socket], [], [], seconds)
        if not readable:
            return
        read = self.socket.recv(65_536)
        if not read:
            raise ConnectionError("closed by the router")
        numbers, self.received = acks(self.received + read)
        for number in numbers:
            chunk = self.unacked.pop(number, None)
            if chunk is None:
                raise ValueError(f"ack of chunk {number}, which waits for none")
            self.acked.update(range(chunk.first, chunk.after))
