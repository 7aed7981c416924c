"""The two processes of a run: the router, and the local CloudWatch Logs that keeps the account."""

import json
import os
import random
import re
import signal
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

START_SECONDS_MAX = 30
POLL_SECONDS = 0.01
# The keys that `firelane local` knows.
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "AKIDTEST",
    "AWS_SECRET_ACCESS_KEY": "testsecret",
    "AWS_EC2_METADATA_DISABLED": "true",
    "NO_PROXY": "127.0.0.1",
    "no_proxy": "127.0.0.1",
}
CLOSING = re.compile(r"\] account: (.*)")
SAMPLE = re.compile(r'^(\w+)(?:\{(.*)\})? (\S+)$')
# Without a proxy, whatever the environment says.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def free_port():
    """A port of 127.0.0.1 that nobody listens on, and that the system gives to nobody who asks for any."""
    while True:
        with socket.socket() as listener:
            port = random.randrange(10_000, 32_768)
            try:
                listener.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def wait_for(condition, seconds, poll=POLL_SECONDS):
    """Whether `condition` came true within the time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(poll)
    return True


class Process:
    """A process that logs to a file of its own."""

    def __init__(self, command, log, environment=(), before=None):
        self.log_path = Path(log)
        self.log = open(self.log_path, "w", encoding="utf-8")
        environment = {**os.environ, **ENVIRONMENT, **dict(environment)}
        self.process = subprocess.Popen(
            [str(word) for word in command], stdout=self.log, stderr=self.log, env=environment, preexec_fn=before
        )

    @property
    def pid(self):
        return self.process.pid

    def text(self):
        """All it said so far."""
        return self.log_path.read_text(encoding="utf-8", errors="replace")

    def is_running(self):
        return self.process.poll() is None

    def wait_for_text(self, text):
        """Returns when the log has `text`; the end of the process or too long a wait is an error."""
        said = wait_for(lambda: text in self.text() or not self.is_running(), START_SECONDS_MAX)
        if not said or text not in self.text():
            raise RuntimeError(f"{self.log_path.name} has no {text!r}: {self.text()[-2000:]}")

    def kill(self):
        """Ends it at once, as a crash or the kernel does."""
        if self.is_running():
            self.process.kill()
        self.process.wait()
        self.log.close()


class Router(Process):
    """The router with a configuration; it is ready when this returns."""

    def __init__(self, firelane, folder, configuration, *, name="router", inputs=1, wrapper=(), environment=(), before=None):
        path = Path(folder) / f"{name}.conf"
        path.write_text(configuration, encoding="utf-8")
        self.admin = re.search(r"(?mi)^\s*HTTP_Port\s+(\d+)", configuration)
        self.began = time.time()
        super().__init__([*wrapper, firelane, "-c", path], Path(folder) / f"{name}.log", environment, before)
        ready = wait_for(
            lambda: self.text().count("listening on") >= inputs or not self.is_running(), START_SECONDS_MAX
        )
        if not ready or not self.is_running():
            raise RuntimeError(f"the router does not start: {self.text()[-2000:]}")

    def stop(self, seconds, twice_after=None):
        """SIGTERM as ECS sends it, perhaps twice; gives back the exit status and the time it took, or kills it."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        if twice_after is not None:
            time.sleep(twice_after)
            self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            status = None
        self.log.close()
        return status, time.monotonic() - began

    def closing(self):
        """The numbers of the last line, by name; none if it was never written."""
        lines = CLOSING.findall(self.text())
        if not lines:
            return {}
        return {name: int(number) for name, number in re.findall(r"(\w+)=(\d+)", lines[-1])}

    def metrics(self):
        """The samples of `/metrics`, as `(name, labels): value`; none if it does not answer."""
        try:
            with OPENER.open(f"http://127.0.0.1:{self.admin[1]}/metrics", timeout=2) as answer:
                lines = answer.read().decode().splitlines()
        except (OSError, TypeError):
            return {}
        found = (SAMPLE.match(line) for line in lines)
        return {(one[1], one[2] or ""): float(one[3]) for one in found if one}

    def total(self, name):
        """The sum of a metric over its labels; `None` if the router does not answer."""
        samples = self.metrics()
        return int(sum(value for (one, _), value in samples.items() if one == name)) if samples else None

    def memory_kib(self):
        """`VmHWM`, `VmRSS` and `RssAnon`, in KiB; empty if it is gone."""
        try:
            status = Path(f"/proc/{self.pid}/status").read_text()
        except OSError:
            return {}
        return {name: int(kib) for name, kib in re.findall(r"(VmHWM|VmRSS|RssAnon):\s+(\d+) kB", status)}


class Endpoint(Process):
    """A `firelane local` and its account."""

    def __init__(self, firelane, folder, *, keep_bytes=None, tls=False, name="endpoint", before=None):
        self.port = free_port()
        self.scheme = "https" if tls else "http"
        self.ca_file = Path(folder) / "ca.pem"
        command = [firelane, "local", "--cloudwatch-logs", f"127.0.0.1:{self.port}", "--sequence"]
        if keep_bytes is not None:
            command += ["--keep-bytes", keep_bytes]
        if tls:
            command += ["--tls", "--ca-file", self.ca_file]
        super().__init__(command, Path(folder) / f"{name}.log", before=before)
        self.wait_for_text("endpoint listens")
        handlers = [urllib.request.ProxyHandler({})]
        if tls:
            handlers.append(urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=self.ca_file)))
        self.opener = urllib.request.build_opener(*handlers)

    def url(self, route=""):
        return f"{self.scheme}://127.0.0.1:{self.port}{route}"

    def ask(self, route, body=None):
        """The body of an answer."""
        data = None if body is None else json.dumps(body).encode()
        with self.opener.open(urllib.request.Request(self.url(f"/_local/{route}"), data=data), timeout=20) as answer:
            return answer.read()

    def account(self):
        return json.loads(self.ask("account"))

    def faults(self, *rules, seed=0):
        """Puts these rules in place of those before, from now on."""
        self.ask("faults", {"seed": seed, "rules": list(rules)})

    def away(self, seconds):
        """Nobody listens for this long."""
        try:
            self.ask("away", {"for_ms": int(seconds * 1000)})
        except urllib.error.HTTPError:
            raise
        except OSError:
            # The connection of this request ends as all others do, perhaps before the answer.
            pass

    def stream(self, group, stream):
        """What is kept of a stream: its `[timestamp, message]` and its batches, both in order of acceptance."""
        query = urllib.parse.urlencode({"group": group, "stream": stream})
        events = [json.loads(line) for line in self.ask(f"events?{query}").splitlines()]
        return events, json.loads(self.ask(f"puts?{query}"))
