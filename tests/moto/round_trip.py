"""What fluent-logger, curl and requests send to Firelane is what boto3 reads from moto's CloudWatch Logs, in order.

    round_trip.py FIRELANE

Starts moto's server and Firelane on free ports of 127.0.0.1, prints one line a check and `N passed, N failed`.
"""

import gzip
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import boto3
import requests
from fluent import asyncsender, sender

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from whole.process import free_port  # noqa: E402

REGION = "eu-central-1"
GROUP = "/ecs/round-trip"
# The same events again, in compressed requests.
COMPRESSED_GROUP = "/ecs/round-trip-compressed"
RETENTION_DAYS = 14
RECORDS = 400
# Records of one HTTP request.
BATCH = 50
START_SECONDS_MAX = 30
STOP_SECONDS_MAX = 30
# moto asks for some; it does not look at them.
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
FORWARD = """\
[SERVICE]
    HTTP_Server On
    HTTP_Listen 127.0.0.1
    HTTP_Port   {admin}

[INPUT]
    Name   forward
    Listen 127.0.0.1
    Port   {port}

[INPUT]
    Name   http
    Listen 127.0.0.1
    Port   {http}

[OUTPUT]
    Name               cloudwatch_logs
    Match              *
    region             {region}
    endpoint           http://127.0.0.1:{moto}
    log_group_name     {group}
    log_stream_prefix  from-
    auto_create_group  true
    log_retention_days {days}

[OUTPUT]
    Name               cloudwatch_logs
    Alias              compressed
    Match              *
    region             {region}
    endpoint           http://127.0.0.1:{moto}
    log_group_name     {compressed_group}
    log_stream_prefix  from-
    auto_create_group  true
    log_retention_days {days}
    compress           gzip
"""


def wait_for_port(port, process, what):
    """Returns when `port` takes connections; the end of `process` or too long a wait is an error."""
    deadline = time.monotonic() + START_SECONDS_MAX
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{what} does not listen on port {port}") from None
            time.sleep(0.05)


def record(number):
    """A record of its own for every number: text, Unicode, numbers, nesting, empty values."""
    return {
        "number": number,
        "text": f"line {number} of {RECORDS}",
        "unicode": f"Grüße {number} ✓ 日本語 \U0001f680 \"quoted\" back\\slash tab\t",
        "negative": -number,
        "large": 2**53 + number,
        "unsigned": 2**64 - 1 - number,
        "float": number + 0.5,
        "flag": number % 2 == 0,
        "nothing": None,
        "nested": {"deep": {"deeper": [number, "two", {"three": number}]}, "empty": {}},
        "list": list(range(number % 5)),
    }


def send_all(port):
    """Sends each kind's records; gives back the times between which each kind was sent."""
    windows = {}
    senders = {
        "plain": lambda tag: sender.FluentSender(tag, host="127.0.0.1", port=port),
        "nanosecond": lambda tag: sender.FluentSender(tag, host="127.0.0.1", port=port, nanosecond_precision=True),
        "async": lambda tag: asyncsender.FluentSender(tag, host="127.0.0.1", port=port, nanosecond_precision=True),
    }
    for kind, make in senders.items():
        began = time.time()
        logger = make(kind)
        for number in range(RECORDS):
            if not logger.emit("app", record(number)):
                raise SystemExit(f"{kind}: {logger.last_error}")
        logger.close()
        windows[kind] = (began, time.time())
    return windows


def batches():
    """The records, in the portions of one request each."""
    for first in range(0, RECORDS, BATCH):
        yield [record(number) for number in range(first, first + BATCH)]


