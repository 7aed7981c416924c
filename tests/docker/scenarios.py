"""The whole system, container to endpoint: three containers at once, the last words of a dying task, health, stop.

    scenarios.py IMAGE APP_IMAGE

Prints one line a check and `N passed, N failed` at the end; exits with 1 when a check failed.
"""

import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import evidence
from reader import Reader
from task import TASK_ID, Failed, Task, docker

LINES = 20_000
BIG_LINE = ",".join(str(number) for number in range(1, 100_001))[:100_000]
BURST_LINES = 30_000
BURST_BYTES = 110
BURSTS = 10
BURST_PAD = ",".join(str(number) for number in range(1, 101))[: BURST_BYTES - len("000001 \n")]
HEALTH_SECONDS_MAX = 1.0
# After the end of a container, the driver writes nothing more.
READER_SECONDS = 0.5
# ECS's default stopTimeout.
STOP_SECONDS_MAX = 30
# The command line of the FireLens images of AWS, for plugins that are files there.
UPSTREAM_COMMAND = [
    "/fluent-bit/bin/fluent-bit", "-e", "/fluent-bit/firehose.so", "-e", "/fluent-bit/cloudwatch.so",
    "-e", "/fluent-bit/kinesis.so", "-c", "/fluent-bit/etc/fluent-bit.conf",
]


class Report:
    """The checks so far."""

    def __init__(self):
        self.passed = 0
        self.failed = 0

    def check(self, name, problems, fact=""):
        """Enters one check: `problems` is what is wrong, `fact` what was seen."""
        if problems:
            self.failed += 1
        else:
            self.passed += 1
        print(f"{'FAIL' if problems else 'ok':<5}{name:<58}{'; '.join(problems) or fact}", flush=True)


def now_ms():
    return time.time_ns() // 1_000_000


def check_image(report, image):
    """The layout that task definitions rely on, by a container that looks."""
    paths = (
        "/entrypoint.sh /fluent-bit/bin/fluent-bit /fluent-bit/etc/fluent-bit.conf /fluent-bit/parsers "
        "/fluent-bit/parsers/parsers.conf /fluent-bit/etc/parsers.conf /ecs/cloudwatch.conf "
        "/fluent-bit/configs/minimize-log-loss.conf /fluent-bit/configs/output-metrics-healthcheck.conf "
        "/AWS_FOR_FLUENT_BIT_VERSION /etc/ssl/certs/ca-certificates.crt"
    )
    look = f"for path in {paths}; do [ -e $path ] || echo no $path; done; for tool in firelane sh curl nc; do " \
        "command -v $tool >/dev/null || echo no $tool; done"
    found = docker("run", "--rm", "--network", "none", "--read-only", "--user", "4321", image, "sh", "-c", look)
    report.check("image: paths and tools of the FireLens images", found.splitlines())


def check_container(report, name, found, container, window, stdout, stderr):
    """What one app container wrote against what arrived for it."""
    problems = evidence.lines_problems(evidence.logs_of(found, "stdout"), stdout, "stdout")
    problems += evidence.lines_problems(evidence.logs_of(found, "stderr"), stderr, "stderr")
    report.check(f"{name}: each line once, in order", problems, f"{len(found)} events")
    metadata = evidence.metadata_problems(found, container["Id"], container["Name"])
    report.check(f"{name}: fields of the driver and of the task", metadata)
    report.check(f"{name}: the driver's times", evidence.time_problems(found, *window), times_fact(found))


def times_fact(found):
    times = [timestamp for timestamp, _ in found]
    return f"{(max(times) - min(times)) / 1000:.2f} s from first to last" if times else ""


