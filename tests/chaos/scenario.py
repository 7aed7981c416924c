"""What happens in a run, drawn from its seed: senders, options, faults of the endpoint, and ends of the router."""

import random
from dataclasses import dataclass

from sender import Plan

LOAD_SECONDS = (1.8, 2.8)
SENDERS_MAX = 6
RATES = (20, 100, 400, 1_000)
FLOOD_RATES = (2_500, 5_000)
# A router that stops takes who is silent for a second for done.
SILENT_SECONDS_MAX = 0.4
# Of the store on disk, where it is to fill up.
SMALL_DISK_BYTES = 2_000_000
# A stop with a deadline that is often too short for what is held.
GRACE_SECONDS = (2, 3, 5)
ENDS = ("term", "term_twice", "kill", "kill_cut")
CONFIGURATION = """\
[SERVICE]
    Flush        {flush}
    Grace        {grace}
    HTTP_Server  On
    HTTP_Listen  127.0.0.1
    HTTP_Port    {admin}
    storage.path {storage}
[INPUT]
    Name          forward
    unix_path     {unix}
    Mem_Buf_Limit {memory}
{unix_storage}[INPUT]
    Name          forward
    Listen        127.0.0.1
    Port          {tcp}
    Mem_Buf_Limit {memory}
{tcp_storage}[OUTPUT]
    Name              cloudwatch_logs
    Match             *
    region            us-east-1
    endpoint          {endpoint}
    log_group_name    chaos
    log_stream_prefix of-
    log_key           log
    auto_create_group on
    Retry_Limit       no_limits
{limit}"""


@dataclass(frozen=True)
class Fault:
    """At `at` seconds of the load, `rules` are in force; or for `away` seconds nobody listens."""

    at: float
    name: str
    rules: tuple = ()
    away: float = 0.0


@dataclass(frozen=True)
class End:
    """At `at` seconds of the load the router ends and is started again after `down` seconds."""

    at: float
    how: str
    down: float
    # Of `kill_cut`: bytes at the end of the newest segment that are cut off, or one byte of them flipped.
    cut_bytes: int = 0
    flips: bool = False


@dataclass(frozen=True)
class Scenario:
    """A run."""

    seed: int
    senders: tuple
    faults: tuple
    ends: tuple
    load_seconds: float
    flush: float
    grace: int
    memory: str
    has_small_disk: bool
    # Of the inputs: unix, tcp.
    durable: tuple
    # The router is stopped and started once more after the load, whatever is in flight.
    restarts_at_end: bool

    @property
    def is_killed(self):
        return any(end.how.startswith("kill") for end in self.ends)

    @property
    def cut_bytes(self):
        return sum(end.cut_bytes for end in self.ends)

    def configuration(self, places):
        """The router's, with ports and paths."""
        durable = ["    storage.type  filesystem\n" if is_durable else "" for is_durable in self.durable]
        limit = f"    storage.total_limit_size {SMALL_DISK_BYTES}\n" if self.has_small_disk else ""
        return CONFIGURATION.format(
            flush=self.flush, grace=self.grace, memory=self.memory, limit=limit,
            unix_storage=durable[0], tcp_storage=durable[1], **places,
        )

    def __str__(self):
        parts = [" ".join(map(str, self.senders))]
        parts.append("faults " + (" ".join(fault.name for fault in self.faults) or "none"))
        parts.append("ends " + (" ".join(f"{end.how}@{end.at:.1f}" for end in self.ends) or "none"))
        parts.append(f"memory {self.memory}" + (", small disk" if self.has_small_disk else ""))
        return "; ".join(parts)


def draw(seed):
    """The scenario of a seed."""
    dice = random.Random(seed)
    load_seconds = round(dice.uniform(*LOAD_SECONDS), 2)
    ends = draw_ends(dice, load_seconds)
    is_killed = any(end.how.startswith("kill") for end in ends)
    senders = draw_senders(dice, is_killed)
    faults = draw_faults(dice, load_seconds)
    return Scenario(
        seed=seed,
        senders=senders,
        faults=faults,
        ends=ends,
        load_seconds=load_seconds,
        flush=dice.choice((0.05, 0.2, 1)),
        grace=dice.choice(GRACE_SECONDS),
        memory=dice.choice(("1MB", "5MB", "25MB")),
        has_small_disk=dice.random() < 0.2,
        durable=(True, True) if is_killed else (dice.random() < 0.6, dice.random() < 0.6),
        # A request without an answer would hold its stream up for longer than a run lasts.
        restarts_at_end=dice.random() < 0.3 or any(fault.name in ("hang", "taken_hang") for fault in faults),
    )


