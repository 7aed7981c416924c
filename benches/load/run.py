"""What disturbs others and what does not: held and slow HTTP connections, a destination that is dead, idle files.

    benches/load/run.py FIRELANE [--seconds N]

Starts the router on free ports of 127.0.0.1 and prints a table for benches/README.md. Python 3 alone is needed.
Latencies are those of one steady client, which shares the machine with those that disturb it and with this
script: compare the rows with each other.
"""

import argparse
import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

from whole.process import free_port  # noqa: E402

HELD = 200
SLOW = 50
BROKEN_A_SECOND = 20
STEADY_A_SECOND = 50
RECORDS_A_REQUEST = 10
LINES_A_SECOND = 2_000
FILES = 1_000
BODY = json.dumps([{"log": "x" * 200, "n": n} for n in range(RECORDS_A_REQUEST)]).encode()
INPUT = """\
[SERVICE]
    Flush 1
    Grace 5
[INPUT]
    Name   http
    Listen 127.0.0.1
    Port   {port}
    Mem_Buf_Limit 25MB
"""


class Router:
    """The router with a configuration, for the time of a `with`."""

    def __init__(self, firelane, configuration, port):
        self.folder = tempfile.TemporaryDirectory(prefix="firelane-load-")
        path = Path(self.folder.name) / "fluent-bit.conf"
        path.write_text(configuration)
        self.log = open(Path(self.folder.name) / "log", "w+", encoding="utf-8")
        self.process = subprocess.Popen([firelane, "-c", path], stdout=self.log, stderr=self.log)
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit(f"the router does not start: {self.text()}") from None
                time.sleep(0.02)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.folder.cleanup()

    def text(self):
        self.log.flush()
        return Path(self.log.name).read_text()

    def resident_megabytes(self):
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024


