"""What log events prove: each function takes what arrived and what was written and gives back what is wrong with it.

Pure: knows no container and no socket. An empty list of problems means proven.
"""

import json
import re

METADATA = {
    "ecs_cluster": "orders",
    "ecs_task_arn": "arn:aws:ecs:us-east-1:123456789012:task/orders/0123456789abcdef0123456789abcdef",
    "ecs_task_definition": "checkout:7",
}
# Docker and the test read the same clock, the driver's times are cut to milliseconds.
CLOCK_SLACK_MS = 1
# Sub-second precision: thousands of lines over a good part of a second fall on many different milliseconds.
MILLISECONDS_MIN = 20
ACCOUNT = re.compile(r"received=(\d+) delivered=(\d+)(?: merged=(\d+))? dropped=(\d+)(?: dropped_\w+=\d+)* left=(\d+)")


def unique_object(pairs):
    """A JSON object whose members may not occur twice."""
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError(f"a field twice: {[name for name, _ in pairs]}")
    return fields


def records(events):
    """The records in the messages of `events`, as `(timestamp, fields)`."""
    return [(timestamp, json.loads(message, object_pairs_hook=unique_object)) for timestamp, message in events]


def lines_problems(found, written, source):
    """Whether `found`, the lines of one source in order of acceptance, are the `written` ones, each once, in order."""
    if found == written:
        return []
    missing = len(set(written) - set(found))
    twice = len(found) - len(set(found))
    strange = len(set(found) - set(written))
    place = {line: number for number, line in enumerate(written)}
    known = [place[line] for line in found if line in place]
    inversions = sum(later < earlier for earlier, later in zip(known, known[1:]))
    place_of_loss = " (the last ones)" if missing and found == written[: len(found)] else ""
    return [
        f"{source}: {missing} missing{place_of_loss}, {twice} twice, {strange} never written, "
        f"{inversions} out of order"
    ]


def metadata_problems(found, container_id, container_name):
    """Whether every record has exactly the fields of the driver and of the agent's record_modifier."""
    expected = {"container_id": container_id, "container_name": container_name, **METADATA}
    for _, fields in found:
        rest = {name: value for name, value in fields.items() if name not in ("log", "source")}
        if rest != expected or fields.get("source") not in ("stdout", "stderr"):
            return [f"fields of a record are {dict(fields, log='...')}"]
    return []


def time_problems(found, begin_ms, end_ms):
    """Whether the times are the driver's: within the run, below a second, and never back within a source."""
    problems = []
    times = [timestamp for timestamp, _ in found]
    outside = sum(not begin_ms - CLOCK_SLACK_MS <= timestamp <= end_ms + CLOCK_SLACK_MS for timestamp in times)
    if outside:
        problems.append(f"{outside} times outside the run")
    if len({timestamp % 1000 for timestamp in times}) < MILLISECONDS_MIN:
        problems.append("times without sub-second precision")
    for source in ("stdout", "stderr"):
        own = [timestamp for timestamp, fields in found if fields.get("source") == source]
        back = sum(later < earlier for earlier, later in zip(own, own[1:]))
        if back:
            problems.append(f"{source}: time goes back {back} times")
    return problems


def logs_of(found, source):
    """The lines of one source, in order of acceptance."""
    return [fields.get("log") for _, fields in found if fields.get("source") == source]


def endpoint_problems(account):
    """Whether the endpoint met nothing that the service forbids; wrong signatures are among it."""
    problems = [f"{rule}: {broken}" for rule, broken in account["violations"].items()]
    if not account["complete"]:
        problems.append("the endpoint did not keep every event")
    return problems


def balances(line):
    """The accounts in a closing line, as dicts."""
    names = ("received", "delivered", "merged", "dropped", "left")
    return [dict(zip(names, (int(number or 0) for number in account.groups()))) for account in ACCOUNT.finditer(line)]


def closing_problems(line, counted):
    """Whether the accounts of a closing line balance and say what the endpoint counted."""
    accounts = balances(line)
    problems = [] if accounts else [f"no account in the last line: {line!r}"]
    for account in accounts:
        ended = account["delivered"] + account["merged"] + account["dropped"] + account["left"]
        if ended != account["received"]:
            problems.append(f"does not balance: {account}")
        if account["dropped"] or account["left"]:
            problems.append(f"not everything was delivered: {account}")
    if accounts and all(account["delivered"] != counted for account in accounts):
        problems.append(f"the endpoint counted {counted}")
    return problems