def send_by_http(port):
    """The same over HTTP, in every form that clients use; gives back the times as `send_all`."""
    windows = {}

    def url(kind):
        return f"http://127.0.0.1:{port}/{kind}.app"

    def expect_created(kind, status):
        if status != 201:
            raise SystemExit(f"{kind}: status {status}, expected 201")

    def by_curl(kind, *options):
        for batch in batches():
            lines = "".join(json.dumps(one) + "\n" for one in batch)
            command = ["curl", "--silent", "--output", os.devnull, "--write-out", "%{http_code}", *options]
            command += ["--header", "Content-Type: application/json", "--data-binary", "@-", url(kind)]
            done = subprocess.run(command, input=lines.encode(), capture_output=True, check=True)
            expect_created(kind, int(done.stdout))

    def by_requests(kind, encode, headers):
        with requests.Session() as session:
            for batch in batches():
                answer = session.post(url(kind), data=encode(batch), headers=headers, timeout=30)
                expect_created(kind, answer.status_code)

    as_json = {"Content-Type": "application/json"}
    kinds = {
        "curl": lambda kind: by_curl(kind),
        "curl_http2": lambda kind: by_curl(kind, "--http2-prior-knowledge"),
        "requests": lambda kind: by_requests(kind, json.dumps, as_json),
        "requests_gzip": lambda kind: by_requests(
            kind, lambda batch: gzip.compress(json.dumps(batch).encode()), {**as_json, "Content-Encoding": "gzip"}
        ),
        # A generator has no length: it goes in chunks.
        "requests_chunked": lambda kind: by_requests(
            kind, lambda batch: (json.dumps(one).encode() for one in batch), as_json
        ),
    }
    if shutil.which("curl") is None:
        raise SystemExit("this needs curl")
    for kind, send in kinds.items():
        began = time.time()
        send(kind)
        windows[kind] = (began, time.time())
    return windows


def read_back(logs, group, stream):
    """All events of a stream, in the order that the service keeps."""
    events, token = [], None
    while True:
        page = {"nextToken": token} if token else {}
        answer = logs.get_log_events(logGroupName=group, logStreamName=stream, startFromHead=True, **page)
        events += answer["events"]
        if not answer["events"] or answer["nextForwardToken"] == token:
            return events
        token = answer["nextForwardToken"]


class Report:
    """The checks so far."""

    def __init__(self):
        self.passed = 0
        self.failed = 0

    def check(self, name, wrong, fact=""):
        """Enters one check: `wrong` says what is wrong with it, or is empty."""
        self.passed += not wrong
        self.failed += bool(wrong)
        print(f"{'FAIL' if wrong else 'ok':<5}{name:<64}{wrong or fact}", flush=True)


def difference(found, sent):
    """The first record that is not what was sent, or an empty text."""
    if len(found) != len(sent):
        return f"{len(found)} events, {len(sent)} were sent"
    for number, (one, other) in enumerate(zip(found, sent)):
        # As text, so that 1 and 1.0 and true are told apart.
        if json.dumps(one) != json.dumps(other):
            return f"event {number} is {one!r}, sent was {other!r}"
    return ""


def compressed(port):
    """What is wrong with the bytes that compression saved each output, and how many they were."""
    deadline = time.monotonic() + START_SECONDS_MAX
    while True:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            lines = [line for line in answer.read().decode().splitlines() if "output_saved_bytes_total{" in line]
        saved = {line.split('output="')[1].split('"')[0]: int(line.split()[-1]) for line in lines}
        if saved.pop("compressed", 0) > 0:
            return (f"saved by others: {saved}" if any(saved.values()) else ""), lines[-1]
        if time.monotonic() > deadline:
            return f"nothing saved: {lines}", ""
        time.sleep(0.1)


