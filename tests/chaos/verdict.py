"""What was seen at both ends, held against the promises. Nothing here runs a process."""

import collections
import re
from dataclasses import dataclass, field

from course import must_arrive

# Exit status of a router that left something without an end.
EXIT_LEFT = 2
# A router that was killed may have had answers that it had not yet noted on disk.
UNNOTED_SECONDS = 1.0
# Between the acceptance of a batch and the router's knowing of it.
ANSWER_SECONDS = 0.15
# A router at its deadline gives up what is in flight, and then stores what is left.
STORE_SECONDS = 0.75
# Most bytes of a block on disk: damage to one byte may cost a whole one.
BLOCK_BYTES_MAX = 262_144
# What the router says of a disk that has no room for what is left at the end.
DISK_FULL = re.compile(r"\d+ of \d+ bytes are used; it is left")
# While the disk has room nobody is held up for longer in one write: the Fargate log shim gives up on a write after
# this time. Generous, as the machine may do something else as well.
WRITE_SECONDS_MAX = 5
LINE = re.compile(r" id=(\w+) seq=(\d+)")


@dataclass
class Verdict:
    """What is wrong with a run, and what it was like."""

    problems: list
    written: int
    arrived: int
    doubles: int
    in_doubt: int
    longest_write_ms: float
    seconds: float


@dataclass
class Copy:
    """One arrival of a record."""

    at: float
    is_in_doubt: bool


@dataclass
class Arrivals:
    """The arrivals of a sender's records, in order."""

    copies: dict = field(default_factory=lambda: collections.defaultdict(list))
    inversions: list = field(default_factory=list)
    highest: int = -1

    def take(self, number, copy):
        if number not in self.copies:
            if number < self.highest:
                self.inversions.append((number, self.highest))
            self.highest = max(self.highest, number)
        self.copies[number].append(copy)


def judge(scenario, seen):
    """Everything that is wrong with a run."""
    problems, arrivals, in_doubt = arrived(seen)
    doubles = 0
    if not seen.is_drained:
        problems.append("not drained in time")
    for sender in seen.senders:
        of_sender = arrivals[sender.plan.name]
        problems += judge_sender(scenario, seen, sender, of_sender)
        doubles += sum(len(copies) - 1 for copies in of_sender.copies.values())
    problems += judge_left(scenario, seen, arrivals)
    problems += judge_writes(scenario, seen)
    problems += judge_ambiguous(seen, arrivals)
    for number, session in enumerate(seen.sessions):
        is_last = number == len(seen.sessions) - 1
        is_damaged = any(earlier.damaged for earlier in seen.sessions[:number])
        problems += [f"session {number}: {one}" for one in judge_session(scenario, session, is_damaged, is_last)]
    problems += judge_ledger(scenario, seen)
    if seen.account["violations"] or seen.account["unnumbered"]:
        problems.append(f"the endpoint saw {seen.account['violations']}, {seen.account['unnumbered']} unnumbered")
    return Verdict(
        problems=problems,
        written=sum(len(times_written(sender)) for sender in seen.senders),
        arrived=seen.account["events"],
        doubles=doubles,
        in_doubt=in_doubt,
        longest_write_ms=max(sender.longest_write_seconds for sender in seen.senders) * 1000,
        seconds=seen.seconds,
    )


def arrived(seen):
    """Problems, arrivals by sender, and the number of records of batches in doubt."""
    problems, in_doubt = [], 0
    arrivals = collections.defaultdict(Arrivals)
    for stream, (events, puts) in seen.streams.items():
        if sum(put["events"] for put in puts) != len(events):
            problems.append(f"{stream}: the endpoint kept {len(events)} events of {puts}")
        rest = iter(events)
        for put in puts:
            is_in_doubt = doubtful(seen, put)
            in_doubt += put["events"] * is_in_doubt
            for _, (_, message) in zip(range(put["events"]), rest):
                found = LINE.search(message)
                if not found:
                    problems.append(f"{stream}: {message[:80]!r} was never written")
                    continue
                arrivals[found[1]].take(int(found[2]), Copy(put["at_ms"] / 1000, is_in_doubt))
    return problems, arrivals, in_doubt


