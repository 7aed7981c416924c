#!/usr/bin/env python3
"""The rows on loss and order of the comparison with others: what arrives, once and in order, and who is held up.

    benches/loss/run.py FIRELANE [--fluent-bit PATH] [--only ROW]

Each row starts the router with what the ECS agent generates and the strict local endpoint (TLS), lets peers write numbered
lines as Docker's driver does, and compares what they printed with what the endpoint took. Prints a table for
benches/README.md; exits with 1 if Firelane lost something, if something arrived out of order, or twice where the router
did not count it as ambiguous. With `--fluent-bit` the same rows are run with Fluent Bit, too. Python 3 alone is needed.
"""

import argparse
import os
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

sys.dont_write_bytecode = True
sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[2] / "tests")]

from load import Driver, Peers, Steady  # noqa: E402
from whole.process import Endpoint, Router, free_port  # noqa: E402

# Faults are over by then.
DRAIN_SECONDS_MAX = 90
STUCK_SECONDS = 25
GRACE_SECONDS = 20
STOP_SECONDS_MAX = 40
HELD_UP_MS_MAX = 50
BURSTS = 5
CONFIGURATION = """\
[SERVICE]
    Flush        1
    Grace        {grace}
    HTTP_Server  On
    HTTP_Listen  127.0.0.1
    HTTP_Port    {admin}
    storage.path {storage}
[INPUT]
    Name          forward
    Mem_Buf_Limit 25MB
    unix_path     {unix}
[INPUT]
    Name   forward
    Listen 127.0.0.1
    Port   {tcp}
[FILTER]
    Name   record_modifier
    Match  *
    Record ecs_cluster orders
    Record ecs_task_arn arn:aws:ecs:us-east-1:123456789012:task/orders/0123456789abcdef0123456789abcdef
    Record ecs_task_definition checkout:7
[OUTPUT]
    Name              cloudwatch_logs
    Match             *
    region            us-east-1
    endpoint          localhost
    port              {endpoint}
    tls.ca_file       {ca}
    log_group_name    loss
    log_stream_name   all
    auto_create_group true
{output}"""


@dataclass(frozen=True)
class Row:
    """A row of the table."""

    name: str
    # What Fluent Bit 5.1.1 and Vector 0.58 did, measured side by side.
    fluent_bit: str
    vector: str
    # From places to peers.
    peers: object
    # What happens to the endpoint once the peers write: a function of it, in a thread of its own.
    fault: object = None
    output: str = ""
    # SIGTERM so many seconds after the beginning, not when all has arrived.
    stop_at: float | None = None
    rounds: int = 1
    # Whether a peer may not be held up: there is room on disk.
    has_room: bool = False


@dataclass
class Result:
    """What came of a row."""

    printed: int = 0
    arrived: int = 0
    doubled: int = 0
    inverted: int = 0
    ambiguous: int = 0
    held_up_ms: float = 0.0
    stop_seconds: float = 0.0
    resets: list = field(default_factory=list)
    problems: list = field(default_factory=list)

    def add(self, told, counts):
        """The peers' words and the endpoint's counts, by name."""
        for peer in told:
            count = counts.get(peer.name, {"received": 0, "duplicates": 0, "inversions": 0})
            self.printed += peer.printed
            self.arrived += count["received"] - count["duplicates"]
            self.doubled += count["duplicates"]
            self.inverted += count["inversions"]
            self.held_up_ms = max(self.held_up_ms, peer.longest_write_ms)
            self.resets += [peer.reset] if peer.reset else []

    def judge(self, has_room):
        lost = self.printed - self.arrived
        self.problems += [f"{lost} lost"] if lost else []
        self.problems += [f"{self.inverted} out of order"] if self.inverted else []
        if self.doubled > self.ambiguous:
            self.problems.append(f"{self.doubled} twice, {self.ambiguous} ambiguous")
        self.problems += [f"cut off: {self.resets[0]}"] if self.resets else []
        if has_room and self.held_up_ms > HELD_UP_MS_MAX:
            self.problems.append(f"held up for {self.held_up_ms:.0f} ms")

    def cells(self):
        def share(number):
            return f"{number / max(1, self.printed):.2%}" if number else "0"

        return [
            f"{self.printed:,}", share(self.printed - self.arrived), share(self.doubled), share(self.inverted),
            f"{self.held_up_ms:.0f}", f"{self.stop_seconds:.1f}",
        ]


def steady(name="p0", transport="tcp", line_bytes=200, records=200_000, records_per_s=20_000, lingers_seconds=0.0):
    return lambda places: [Steady(name, places[transport], line_bytes, records, records_per_s, lingers_seconds)]


def heavy(places):
    """50 MB/s over four connections, for 10 s."""
    return [Steady(f"p{number}", places["tcp"], 1_000, 108_000, 10_800, 0.5) for number in range(4)]


def rules(*then):
    """A fault: rules, each with the seconds to wait before it."""

    def run(endpoint):
        for seconds, *plan in then:
            time.sleep(seconds)
            endpoint.faults(*plan)

    return run


