"""A run: a scenario carried out with real processes, and what was seen at both ends."""

import random
import shutil
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from scenario import End
from sender import Sender
from whole.process import Endpoint, Router, free_port

# From SIGTERM on senders go on for this long.
AFTER_TERM_SECONDS = 0.2
SECOND_SIGNAL_SECONDS = 0.1
# Beyond Grace a stop takes this long at most, on a machine that does something else as well.
STOP_SLACK_SECONDS = 5
# Faults are over by then. Longer than the router waits between attempts.
STUCK_SECONDS = 8
DRAIN_SECONDS_MAX = 30
SETTLED_SECONDS = 0.3
GROUP = "chaos"


@dataclass
class Session:
    """The life of a router process."""

    began: float
    ended: float = 0.0
    # `term`, `term_twice`, `kill` or `kill_cut`.
    how: str = ""
    status: int | None = None
    stop_seconds: float = 0.0
    closing: dict = field(default_factory=dict)
    # Read before the end: when, and how many records might have arrived twice.
    asked: float = 0.0
    ambiguous: int | None = None
    log: str = ""
    # What was cut off or flipped after a kill.
    damaged: Path | None = None


@dataclass
class Seen:
    """All that is known after a run."""

    sessions: list
    senders: list
    # By stream: `[timestamp, message]`s, and batches.
    streams: dict
    account: dict
    # When nobody was listening: from, to.
    aways: list
    is_drained: bool
    seconds: float