def doubtful(seen, put):
    """Whether the router may not know that a batch was taken."""
    if put["answer"] != "sent":
        return True
    answered = (put["at_ms"] + put["delay_ms"]) / 1000
    accepted = put["at_ms"] / 1000
    for began, seconds in seen.aways:
        # Connections end at the beginning; an answer that was held back is not written then.
        if accepted <= began + seconds and answered >= began - ANSWER_SECONDS:
            return True
    # The session that sent it: the first to end after the batch was accepted.
    session = next((one for one in seen.sessions if one.ended >= accepted), None)
    # Taken when that process was gone: the request was on its way.
    if session is None or accepted < session.began:
        return True
    if session.how.startswith("kill"):
        return answered >= session.ended - UNNOTED_SECONDS
    return answered >= session.ended - (STORE_SECONDS if session.closing.get("stored") else ANSWER_SECONDS)


def times_written(sender):
    """How often each record went out whole."""
    times = collections.Counter()
    for connection in sender.connections:
        for chunk in connection.chunks:
            times.update(range(chunk.first, chunk.after))
    return times


def judge_sender(scenario, seen, sender, arrivals):
    """One sender's records: lost, out of order, twice without a reason."""
    name, plan = sender.plan.name, sender.plan
    problems = [f"{name}: {sender.failure}"] if sender.failure else []
    written = times_written(sender)
    missing = sorted(
        one for one in must_arrive(scenario, sender) if one not in arrivals.copies and not plan.is_ancient(one)
    )
    if missing and not is_allowed_for(scenario, seen, missing, plan):
        kind = "acknowledged" if plan.has_acks else "written"
        problems.append(f"{name}: {len(missing)} records {kind} and lost, from {missing[0]} to {missing[-1]}")
    # What was damaged on disk before it was acknowledged comes again from its sender, behind what was not damaged.
    if arrivals.inversions and not any(session.damaged for session in seen.sessions):
        number, highest = arrivals.inversions[0]
        problems.append(f"{name}: {len(arrivals.inversions)} out of order, first {number} after {highest}")
    begun = {number for number in arrivals.copies if number >= sender.records}
    if begun:
        problems.append(f"{name}: {len(begun)} arrived that were never written, first {min(begun)}")
    unexplained = [
        number
        for number, copies in arrivals.copies.items()
        if len(copies) > max(1, written[number]) + sum(copy.is_in_doubt for copy in copies[:-1])
    ]
    if unexplained:
        problems.append(f"{name}: {len(unexplained)} arrived twice without a doubt, first {min(unexplained)}")
    return problems + resets(seen, sender)


def is_allowed_for(scenario, seen, missing, plan):
    """Whether what is missing is what the run itself cut off the store."""
    damaged = [session.damaged for session in seen.sessions if session.damaged]
    if not damaged:
        return False
    # The router must say which file was not whole.
    told = all(any(path.name in session.log for session in seen.sessions) for path in damaged)
    return told and len(missing) * plan.line_bytes <= scenario.cut_bytes + len(damaged) * BLOCK_BYTES_MAX


def judge_left(scenario, seen, arrivals):
    """Where the disk is full a router stops reading, so that of each connection a beginning arrives. What is missing of
    it is what closing lines admit as left, and no more: each is of a router that ended with the status for it and said
    that its disk was full."""
    if not scenario.has_small_disk or scenario.is_killed:
        return []
    gaps = [gap for sender in seen.senders for gap in holes(scenario, sender, arrivals[sender.plan.name])]
    admitted = sum(session.closing["left"] for session in seen.sessions if has_left(session))
    missing = sum(count for _, count, _, _ in gaps)
    if missing <= admitted:
        return []
    found = "; ".join(f"{name}: {first} is missing, but {behind} came in behind it" for name, _, first, behind in gaps[:3])
    return [f"{missing} records are missing of what was read, {admitted} were left for want of room: {found}"]


def has_left(session):
    """Whether a router left something because it could not do otherwise, and said so."""
    return session.status == EXIT_LEFT and session.closing.get("left", 0) > 0 and bool(DISK_FULL.search(session.log))


def holes(scenario, sender, arrivals):
    """Of each connection with a gap, what was read and did not arrive: the sender, how many, the first, and one behind
    it that arrived, or was acknowledged."""
    is_durable = scenario.durable[sender.plan.transport == "tcp"]
    if sender.plan.has_acks and is_durable:
        # These are all there, or lost: see `must_arrive`.
        return
    for connection in sender.connections:
        numbers = [one for chunk in connection.chunks for one in range(chunk.first, chunk.after)]
        numbers = [one for one in numbers if not sender.plan.is_ancient(one)]
        is_read = [one in arrivals.copies or one in sender.acked for one in numbers]
        last = max((at for at, read in enumerate(is_read) if read), default=-1)
        gone = [one for one in numbers[: last + 1] if one not in arrivals.copies]
        if gone:
            yield sender.plan.name, len(gone), gone[0], numbers[last]


