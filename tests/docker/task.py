"""An ECS task on this machine's Docker engine: containers that share one network namespace, as in awsvpc mode.

Holds the containers, what they are started with, and what can be asked of them. Knows nothing of what is proven.
"""

import json
import os
import shutil
import subprocess
import tempfile
import time
import urllib.parse
from pathlib import Path

HERE = Path(__file__).resolve().parent
TASK_ID = "0123456789abcdef0123456789abcdef"
GROUP = "/ecs/checkout"
STREAM_PREFIX = "ecs/"
# Any numeric uid works; one that exists nowhere shows it.
ROUTER_UID = 4321 if os.geteuid() == 0 else os.geteuid()
# The port of `firelane local`, and the keys that it takes.
ENDPOINT = "https://localhost:4580"
METADATA = "http://127.0.0.1:4581/v4/log_router"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "AKIDTEST",
    "AWS_SECRET_ACCESS_KEY": "testsecret",
}
KEPT_BYTES_MAX = 2_000_000_000
START_SECONDS_MAX = 20
# The command is the one that task definitions have.
HEALTH_CHECK = (
    "--health-cmd", "echo '{\"health\": \"check\"}' | nc 127.0.0.1 8877 || exit 1",
    "--health-interval", "2s", "--health-timeout", "5s", "--health-retries", "2",
)


class Failed(Exception):
    """A step without which the rest of a run says nothing."""