ROWS = [
    Row("events out of order, as fast as they are read", "25–60 %", "0", steady(records=500_000, records_per_s=0),
        rules((0, {"fault": "slow", "delay_ms": 20}))),
    Row("a container prints 30,000 lines in half a second and exits", "6–48 % lost", "74–84 % lost",
        lambda places: [Driver("p0", places["unix"], 110, 30_000, 0.5)], rounds=BURSTS),
    Row("full speed over the unix socket, `Mem_Buf_Limit 25MB`", "closes the connection, loses what was in flight", "–",
        steady(transport="unix", records=500_000, records_per_s=0)),
    Row("endpoint takes 2 requests/s for 15 s, 20,000 events/s for 10 s, `retry_limit 2`", "57 % lost, 17 % doubled",
        "none lost, held up 4 s", steady(), rules((0, {"fault": "throttle", "above_per_s": 2}), (15,)), "    retry_limit 2\n", has_room=True),
    Row("endpoint answers 503 for 20 s", "none lost, most out of order", "none lost, held up 13 s",
        steady(records=110_000, records_per_s=5_000), rules((1, {"fault": "service_unavailable", "for_ms": 20_000})), has_room=True),
    Row("one request that never answers, then SIGTERM", "3.6 % lost, does not stop", "",
        steady(records=50_000, records_per_s=5_000), rules((2, {"fault": "never_answer", "next": 1})), stop_at=10.2),
    Row("connection breaks after the events were taken (10 %)", "13 % doubled", "",
        steady(records=50_000, records_per_s=5_000), rules((0, {"fault": "reset_after", "probability": 0.1}))),
    Row("SIGTERM during load", "resets the senders in under 1 s", "reads on until the sender is done (5 s), none lost",
        steady(records=100_000, records_per_s=20_000), stop_at=3),
    Row("50 MB/s for 10 s, dead endpoint", "", "", heavy, lambda endpoint: endpoint.away(12), has_room=True),
]


class Table:
    """Runs rows with a router and prints them."""

    def __init__(self, firelane, router, is_ours):
        self.firelane = firelane
        self.router = router
        self.is_ours = is_ours

    def row(self, row):
        result = Result()
        for _ in range(row.rounds):
            with tempfile.TemporaryDirectory(prefix="fl-loss-", dir="/var/tmp") as folder:
                self._round(row, Path(folder), result)
        result.judge(row.has_room)
        verdict = "ok" if not result.problems else "; ".join(result.problems)
        cells = [row.name, *result.cells(), verdict, row.fluent_bit, row.vector]
        print("| " + " | ".join(cells) + " |", flush=True)
        return bool(result.problems)

    def _round(self, row, folder, result):
        endpoint = Endpoint(self.firelane, folder, keep_bytes=0, tls=True)
        places = {"unix": str(folder / "in.sock"), "tcp": ("127.0.0.1", free_port()), "admin": free_port()}
        configuration = CONFIGURATION.format(
            grace=GRACE_SECONDS, admin=places["admin"], storage=folder / "storage", unix=places["unix"], tcp=places["tcp"][1],
            endpoint=endpoint.port, ca=endpoint.ca_file, output=row.output,
        )
        router = Router(self.router, folder, configuration, inputs=2)
        try:
            peers = Peers(*row.peers(places)).go()
            fault = threading.Thread(target=row.fault or (lambda _: None), args=(endpoint,), daemon=True)
            fault.start()
            if row.stop_at is not None:
                time.sleep(row.stop_at)
                _, result.stop_seconds = router.stop(STOP_SECONDS_MAX)
                told = peers.all(60)
            else:
                told = peers.all(120)
                fault.join()
                self._drain(router, endpoint, sum(peer.printed for peer in told))
                result.ambiguous += router.total("firelane_output_ambiguous_records_total") or 0
                _, seconds = router.stop(STOP_SECONDS_MAX)
                result.stop_seconds = max(result.stop_seconds, seconds)
            account = self._account(endpoint)
            result.add(told, account["sequences"])
            if self.is_ours:
                line = router.closing()
                came = line.get("received", 0) + line.get("replayed", 0)
                if line.get("left", 1) or came < sum(peer.written for peer in told):
                    result.problems.append(f"closing line: {line}")
        finally:
            router.kill()
            endpoint.kill()

    def _account(self, endpoint):
        """The account, also of an endpoint that has just been away."""
        for _ in range(100):
            try:
                return endpoint.account()
            except OSError:
                time.sleep(0.2)
        return endpoint.account()

    def _drain(self, router, endpoint, printed):
        """Waits until all has arrived, or nothing comes any more; Firelane says when it holds nothing."""
        began = moved = time.monotonic()
        before = -1
        while time.monotonic() < min(began + DRAIN_SECONDS_MAX, moved + STUCK_SECONDS):
            counts = self._account(endpoint)["sequences"].values()
            arrived = sum(one["received"] - one["duplicates"] for one in counts)
            if arrived >= printed or (arrived == before and router.total("firelane_held_records") == 0):
                return
            if arrived != before:
                before, moved = arrived, time.monotonic()
            time.sleep(0.2)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("firelane")
    parser.add_argument("--fluent-bit", help="run the rows with this Fluent Bit, too")
    parser.add_argument("--only", help="rows with this text in their name")
    options = parser.parse_args()
    firelane = os.path.abspath(options.firelane)
    tables = [Table(firelane, firelane, True)]
    if options.fluent_bit:
        tables.append(Table(firelane, os.path.abspath(options.fluent_bit), False))
    failed = 0
    for table in tables:
        print(f"\n| {'Firelane' if table.is_ours else 'Fluent Bit'} | events | lost | doubled | out of order | longest write, ms | stop, s | | Fluent Bit 5.1.1 | Vector 0.58 |")
        print("|---|---:|---:|---:|---:|---:|---:|---|---|---|")
        for row in ROWS:
            if not options.only or options.only in row.name:
                failed += table.row(row) and table.is_ours
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