class Course:
    """The processes and files of a run, for the time of a `with`."""

    def __init__(self, firelane, scenario):
        self.firelane = firelane
        self.scenario = scenario
        # A path of a unix socket may have 107 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="fl-chaos-", dir="/tmp"))
        self.dice = random.Random(scenario.seed + 1)
        self.endpoint = Endpoint(firelane, self.folder)
        self.places = {
            "admin": free_port(),
            "tcp": free_port(),
            "unix": self.folder / "in.sock",
            "storage": self.folder / "storage",
            "endpoint": self.endpoint.url(),
        }
        self.router = None
        self.sessions = []
        self.aways = []
        addresses = {"unix": str(self.places["unix"]), "tcp": ("127.0.0.1", self.places["tcp"])}
        self.senders = [Sender(plan, addresses[plan.transport]) for plan in scenario.senders]

    def __enter__(self):
        return self

    def __exit__(self, failed, *_):
        for sender in self.senders:
            if sender.is_alive():
                sender.end()
        for process in (self.router, self.endpoint):
            if process is not None:
                process.kill()
        shutil.rmtree(self.folder)

    def run(self):
        began = time.monotonic()
        self._start()
        for sender in self.senders:
            sender.start()
        self._load()
        self._wait_until_back()
        self.endpoint.faults()
        if self.scenario.restarts_at_end:
            self._end(End(0, "term", 0))
        for sender in self.senders:
            sender.finish()
        is_drained = self._drain()
        for sender in self.senders:
            sender.end()
        self._term(False)
        account = self.endpoint.account()
        streams = {one["stream"]: self.endpoint.stream(GROUP, one["stream"]) for one in account["streams"]}
        return Seen(
            self.sessions, self.senders, streams, account, self.aways, is_drained, time.monotonic() - began
        )

    def _start(self):
        name = f"router-{len(self.sessions)}"
        configuration = self.scenario.configuration(self.places)
        self.sessions.append(Session(time.time()))
        self.router = Router(self.firelane, self.folder, configuration, name=name, inputs=2)

    def _load(self):
        """Faults and ends, each at its time."""
        events = sorted([*self.scenario.faults, *self.scenario.ends], key=lambda event: event.at)
        began = time.monotonic()
        for event in events:
            time.sleep(max(0, began + event.at - time.monotonic()))
            if isinstance(event, End):
                self._end(event)
            else:
                self._fault(event)
        time.sleep(max(0, began + self.scenario.load_seconds - time.monotonic()))

    def _fault(self, fault):
        self._wait_until_back()
        if fault.away:
            self.aways.append((time.time(), fault.away))
            self.endpoint.away(fault.away)
        else:
            self.endpoint.faults(*fault.rules, seed=self.scenario.seed)

    def _wait_until_back(self):
        if self.aways:
            began, seconds = self.aways[-1]
            time.sleep(max(0, began + seconds + 0.1 - time.time()))

    def _end(self, end):
        if end.how.startswith("kill"):
            self._kill(end)
        else:
            self._term(end.how == "term_twice")
        time.sleep(end.down)
        self._start()
        for sender in self.senders:
            sender.resume()

    def _kill(self, end):
        session = self.sessions[-1]
        self.router.kill()
        session.ended, session.how, session.log = time.time(), end.how, self.router.text()
        session.status = self.router.process.returncode
        if end.cut_bytes:
            session.damaged = self._damage(end)

    def _damage(self, end):
        """Cuts the end of the newest segment off, or flips one of its last bytes; the file, if there is any."""
        segments = sorted(
            (path for path in self.places["storage"].rglob("*.log") if path.stat().st_size),
            key=lambda path: path.stat().st_mtime_ns,
        )
        if not segments:
            return None
        path = segments[-1]
        content = bytearray(path.read_bytes())
        from_end = min(end.cut_bytes, len(content))
        if end.flips:
            content[-from_end] ^= 1 << self.dice.randrange(8)
        else:
            del content[-from_end:]
        path.write_bytes(content)
        return path

    def _term(self, twice):
        session = self.sessions[-1]
        session.ambiguous = self.router.total("firelane_output_ambiguous_records_total")
        session.asked = time.time()
        seconds = self.scenario.grace + STOP_SLACK_SECONDS
        stop = self._pause_later()
        session.status, session.stop_seconds = self.router.stop(seconds, SECOND_SIGNAL_SECONDS if twice else None)
        session.ended, session.how = time.time(), "term_twice" if twice else "term"
        session.closing, session.log = self.router.closing(), self.router.text()
        stop.join()

    def _pause_later(self):
        """Senders go on for a moment after the signal, and stop then: what comes after the end nobody would read."""

        def pause():
            time.sleep(AFTER_TERM_SECONDS)
            for sender in self.senders:
                sender.pause()

        thread = threading.Thread(target=pause, daemon=True)
        thread.start()
        return thread

    def _drain(self):
        """Waits until all is done, or nothing moves any more."""
        deadline, moved, events = time.monotonic() + DRAIN_SECONDS_MAX, time.monotonic(), -1
        while not self._is_drained():
            now, arrived = time.monotonic(), self.endpoint.account()["events"]
            if arrived != events:
                moved, events = now, arrived
            if now > deadline or now > moved + STUCK_SECONDS:
                return False
            time.sleep(0.05)
        return True

    def _is_drained(self):
        """Everybody has their acks, the router holds nothing, and all that must arrive has."""
        if not all(sender.is_finished.is_set() for sender in self.senders):
            return False
        held = self.router.total("firelane_held_records")
        if held != 0:
            return False
        before = self.endpoint.account()
        if not all(self._has_arrived(sender, before) for sender in self.senders):
            return False
        time.sleep(SETTLED_SECONDS)
        return self.endpoint.account()["events"] == before["events"]

    def _has_arrived(self, sender, account):
        counts = account["sequences"].get(sender.plan.name, {"received": 0, "duplicates": 0})
        must = sum(not sender.plan.is_ancient(number) for number in must_arrive(self.scenario, sender, True))
        return counts["received"] - counts["duplicates"] >= must


def must_arrive(scenario, sender, is_waiting=False):
    """The numbers that must arrive, by the promises: what was acknowledged; without acks what was written, unless the
    router was killed. Where the disk is full before a stop, only an ack of an input that stores says more than that a
    record was read. Who waits for it does not wait for what the run cut off the store."""
    is_durable = scenario.durable[sender.plan.transport == "tcp"]
    if sender.plan.has_acks and (is_durable or not scenario.has_small_disk):
        return set() if scenario.cut_bytes and is_waiting else sender.acked
    if scenario.is_killed or scenario.has_small_disk:
        return set()
    return {one for made in sender.connections for chunk in made.chunks for one in range(chunk.first, chunk.after)}