def draw_ends(dice, load_seconds):
    count = dice.choices((0, 1, 2), weights=(20, 60, 20))[0]
    times = sorted(dice.uniform(0.5, load_seconds - 0.2) for _ in range(count))
    if count == 2 and times[1] - times[0] < 0.5:
        times = times[:1]
    ends = []
    for at in times:
        how = dice.choices(ENDS, weights=(35, 15, 35, 15))[0]
        cut = dice.randrange(1, 2_000) if how == "kill_cut" else 0
        ends.append(End(at, how, dice.uniform(0, 0.3), cut, flips=dice.random() < 0.4))
    return tuple(ends)


def draw_senders(dice, is_killed):
    count = dice.randint(1, SENDERS_MAX)
    flooder = dice.randrange(count)
    senders = []
    for position in range(count):
        name = f"s{position}"
        mode = dice.choices(("message", "forward", "packed"), weights=(60, 20, 20))[0]
        # What is killed promises nothing to those that ask for no ack.
        has_acks = dice.random() < (0.8 if is_killed else 0.4)
        # Now and then two share a stream.
        shares = position > 0 and dice.random() < 0.2
        records_per_s = dice.choice(FLOOD_RATES if position == flooder else RATES)
        entries = 1 if mode == "message" else dice.choice((1, 10, 50))
        senders.append(
            Plan(
                name=name,
                tag=senders[-1].tag if shares else f"app-{name}",
                transport=senders[-1].transport if shares else dice.choice(("unix", "tcp")),
                mode=mode,
                entries=min(entries, max(1, int(records_per_s * SILENT_SECONDS_MAX))),
                has_acks=has_acks,
                records_per_s=records_per_s,
                line_bytes=dice.choice((80, 200, 1_000)),
                ancient_every=dice.choice((0, 0, 0, 0, 97)),
            )
        )
    return tuple(senders)


def draw_faults(dice, load_seconds):
    faults, at = [], dice.uniform(0, 0.6)
    while at < load_seconds:
        fault = draw_fault(dice, at)
        faults.append(fault)
        at += fault.away + dice.uniform(0.2, 1.0)
    return tuple(faults)


def draw_fault(dice, at):
    """One, which ends with the next or with the load."""
    some = dice.choice((0.1, 0.3, 0.6))
    next_few = dice.randint(1, 4)
    for_ms = dice.randint(200, 1_200)
    shapes = {
        "none": (),
        "throttle": ({"fault": "throttle", "above_per_s": dice.choice((2, 5, 20))},),
        "throttle_all": ({"fault": "throttle", "for_ms": for_ms},),
        "503": ({"fault": "service_unavailable", "for_ms": for_ms},),
        "500": ({"fault": "internal_failure", "probability": some},),
        "break_before": ({"fault": "reset_before", "probability": some},),
        "break_after": ({"fault": "reset_after", "probability": some},),
        "break_after_few": ({"fault": "reset_after", "next": next_few},),
        "slow": ({"fault": "slow", "delay_ms": dice.choice((50, 300, 1_000))},),
        "slow_and_break": ({"fault": "slow", "delay_ms": 100}, {"fault": "reset_after", "probability": some}),
        "hang": ({"fault": "never_answer", "next": 1},),
        "taken_hang": ({"fault": "never_answer_after", "next": 1},),
        "no_token": ({"fault": "expired_token", "next": next_few},),
        "denied": ({"fault": "access_denied", "next": next_few},),
        "stream_gone": ({"fault": "stream_vanishes", "next": 1},),
        "group_gone": ({"fault": "group_vanishes", "next": 1},),
        "creation_throttled": ({"fault": "throttle", "operations": ["CreateLogStream"], "next": next_few},),
        "away": (),
    }
    name = dice.choice(tuple(shapes))
    away = round(dice.uniform(0.2, 1.0), 2) if name == "away" else 0.0
    return Fault(round(at, 2), name, shapes[name], away)