def judge_writes(scenario, seen):
    """While the disk has room nobody is held up: what is more than memory holds goes there."""
    if scenario.has_small_disk:
        return []
    return [
        f"{sender.plan.name}: held up for {sender.longest_write_seconds:.1f} s in one write although the disk had room,"
        f" at most {WRITE_SECONDS_MAX} s"
        for sender in seen.senders
        if sender.longest_write_seconds > WRITE_SECONDS_MAX
    ]


def resets(seen, sender):
    """A connection may end only when the router does."""
    for connection in sender.connections:
        # A router that stops closes connections from the signal on.
        ends = ((one.asked or one.ended - 0.5, one.ended + 2) for one in seen.sessions)
        if connection.why and not any(began <= connection.ended <= ended for began, ended in ends):
            return [f"{sender.plan.name}: a connection ended while the router was running: {connection.why}"]
    return []


def judge_ambiguous(seen, arrivals):
    """Doubles within one life of the router, which no sender made, are among those it counts as ambiguous."""
    problems = []
    written = {sender.plan.name: times_written(sender) for sender in seen.senders}
    for number, session in enumerate(seen.sessions):
        if session.how.startswith("kill"):
            continue
        doubles = 0
        for name, of_sender in arrivals.items():
            for record, copies in of_sender.copies.items():
                within = sum(session.began <= copy.at < session.asked for copy in copies)
                doubles += max(0, within - max(1, written[name][record]))
        if session.ambiguous is None:
            problems.append(f"session {number}: /metrics does not answer")
        elif doubles > session.ambiguous:
            problems.append(f"session {number}: {doubles} arrived twice, {session.ambiguous} counted as ambiguous")
    return problems


def judge_session(scenario, session, is_damaged, is_last):
    """How a router process ended, and whether its closing line adds up."""
    if session.how.startswith("kill"):
        return []
    problems, line = [], collections.Counter(session.closing)
    # Where the disk is full, a deadline leaves what has no place.
    may_leave = scenario.has_small_disk and not is_last and has_left(session)
    if session.status != 0 and not may_leave:
        problems.append(f"exit status {session.status}, expected 0")
    if session.stop_seconds > scenario.grace + 1:
        problems.append(f"stopped after {session.stop_seconds:.1f} s, Grace is {scenario.grace}")
    if "panicked" in session.log:
        problems.append("panicked" + session.log.split("panicked", 1)[1][:300])
    if not session.closing:
        return [*problems, "no closing line"]
    came = line["received"] + line["replayed"] + line["made"]
    went = line["delivered"] + line["merged"] + line["dropped"] + line["stored"] + line["left"]
    if came != went:
        problems.append(f"the closing line does not add up: {session.closing}")
    excused = line["dropped_too_old"] + (line["dropped_damaged"] if is_damaged else 0)
    if (line["left"] and not may_leave) or line["dropped"] != excused:
        problems.append(f"not everything has a good end: {session.closing}")
    if is_last and line["stored"]:
        problems.append(f"{line['stored']} stored although all was delivered")
    return problems


def judge_ledger(scenario, seen):
    """The closing lines of all sessions against what was written and what arrived."""
    if scenario.is_killed:
        return []
    problems = []
    lines = [collections.Counter(session.closing) for session in seen.sessions]
    total = collections.Counter()
    for number, line in enumerate(lines):
        # What was stored is read back by one of those that follow, once.
        if total["replayed"] + line["replayed"] > total["stored"]:
            problems.append(f"session {number}: {line['replayed']} replayed, more than was stored before: {lines}")
        total.update(line)
    if total["replayed"] != total["stored"]:
        problems.append(f"{total['stored']} stored, {total['replayed']} replayed in the end")
    written, ancient = 0, 0
    for sender in seen.senders:
        times = times_written(sender)
        written += sum(times.values())
        ancient += sum(count for number, count in times.items() if sender.plan.is_ancient(number))
    if total["received"] > written or (total["received"] < written and not scenario.has_small_disk):
        problems.append(f"{written} written, the ledger received {total['received']}")
    if total["dropped_too_old"] != ancient and not scenario.has_small_disk:
        problems.append(f"{ancient} too old written, the ledger dropped {total['dropped_too_old']}")
    events = seen.account["events"]
    doubtful_events = sum(
        put["events"] for _, puts in seen.streams.values() for put in puts if doubtful(seen, put)
    )
    extras = events - total["delivered"]
    if not 0 <= extras <= doubtful_events:
        problems.append(f"the endpoint took {events}, the ledger delivered {total['delivered']}, {doubtful_events} in doubt")
    return problems
