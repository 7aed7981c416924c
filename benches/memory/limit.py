"""A memory limit for one process: a cgroup of its own, version 2 or 1, else a limit on its data."""

import os
import resource
import time
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
# Between the end of a process and the emptiness of its cgroup.
LEAVE_SECONDS_MAX = 5


class CgroupTwo:
    """The files of version 2."""

    name = "cgroup v2"
    root = ROOT
    limit, peak, joined, oom = "memory.max", "memory.peak", "cgroup.procs", ("memory.events", "oom_kill")

    @classmethod
    def prepare(cls):
        (cls.root / "cgroup.subtree_control").write_text("+memory")


class CgroupOne:
    """The files of version 1."""

    name = "cgroup v1"
    root = ROOT / "memory"
    limit, peak, joined = "memory.limit_in_bytes", "memory.max_usage_in_bytes", "cgroup.procs"
    oom = ("memory.oom_control", "oom_kill")

    @classmethod
    def prepare(cls):
        pass


class InCgroup:
    """A cgroup for the time of a `with`; `join` is for the child before it becomes the program."""

    def __init__(self, version, limit_bytes):
        self.version = version
        version.prepare()
        self.folder = version.root / f"firelane-memory-{os.getpid()}-{time.monotonic_ns()}"
        self.folder.mkdir()
        (self.folder / version.limit).write_text(str(limit_bytes))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        deadline = time.monotonic() + LEAVE_SECONDS_MAX
        while True:
            try:
                return self.folder.rmdir()
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def join(self):
        (self.folder / self.version.joined).write_text("0")

    def peak_bytes(self):
        """Most bytes charged to the cgroup, page cache and socket buffers among them; `None` if the kernel does not say."""
        try:
            return int((self.folder / self.version.peak).read_text())
        except OSError:
            return None

    def kills(self):
        """How often the kernel killed for want of memory."""
        file, key = self.version.oom
        pairs = dict(line.split() for line in (self.folder / file).read_text().splitlines())
        return int(pairs.get(key, 0))


class OfData:
    """Without a cgroup: the process may not map more private memory; what it cannot get, ends it."""

    name = "RLIMIT_DATA"

    def __init__(self, limit_bytes):
        self.limit_bytes = limit_bytes

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def join(self):
        resource.setrlimit(resource.RLIMIT_DATA, (self.limit_bytes, self.limit_bytes))

    def peak_bytes(self):
        return None

    def kills(self):
        return 0


def find():
    """The best limit that this machine has: its name, and what makes one of so many bytes."""
    for version in (CgroupTwo, CgroupOne):
        try:
            with InCgroup(version, 64 << 20):
                pass
        except OSError:
            continue
        return version.name, lambda limit_bytes, version=version: InCgroup(version, limit_bytes)
    return OfData.name, OfData