def stop(router):
    """Ends Firelane as ECS does; gives back what was wrong with that, and how long it took."""
    began = time.monotonic()
    router.terminate()
    try:
        status = router.wait(STOP_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        return f"still running after {STOP_SECONDS_MAX} s", ""
    return f"exit status {status}" if status else "", f"{time.monotonic() - began:.1f} s"


def check_streams(report, logs, group, windows):
    what = " compressed" if group == COMPRESSED_GROUP else ""
    for kind, (began, ended) in windows.items():
        stream = f"from-{kind}.app"
        try:
            events = read_back(logs, group, stream)
        except logs.exceptions.ResourceNotFoundException as missing:
            report.check(f"{kind}{what}: events equal what was sent", str(missing))
            continue
        found = [json.loads(event["message"]) for event in events]
        report.check(
            f"{kind}{what}: events equal what was sent, in order",
            difference(found, [record(number) for number in range(RECORDS)]),
            f"{len(found)} events in {stream}",
        )
        slack = 1.0 if kind == "plain" else 0.001
        outside = [e for e in events if not (began - slack) * 1000 <= e["timestamp"] <= (ended + slack) * 1000]
        report.check(f"{kind}{what}: times are those of the sender", f"{len(outside)} outside" if outside else "")
        whole = all(event["timestamp"] % 1000 == 0 for event in events)
        report.check(f"{kind}{what}: precision of the times", "" if whole == (kind == "plain") else f"whole seconds: {whole}")


def run(firelane, folder):
    report = Report()
    moto_port, forward_port, http_port, admin_port = (free_port() for _ in range(4))
    environment = {**os.environ, **CREDENTIALS, "AWS_EC2_METADATA_DISABLED": "true"}
    # The loopback goes through no proxy, whatever the environment says.
    environment["NO_PROXY"] = environment["no_proxy"] = "127.0.0.1"
    moto_log = open(folder / "moto.log", "w", encoding="utf-8")
    router_log = open(folder / "firelane.log", "w", encoding="utf-8")
    moto = subprocess.Popen(
        [Path(sys.executable).parent / "moto_server", "-H", "127.0.0.1", "-p", str(moto_port)],
        stdout=moto_log, stderr=moto_log, env=environment,
    )
    router = None
    try:
        wait_for_port(moto_port, moto, "moto")
        urllib.request.urlopen(f"http://127.0.0.1:{moto_port}/moto-api/", timeout=10).close()
        configuration = folder / "fluent-bit.conf"
        configuration.write_text(
            FORWARD.format(
                port=forward_port, http=http_port, admin=admin_port, moto=moto_port, region=REGION, group=GROUP,
                compressed_group=COMPRESSED_GROUP, days=RETENTION_DAYS,
            )
        )
        router = subprocess.Popen([firelane, "-c", configuration], stdout=router_log, stderr=router_log, env=environment)
        wait_for_port(forward_port, router, "firelane")
        wait_for_port(http_port, router, "firelane")
        windows = send_all(forward_port) | send_by_http(http_port)
        report.check("requests are compressed where that is asked for", *compressed(admin_port))
        report.check("SIGTERM: exit in time, exit status 0", *stop(router))
        logs = boto3.client(
            "logs", region_name=REGION, endpoint_url=f"http://127.0.0.1:{moto_port}",
            aws_access_key_id="testing", aws_secret_access_key="testing",
        )
        groups = logs.describe_log_groups()["logGroups"]
        names = [group["logGroupName"] for group in groups]
        report.check("the groups are created", "" if sorted(names) == [GROUP, COMPRESSED_GROUP] else f"groups: {names}")
        days = [group.get("retentionInDays") for group in groups]
        report.check("their retention is set", "" if days == 2 * [RETENTION_DAYS] else f"days: {days}")
        wanted = {f"from-{kind}.app" for kind in windows}
        for group in (GROUP, COMPRESSED_GROUP):
            streams = {s["logStreamName"] for s in logs.describe_log_streams(logGroupName=group)["logStreams"]}
            report.check(f"the streams of {group} are created", "" if streams == wanted else f"streams: {streams}")
            check_streams(report, logs, group, windows)
    finally:
        for process in (router, moto):
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()
    if report.failed:
        for log in ("firelane.log", "moto.log"):
            print(f"--- {log}\n" + "\n".join((folder / log).read_text().splitlines()[-30:]))
    print(f"{report.passed} passed, {report.failed} failed")
    return 1 if report.failed else 0


def main():
    with tempfile.TemporaryDirectory(prefix="firelane-moto-") as folder:
        return run(sys.argv[1], Path(folder))


if __name__ == "__main__":
    sys.exit(main())