def docker(*arguments, check=True):
    """Runs the client and gives back its standard output without the last newline."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=180)
    if check and done.returncode != 0:
        raise Failed(f"docker {' '.join(arguments[:3])}: {done.stderr.strip()}")
    return done.stdout.rstrip("\n")


class Task:
    """One task: a network namespace without any interface but loopback, the endpoint, the router, its apps."""

    def __init__(self, image, app_image, name):
        self.image = image
        self.app_image = app_image
        self.name = f"firelane-test-{os.getpid()}-{name}"
        self.containers = []
        self.home = Path(tempfile.mkdtemp(prefix="firelane-test-"))
        self.home.chmod(0o755)
        for folder in ("socket", "endpoint", "go"):
            (self.home / folder).mkdir()
        (self.home / "endpoint").chmod(0o777)
        if os.geteuid() == 0:
            # As the agent does it for a container definition with `user`.
            os.chown(self.home / "socket", ROUTER_UID, ROUTER_UID)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for container in reversed(self.containers):
            docker("rm", "--force", "--volumes", container, check=False)
        shutil.rmtree(self.home, ignore_errors=True)

    def _run(self, name, *arguments):
        full = f"{self.name}-{name}"
        self.containers.append(full)
        docker("run", "--detach", "--name", full, *arguments)
        return full

    def start(self, router_command=(), health_check=True):
        """The namespace, the endpoint, the router; returns when the router listens.

        The engine's health check sends records of its own: without it, all records are those of the apps.
        """
        self._run("pause", "--network", "none", self.app_image, "sleep", "infinity")
        self.endpoint = self._run(
            "endpoint", "--network", f"container:{self.name}-pause",
            "--volume", f"{self.home}/endpoint:/endpoint", self.image,
            "firelane", "local", "--cloudwatch-logs", "0.0.0.0:4580", "--tls", "--tls-name", "localhost",
            "--ca-file", "/endpoint/ca.pem", "--task-metadata", "0.0.0.0:4581",
            "--account-file", "/endpoint/account.json", "--keep-bytes", str(KEPT_BYTES_MAX),
        )
        self._wait(lambda: self._endpoint_answers(), self.endpoint, "the endpoint does not answer")
        self._start_router(router_command, HEALTH_CHECK if health_check else ())
        socket = self.home / "socket" / "fluent.sock"
        self._wait(socket.exists, self.router, "the router does not listen")

    def _start_router(self, command, health_check):
        environment = {**CREDENTIALS, "ECS_CONTAINER_METADATA_URI_V4": METADATA, "AWS_EC2_METADATA_DISABLED": "true"}
        self.router = self._run(
            "router", "--network", f"container:{self.name}-pause",
            "--read-only", "--cap-drop", "ALL", "--user", f"{ROUTER_UID}:{ROUTER_UID}",
            "--volume", f"{HERE}/agent.conf:/fluent-bit/etc/fluent-bit.conf:ro",
            "--volume", f"{self.home}/socket:/var/run",
            "--volume", f"{self.home}/endpoint:/endpoint:ro",
            *health_check,
            *[part for name, value in environment.items() for part in ("--env", f"{name}={value}")],
            self.image, *command,
        )

    def _endpoint_answers(self):
        return (self.home / "endpoint" / "ca.pem").exists() and self._ask("/_local/account", check=False)

    def _wait(self, ready, container, trouble):
        deadline = time.monotonic() + START_SECONDS_MAX
        while not ready():
            if time.monotonic() > deadline or not self.running(container):
                raise Failed(f"{trouble}:\n{self.logs(container)}")
            time.sleep(0.05)

    def app(self, name, tag, *command, socket="socket/fluent.sock"):
        """Starts an app container with the log driver options that the agent sets; it begins at `go`."""
        options = {
            "fluentd-address": f"unix://{self.home}/{socket}",
            "tag": tag,
            "fluentd-async": "true",
            "fluentd-sub-second-precision": "true",
        }
        return self._run(
            name, "--network", "none", "--log-driver", "fluentd",
            *[part for key, value in options.items() for part in ("--log-opt", f"{key}={value}")],
            "--volume", f"{HERE}/app:/app:ro", "--volume", f"{self.home}/go:/go:ro",
            self.app_image, "/app", *command,
        )

    def go(self):
        """Lets the waiting apps begin."""
        (self.home / "go" / "now").touch()

    def hold(self):
        """Makes the apps that are started from now on wait."""
        (self.home / "go" / "now").unlink(missing_ok=True)

    def wait(self, container):
        """Waits for the end of a container and gives back its exit status."""
        return int(docker("wait", container))

    def running(self, container):
        return docker("inspect", "--format", "{{.State.Running}}", container, check=False) == "true"

    def inspect(self, container):
        return json.loads(docker("inspect", container))[0]

    def logs(self, container):
        done = subprocess.run(["docker", "logs", container], capture_output=True, text=True, errors="replace")
        return done.stdout + done.stderr

    def last_line(self, container):
        """The last line that a container wrote to its standard error."""
        done = subprocess.run(["docker", "logs", container], capture_output=True, text=True, errors="replace")
        return (done.stderr.strip().splitlines() or [""])[-1]

    def _ask(self, path, check=True):
        return docker(
            "exec", self.endpoint, "curl", "--silent", "--fail", "--cacert", "/endpoint/ca.pem", ENDPOINT + path,
            check=check,
        )

    def account(self):
        """What the endpoint has counted."""
        return json.loads(self._ask("/_local/account"))

    def events(self, tag):
        """The `(timestamp, message)` that the endpoint accepted for a tag's stream, in the order of acceptance."""
        query = urllib.parse.urlencode({"group": GROUP, "stream": STREAM_PREFIX + tag})
        lines = self._ask(f"/_local/events?{query}", check=False).split("\n")
        return [tuple(json.loads(line)) for line in lines if line]

    def count(self, tag):
        """The number of events that the endpoint accepted for a tag's stream."""
        streams = self.account()["streams"]
        return sum(one["events"] for one in streams if (one["group"], one["stream"]) == (GROUP, STREAM_PREFIX + tag))

    def settled(self, tag, expected, quiet_seconds=8):
        """The events of a tag, once there are `expected` of them or none has come for `quiet_seconds`."""
        count, since = self.count(tag), time.monotonic()
        while count < expected and time.monotonic() - since < quiet_seconds:
            time.sleep(0.25)
            before, count = count, self.count(tag)
            if count != before:
                since = time.monotonic()
        return self.events(tag)