def request(body, port):
    head = f"POST /load HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def answer(reader):
    head = await reader.readuntil(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    await reader.readexactly(length)
    return int(head.split(b" ")[1])


async def steady(port, seconds, latencies):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    end = time.monotonic() + seconds
    due = time.monotonic()
    while time.monotonic() < end:
        began = time.monotonic()
        writer.write(request(BODY, port))
        status = await answer(reader)
        latencies.append((time.monotonic() - began, status))
        due += 1 / STEADY_A_SECOND
        await asyncio.sleep(max(0, due - time.monotonic()))
    writer.close()


async def held(port, seconds, counts):
    """A connection that is open all the time and says something every five seconds."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        writer.write(request(b'{"log":"held"}', port))
        status = await answer(reader)
        counts[status] = counts.get(status, 0) + 1
        await asyncio.sleep(5)
    writer.close()


async def slow(port, seconds, counts):
    """A sender of one byte a second."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            for byte in request(b'{"log":"slow"}' + b" " * 10_000, port):
                writer.write(bytes([byte]))
                await writer.drain()
                if reader.at_eof() or time.monotonic() > end:
                    break
                await asyncio.sleep(1)
            writer.close()
        except OSError:
            pass
        counts["slow"] = counts.get("slow", 0) + 1


async def broken(port, seconds, counts):
    """Requests that are none."""
    shapes = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{\"a\":nope",
        b"POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n",
        b"GET " + b"/" * 70_000,
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: x\r\n\r\nzz\r\n",
    ]
    end = time.monotonic() + seconds
    number = 0
    while time.monotonic() < end:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(shapes[number % len(shapes)])
            await writer.drain()
            writer.close()
        except OSError:
            pass
        number += 1
        counts["broken"] = number
        await asyncio.sleep(1 / BROKEN_A_SECOND)


async def disturbance(port, seconds, disturbed):
    latencies, counts = [], {}
    tasks = [steady(port, seconds, latencies)]
    if disturbed:
        tasks += [held(port, seconds, counts) for _ in range(HELD)]
        tasks += [slow(port, seconds, counts) for _ in range(SLOW)]
        tasks.append(broken(port, seconds, counts))
    await asyncio.gather(*tasks)
    return latencies, counts


def percentile(sorted_values, share):
    return sorted_values[min(len(sorted_values) - 1, int(len(sorted_values) * share))]


def held_and_slow(firelane, seconds):
    print(f"\n| client of {STEADY_A_SECOND} requests/s beside | requests | not 201 | p50 ms | p99 ms | most ms | peak MB |")
    print("|---|---|---|---|---|---|---|")
    for disturbed in (False, True):
        port = free_port()
        configuration = INPUT.format(port=port) + "[OUTPUT]\n    Name null\n    Match *\n"
        with Router(firelane, configuration, port) as router:
            latencies, counts = asyncio.run(disturbance(port, seconds, disturbed))
            values = sorted(seconds * 1000 for seconds, _ in latencies)
            odd = sum(status != 201 for _, status in latencies)
            beside = "nobody"
            if disturbed:
                beside = f"{HELD} held, {SLOW} slow, {counts['broken']} broken"
                if counts.get(201, 0) < HELD:
                    raise SystemExit(f"held connections were not served: {counts}")
            cells = [percentile(values, 0.5), percentile(values, 0.99), values[-1]]
            print(
                f"| {beside} | {len(values)} | {odd} | "
                + " | ".join(f"{cell:.1f}" for cell in cells)
                + f" | {router.resident_megabytes():.1f} |",
                flush=True,
            )


class Destination:
    """A healthy destination over HTTP that counts the records it gets."""

    def __init__(self):
        counter = self
        self.records = 0
        self.lock = threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with counter.lock:
                    counter.records += body.count(b"\n")
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def port(self):
        return self.server.server_address[1]


def http_output(port):
    return (
        f"[OUTPUT]\n    Name http\n    Match *\n    Host 127.0.0.1\n    Port {port}\n"
        "    Format json_lines\n    Json_date_key false\n"
    )


def one_of_three(firelane, seconds):
    print(f"\n| third destination | sent | first healthy got | second healthy got |\n|---|---|---|---|")
    for third in ("none", "refuses connections", "never answers"):
        destinations = [Destination(), Destination()]
        port = free_port()
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            if third == "never answers":
                silent.listen(128)
            outputs = "".join(http_output(one.port) for one in destinations)
            if third != "none":
                outputs += http_output(silent.getsockname()[1])
            with Router(firelane, INPUT.format(port=port) + outputs, port) as router:
                sent = asyncio.run(feed(port, seconds))
                deadline = time.monotonic() + 10
                while time.monotonic() < deadline and any(one.records < sent for one in destinations):
                    time.sleep(0.05)
                got = [one.records for one in destinations]
                del router
        print(f"| {third} | {sent} | " + " | ".join(f"{one} ({one / sent:.1%})" for one in got) + " |", flush=True)


async def feed(port, seconds):
    """Sends lines at a rate for a time; the number that were taken."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = json.dumps([{"log": "x" * 1_000, "n": n} for n in range(LINES_A_SECOND // 20)]).encode()
    sent, end, due = 0, time.monotonic() + seconds, time.monotonic()
    while time.monotonic() < end:
        writer.write(request(body, port))
        if await answer(reader) == 201:
            sent += LINES_A_SECOND // 20
        due += 0.05
        await asyncio.sleep(max(0, due - time.monotonic()))
    writer.close()
    return sent


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def idle_files(firelane, seconds):
    """What a tail of files costs to which nothing is written."""
    with tempfile.TemporaryDirectory(prefix="firelane-load-") as folder:
        for number in range(FILES):
            (Path(folder) / f"{number}.log").write_text("line\n")
        port = free_port()
        tail = f"[INPUT]\n    Name tail\n    Path {folder}/*.log\n    Read_from_Head on\n"
        configuration = INPUT.format(port=port) + tail + "[OUTPUT]\n    Name null\n    Match *\n"
        with Router(firelane, configuration, port) as router:
            time.sleep(5)
            began = cpu_seconds(router.process.pid)
            time.sleep(seconds)
            share = (cpu_seconds(router.process.pid) - began) / seconds
            print(f"\n{FILES} idle files: {share:.2%} of a core, peak {router.resident_megabytes():.1f} MB", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("firelane")
    parser.add_argument("--seconds", type=float, default=60)
    options = parser.parse_args()
    firelane = os.path.abspath(options.firelane)
    held_and_slow(firelane, options.seconds)
    one_of_three(firelane, options.seconds)
    idle_files(firelane, options.seconds)


if __name__ == "__main__":
    sys.exit(main())