def three_at_once(report, task):
    """Three containers write at the same time; the first exits with its last line, the second has a long one."""
    programs = {
        "api": ("lines", str(LINES), "0"),
        "worker": ("lines", str(LINES), "2", "big"),
        "proxy": ("lines", str(LINES), "2"),
    }
    tags = {name: f"app-firelens-{TASK_ID}-{name}" for name in programs}
    task.hold()
    begin = now_ms()
    with ThreadPoolExecutor() as pool:
        started = {name: pool.submit(task.app, name, tags[name], *program) for name, program in programs.items()}
    apps = {name: future.result() for name, future in started.items()}
    task.go()
    for app in apps.values():
        task.wait(app)
    end = now_ms()
    stdout = [f"stdout {number} of {LINES}" for number in range(1, LINES + 1)]
    stderr = [f"stderr {number} of {LINES}" for number in range(1, LINES + 1)]
    for name, app in apps.items():
        long = [BIG_LINE] if "big" in programs[name] else []
        written = stdout[: LINES // 2] + long + stdout[LINES // 2 :]
        found = evidence.records(task.settled(tags[name], len(written) + len(stderr)))
        check_container(report, name, found, task.inspect(app), (begin, end), written, stderr)


def bursts(report, task):
    """A container prints as fast as a shell can and exits at once.

    Where something else takes the processors, Docker's driver falls behind by itself, and a program that only reads loses
    lines too. So a round with a loss is told, with that control beside it, and made once more: only the second one counts.
    """
    results = round_of_bursts(task, 1)
    lost = [fact for _, problems, fact in results if problems]
    if lost:
        print(f"     a round of bursts with a loss, made once more: {'; '.join(lost)}", flush=True)
        bursts_to_a_reader(task)
        results = round_of_bursts(task, 2)
    for name, problems, fact in results:
        report.check(name, [*problems, fact] if problems else [], fact)


def round_of_bursts(task, number):
    """Ten bursts; gives the name, the problems and the fact of each."""
    written = [f"{line:06} {BURST_PAD}" for line in range(1, BURST_LINES + 1)]
    results = []
    for burst in range(1, BURSTS + 1):
        tag = f"app-firelens-{number:016x}{burst:016x}"
        task.hold()
        app = task.app(f"burst-{number}-{burst}", tag, "burst", str(BURST_LINES))
        task.go()
        status = task.wait(app)
        found = evidence.records(task.settled(tag, BURST_LINES))
        problems = evidence.lines_problems(evidence.logs_of(found, "stdout"), written, "stdout")
        problems += [f"exit status {status}"] if status else []
        fact = f"{len(found)} of {BURST_LINES} arrive, {times_fact(found)}"
        results.append((f"burst {burst}: every line of a dying container", problems, fact))
    return results


def bursts_to_a_reader(task):
    """What is left of the same bursts for a program that only reads: when that loses lines too, the machine is busy."""
    reader = Reader(task.home / "reader.sock")
    counts = []
    for burst in range(1, BURSTS + 1):
        task.hold()
        app = task.app(f"reader-{burst}", "control", "burst", str(BURST_LINES), socket="reader.sock")
        task.go()
        task.wait(app)
        time.sleep(READER_SECONDS)
        counts.append(reader.take())
    print(f"     a program that only reads gets of {BURST_LINES}: {' '.join(map(str, counts))}", flush=True)


def health(report, task):
    """The health check of the agent's documentation, once by hand and by the engine since the start."""
    began = time.monotonic()
    command = "echo '{\"health\": \"check\"}' | nc 127.0.0.1 8877"
    try:
        docker("exec", task.router, "sh", "-c", command)
        problems = []
    except Failed as failed:
        problems = [str(failed)]
    seconds = time.monotonic() - began
    problems += [f"took {seconds:.1f} s"] if seconds > HEALTH_SECONDS_MAX else []
    problems += ["gave a log event"] if task.events("firelens-healthcheck") else []
    report.check("health: nc 127.0.0.1 8877", problems, f"{seconds * 1000:.0f} ms with docker exec")
    state = task.inspect(task.router)["State"]["Health"]["Status"]
    report.check("health: the engine's view since the start", [] if state == "healthy" else [state], state)


def state_of_router(report, task):
    """What the bursts left behind."""
    command = docker("exec", task.router, "cat", "/proc/1/comm")
    report.check("router: process 1 is Firelane", [] if command == "fluent-bit" else [command])
    status = docker("exec", task.router, "cat", "/proc/1/status")
    peak = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    print(f"     peak resident memory of the router: {int(peak) / 1024:.1f} MiB")
    account = task.account()
    report.check("endpoint: no limit violated, every signature right", evidence.endpoint_problems(account))


def stop(report, task, how):
    """`docker stop` while an app writes: what was read is delivered, and the last line says so."""
    tag = f"app-firelens-{TASK_ID}"
    task.hold()
    task.app("drip", tag, "drip")
    task.go()
    time.sleep(3)
    began = time.monotonic()
    docker("stop", "--time", str(STOP_SECONDS_MAX), task.router)
    seconds = time.monotonic() - began
    status = task.inspect(task.router)["State"]["ExitCode"]
    problems = [f"took {seconds:.1f} s"] if seconds >= STOP_SECONDS_MAX else []
    problems += [f"exit status {status}"] if status else []
    report.check(f"stop ({how}): in time, exit status 0", problems, f"{seconds:.1f} s")
    found = evidence.records(task.events(tag))
    written = [f"drip {number}" for number in range(1, len(found) + 1)]
    lines = evidence.lines_problems(evidence.logs_of(found, "stdout"), written, "stdout")
    report.check(f"stop ({how}): no gap before the last line", lines or ([] if found else ["nothing arrived"]), f"{len(found)} lines")
    last = task.last_line(task.router)
    report.check(f"stop ({how}): the closing account", evidence.closing_problems(last, len(found)), last)
    report.check(f"stop ({how}): nothing forbidden", evidence.endpoint_problems(task.account()))


def scenario(report, task, command, health_check, steps):
    """Runs `steps` on a task of their own; what a router logged is shown when one of them failed."""
    failed = report.failed
    with task:
        try:
            task.start(command, health_check)
            for step in steps:
                step(report, task)
        except (Failed, ValueError) as trouble:
            report.check("the run itself", [str(trouble)])
        if report.failed > failed and hasattr(task, "router"):
            print("--- the last lines of the router\n" + "\n".join(task.logs(task.router).splitlines()[-30:]) + "\n---")


def main():
    image, app_image = sys.argv[1:]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    report = Report()
    check_image(report, image)
    steps = [three_at_once, bursts, health, state_of_router]
    scenario(report, Task(image, app_image, "main"), [], True, steps)
    for how, command in (("entrypoint", []), ("command of AWS's image", UPSTREAM_COMMAND)):
        steps = [lambda report, task, how=how: stop(report, task, how)]
        scenario(report, Task(image, app_image, "stop"), command, False, steps)
    print(f"{report.passed} passed, {report.failed} failed")
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
