#!/usr/bin/env python3
"""How much memory the router takes in a container that is small, whatever arrives and whatever the endpoint does.

    benches/memory/run.py FIRELANE [--limits 32,64,128] [--seconds N] [--only SCENARIO]

The router runs under a limit of its own (cgroup v2 or v1, which needs root; else RLIMIT_DATA), the load and the endpoint
outside of it. Prints a table for benches/README.md and exits with 1 if the router was killed or ended, if its resident size went
over the number that it printed at start (`memory: at most ..`), its anonymous memory over the limit, or if a sender was
cut off. The peak of the cgroup has the page cache in it, which the kernel takes back before it kills.
Python 3 alone is needed, and `unshare` (util-linux) for the scenarios without a writable disk.
"""

import argparse
import gzip
import multiprocessing
import os
import re
import resource
import socket
import sys
import tempfile
import time
import zlib
from pathlib import Path

sys.dont_write_bytecode = True
sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[2] / "tests")]

import limit  # noqa: E402
from whole.forward import Frames, event_time, text  # noqa: E402
from whole.process import Endpoint, Router, free_port  # noqa: E402

MIB = 1 << 20
SAMPLE_SECONDS = 0.05
LINE_BYTES = 200
FLOODERS = 4
STREAMS = 100_000
IDLE = 10_000
HALF_SENT = 2_000
HALF_FRAME_BYTES = 100_000
BOMB_BYTES = 512 * MIB
BOMBERS = 4
# Of a router that has nothing to do any more, or cannot.
STOP_SECONDS_MAX = 15
FILES_MAX = 20_000
# What is dead or slow holds nobody up for ever.
SEND_SECONDS_MAX = 120
AT_MOST = re.compile(r"memory: at most ([\d.,_]+)\s*([kKMG]i?B|bytes|B)?")
UNITS = {"": 1, "B": 1, "bytes": 1, "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 1 << 10, "MiB": MIB, "GiB": 1 << 30}
READ_ONLY = ("unshare", "-m", "--propagation", "private", "sh", "-c", 'mount --bind / / && mount -o remount,bind,ro / && exec "$@"', "sh")
CONFIGURATION = """\
[SERVICE]
    Flush        1
    Grace        5
    HTTP_Server  On
    HTTP_Listen  127.0.0.1
    HTTP_Port    {admin}
{service}[INPUT]
    Name            forward
    Listen          127.0.0.1
    Port            {tcp}
    connections_max 20000
[INPUT]
    Name   http
    Listen 127.0.0.1
    Port   {http}
[OUTPUT]
    Name              cloudwatch_logs
    Match             *
    region            us-east-1
    endpoint          http://127.0.0.1:{endpoint}
    log_group_name    memory
    log_stream_prefix of-
    auto_create_group on
    Retry_Limit       no_limits
{output}"""


class Tally:
    """What the senders of a scenario saw, in memory that their processes share."""

    def __init__(self):
        self.written_bytes = multiprocessing.Value("Q", 0)
        self.resets = multiprocessing.Value("Q", 0)
        self.answers = multiprocessing.Value("Q", 0)

    def add(self, name, number=1):
        value = getattr(self, name)
        with value.get_lock():
            value.value += number


def connect(port):
    return socket.create_connection(("127.0.0.1", port), timeout=SEND_SECONDS_MAX)


def send(connection, data, end, tally):
    """Writes until it is done, the time is up, or the peer resets; whether to go on."""
    rest = memoryview(data)
    while rest:
        left = end - time.monotonic()
        if left <= 0:
            return False
        connection.settimeout(left)
        try:
            written = connection.send(rest)
        except TimeoutError:
            return False
        except OSError:
            tally.add("resets")
            return False
        tally.add("written_bytes", written)
        rest = rest[written:]
    return True


def flood(port, end, tally, blob):
    """The same frames again and again, as fast as they are read."""
    connection = connect(port)
    while time.monotonic() < end and send(connection, blob, end, tally):
        pass
    # Open until the end: what was cut off shows.
    time.sleep(max(0, end - time.monotonic()))


def frames_blob(line_bytes, count):
    frames = Frames("app-flood", "flood", line_bytes)
    now = time.time_ns()
    return b"".join(frames.message(number, now) for number in range(count))


def streams_blob(is_by_field):
    """A record for each of 100,000 streams, named by their tags or by a field."""
    now, name = time.time_ns(), "app-{:06}"
    if not is_by_field:
        return b"".join(Frames(name.format(n), f"c{n}", LINE_BYTES).message(0, now) for n in range(STREAMS))
    fields = ((("stream", name.format(n)),) for n in range(STREAMS))
    return b"".join(Frames("app", "c", LINE_BYTES, field).message(n, now) for n, field in enumerate(fields))


def flooders(port, blob):
    return [(flood, port, blob)] * FLOODERS


def hold(port, end, tally, count, data):
    """Connections that say `data` and no more."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES_MAX, FILES_MAX))
    held = []
    for _ in range(count):
        try:
            connection = connect(port)
            held.append(connection)
        except OSError:
            tally.add("resets")
            continue
        if data and not send(connection, data, time.monotonic() + 0.05, tally):
            continue
    time.sleep(max(0, end - time.monotonic()))
    for connection in held:
        connection.setblocking(False)
        try:
            tally.add("resets", connection.recv(1) == b"")
        except BlockingIOError:
            pass
        except OSError:
            tally.add("resets")


def half_frame():
    """The first half of a frame that is well begun."""
    entries = b"x" * HALF_FRAME_BYTES
    head = b"\x93" + text("half") + b"\xc6" + len(entries).to_bytes(4, "big")
    return head + entries[: HALF_FRAME_BYTES // 2]


def bomb_bytes():
    """A gzip stream of one entry with a text of zeros, far larger inflated than any limit here."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    head = b"\x92" + event_time(time.time_ns()) + b"\x81" + text("log") + b"\xdb" + BOMB_BYTES.to_bytes(4, "big")
    pieces = [packer.compress(head)]
    pieces += [packer.compress(bytes(MIB)) for _ in range(BOMB_BYTES // MIB)]
    return b"".join(pieces) + packer.flush()


def bomb_forward(port, end, tally, frame):
    while time.monotonic() < end:
        try:
            with connect(port) as connection:
                connection.settimeout(5)
                connection.sendall(frame)
                connection.shutdown(socket.SHUT_WR)
                connection.recv(1)
                tally.add("answers")
        except OSError:
            tally.add("answers")


def bomb_http(port, end, tally, body):
    head = f"POST /bomb HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n"
    bomb_forward(port, end, tally, head.encode() + body)


class Scenario:
    """A load: its name, what the endpoint is like, and the senders."""

    def __init__(self, name, load, endpoint="healthy", disk=True, cuts=False, output="", seconds=1.0):
        self.name = name
        # From places to what each sender does, at which port, and further arguments.
        self.load = load
        self.endpoint = endpoint
        self.disk = disk
        # Peers that break the protocol may be cut off.
        self.cuts = cuts
        self.output = output
        # How many times longer than others.
        self.seconds = seconds


def bombs(places):
    bomb = bomb_bytes()
    frame = Frames("bomb", "bomb", 80).inflating(bomb)
    zeros = gzip.compress(b"[" + b" " * (64 * MIB) + b"]", 9)
    return [(bomb_forward, places["tcp"], frame)] * BOMBERS + [(bomb_http, places["http"], zeros)] * BOMBERS


def scenarios():
    small, large = frames_blob(LINE_BYTES, 5_000), frames_blob(MIB - 1_000, 8)
    by_field = "    log_stream_template $stream\n"
    workers = 4

    def held(count, data):
        return lambda places: [(hold, places["tcp"], count // workers, data)] * workers

    def half_sent(places):
        return held(HALF_SENT, half_frame())(places) + [(flood, places["tcp"], small)]

    def flooded(blob):
        return lambda places: flooders(places["tcp"], blob)

    def streams(is_by_field):
        return lambda places: [(flood, places["tcp"], streams_blob(is_by_field))]

    return [
        Scenario("flood, dead endpoint", flooded(small), "dead"),
        Scenario("flood, dead endpoint, no disk", flooded(small), "dead", disk=False),
        Scenario("flood, slow endpoint", flooded(small), "slow"),
        Scenario("flood", flooded(small)),
        Scenario("100,000 streams by tag", streams(False), seconds=3),
        Scenario("100,000 streams by field", streams(True), output=by_field, seconds=3),
        Scenario("1 MB records", flooded(large)),
        Scenario("1 MB records, dead endpoint, no disk", flooded(large), "dead", disk=False),
        Scenario("10,000 idle connections", held(IDLE, b"")),
        Scenario("2,000 half-sent frames and a flood", half_sent, cuts=True),
        Scenario("gzip bombs", bombs, cuts=True),
    ]


def printed_bytes(log):
    """The worst case that the router printed at start, if it did."""
    found = AT_MOST.search(log)
    return int(float(found[1].replace(",", "").replace("_", "")) * UNITS[found[2] or ""]) if found else None


def watch(router, end, peaks):
    """Samples until `end` or until the router is gone."""
    while time.monotonic() < end and router.is_running():
        for name, kib in router.memory_kib().items():
            peaks[name] = max(peaks.get(name, 0), kib * 1024)
        time.sleep(SAMPLE_SECONDS)


class Run:
    """A scenario under a limit, and what came of it."""

    def __init__(self, options, made, scenario, limit_mib):
        self.scenario, self.limit_mib = scenario, limit_mib
        self.tally, self.peaks = Tally(), {}
        with tempfile.TemporaryDirectory(prefix="firelane-memory-", dir=options.folder) as folder, made(limit_mib * MIB) as bounds:
            self._run(options, Path(folder), bounds)
            self.cgroup_peak, self.kills = bounds.peak_bytes(), bounds.kills()

    def _run(self, options, folder, bounds):
        endpoint = Endpoint(options.firelane, folder, keep_bytes=0)
        places = {"admin": free_port(), "tcp": free_port(), "http": free_port(), "endpoint": endpoint.port}
        if self.scenario.endpoint == "dead":
            places["endpoint"] = free_port()
        elif self.scenario.endpoint == "slow":
            endpoint.faults({"fault": "slow", "delay_ms": 2_000})
        storage = f"    storage.path {folder}/storage\n" if self.scenario.disk else ""
        configuration = CONFIGURATION.format(service=storage, output=self.scenario.output, **places)

        def before():
            resource.setrlimit(resource.RLIMIT_NOFILE, (FILES_MAX, FILES_MAX))
            bounds.join()

        router = Router(
            options.firelane, folder, configuration, inputs=2, before=before,
            wrapper=() if self.scenario.disk else READ_ONLY,
        )
        try:
            self.idle = router.memory_kib().get("VmRSS", 0) * 1024
            load = self.scenario.load(places)
            end = time.monotonic() + options.seconds * self.scenario.seconds
            senders = [
                multiprocessing.Process(target=sends, args=(port, end, self.tally, *arguments), daemon=True)
                for sends, port, *arguments in load
            ]
            for sender in senders:
                sender.start()
            watch(router, end + 1, self.peaks)
            self.survived = router.is_running()
            for sender in senders:
                sender.join(5)
                sender.kill()
            self.arrived = endpoint.account()["events"]
            self.stop_seconds = router.stop(STOP_SECONDS_MAX)[1] if self.survived else 0
            self.printed = printed_bytes(router.text())
            self.log = router.text()
        finally:
            router.kill()
            endpoint.kill()

    def problems(self):
        """Why this run fails."""
        peak = self.peaks.get("VmHWM", 0)
        found = []
        if self.kills or not self.survived:
            found.append(f"ended, {self.kills} kills for memory")
        if self.peaks.get("RssAnon", 0) > self.limit_mib * MIB:
            found.append("over the limit")
        if self.printed and peak > self.printed:
            found.append("over the printed number")
        if self.tally.resets.value and not self.scenario.cuts:
            found.append(f"{self.tally.resets.value} senders cut off")
        return found

    def cell(self):
        """The run in a table of few words."""
        peaks = f"{megabytes(self.peaks.get('VmHWM'))}, {megabytes(self.peaks.get('RssAnon'))}"
        printed = f"; {megabytes(self.printed)}" if self.printed else ""
        return f"**killed** at {peaks}{printed}" if self.kills or not self.survived else peaks + printed

    def row(self):
        cells = [
            self.scenario.name,
            self.limit_mib,
            megabytes(self.printed),
            megabytes(self.peaks.get("VmHWM")),
            megabytes(self.peaks.get("RssAnon")),
            megabytes(self.cgroup_peak),
            self.kills,
            self.tally.resets.value,
            f"{self.tally.written_bytes.value / MIB:,.0f}",
            f"{self.arrived:,}",
            "FAIL: " + ", ".join(self.problems()) if self.problems() else "ok",
        ]
        return "| " + " | ".join(str(cell) for cell in cells) + " |"


def megabytes(size):
    return "" if size is None else f"{size / MIB:.1f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("firelane")
    parser.add_argument("--limits", default="32,64,128", help="MiB [32,64,128]")
    parser.add_argument("--seconds", type=float, default=8, help="of load, three times that for many streams [8]")
    parser.add_argument("--only", help="scenarios with this text in their name")
    parser.add_argument("--folder", default="/var/tmp", help="for the store; not in memory [/var/tmp]")
    parser.add_argument("--logs", help="where to keep the logs of runs that fail")
    options = parser.parse_args()
    options.firelane = os.path.abspath(options.firelane)
    name, made = limit.find()
    print(f"limited by {name}; {options.seconds:g} s of load; sizes in MiB")
    print("\n| | limit | printed | peak resident | peak anonymous | peak of the cgroup | kills | cut off | MiB sent | arrived | |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---|")
    limits = [int(one) for one in options.limits.split(",")]
    failed, short = 0, []
    for scenario in scenarios():
        if options.only and options.only not in scenario.name:
            continue
        runs = [run_one(options, made, scenario, limit_mib) for limit_mib in limits]
        failed += sum(run is None or bool(run.problems()) for run in runs)
        short.append(f"| {scenario.name} | " + " | ".join("does not start" if run is None else run.cell() for run in runs) + " |")
    print("\n| peak resident, of it anonymous; printed | " + " | ".join(f"{one} MiB" for one in limits) + " |")
    print("|---" + "|---" * len(limits) + "|")
    print("\n".join(short))
    return 1 if failed else 0


def run_one(options, made, scenario, limit_mib):
    """Prints the row of a run; gives it back, or none if the router did not start."""
    try:
        run = Run(options, made, scenario, limit_mib)
    except RuntimeError as error:
        print(f"| {scenario.name} | {limit_mib} | FAIL: {str(error).strip()[-300:]} |", flush=True)
        return None
    print(run.row(), flush=True)
    if run.problems() and options.logs:
        name = re.sub(r"\W+", "-", scenario.name)
        Path(options.logs, f"{name}-{limit_mib}.log").write_text(run.log)
    return run


if __name__ == "__main__":
    sys.exit(main())
