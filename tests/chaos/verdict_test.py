"""The verdict finds what it is there for: each test makes one thing wrong in a run that was right.

    python3 tests/chaos/verdict_test.py
"""

import collections
import dataclasses
import sys
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[1])]

from course import Seen, Session  # noqa: E402
from scenario import draw  # noqa: E402
from sender import Chunk, Plan, Sender, Written  # noqa: E402
from verdict import WRITE_SECONDS_MAX, judge  # noqa: E402

BEGAN = 1_000.0
ASKED = 1_010.0
ENDED = 1_011.0
RECORDS = 6
PLAN = Plan("s0", "app-s0", "tcp", "forward", 2, False, 100, 80, 0)


def made(plan=PLAN):
    """A sender that wrote all its records over one connection."""
    sender = Sender(plan, None)
    sender.records = RECORDS
    chunks = [Chunk(first // 2, first, first + 2, b"") for first in range(0, RECORDS, 2)]
    sender.connections = [Written(BEGAN, chunks)]
    return sender


def put(at, events, answer="sent", delay_ms=0):
    return {"at_ms": int(at * 1000), "events": events, "answer": answer, "delay_ms": delay_ms}


SMALL_DISK = {"has_small_disk": True}
FULL = "[error] cloudwatch_logs.0: 1794300 of 2000000 bytes are used; it is left"


def run_left(numbers=(0, 1, 4, 5), delivered=4, sender=None, session=None, scenario=None):
    """The problems of a run in which a router left 2 records, as its disk was full, and another came after it."""
    line = {"received": delivered + 2, "delivered": delivered, "dropped": 0, "left": 2}
    ended = {"status": 2, "log": FULL, **(session or {})}
    scenario = {**SMALL_DISK, **(scenario or {})}
    return run(numbers, sender=sender, line=line, session=ended, scenario=scenario, has_next=True)


def run(numbers=range(RECORDS), puts=None, sender=None, line=None, session=None, scenario=None, has_next=False):
    """The problems of a run in which these numbers arrived, of one router or, `has_next`, of two."""
    sender = sender or made()
    numbers = list(numbers)
    puts = puts or [put(BEGAN + 1, len(numbers))]
    line = line or {"received": RECORDS, "delivered": RECORDS, "dropped": 0, "left": 0, "lost": 0}
    ended = Session(BEGAN, ENDED, "term", 0, 0.1, line, ASKED, 0, "")
    ended = dataclasses.replace(ended, **(session or {}))
    empty = {"received": 0, "delivered": 0, "dropped": 0, "left": 0}
    following = [Session(ENDED, ENDED + 1, "term", 0, 0.1, empty, ENDED + 0.9, 0, "")] if has_next else []
    events = [[0, f"line id=s0 seq={number:09} x"] for number in numbers]
    account = {"events": len(events), "violations": {}, "unnumbered": 0}
    plain = dataclasses.replace(draw(0), ends=(), has_small_disk=False, grace=5)
    scenario = dataclasses.replace(plain, **(scenario or {}))
    return judge(scenario, Seen([ended, *following], [sender], {"of-s0": (events, puts)}, account, [], True, 1.0)).problems


class Verdicts(unittest.TestCase):
    def one(self, problems, *words):
        self.assertTrue(any(all(word in problem for word in words) for problem in problems), problems)

    def test_a_run_that_is_right_has_no_problem(self):
        self.assertEqual(run(), [])

    def test_a_record_that_is_missing_is_lost(self):
        self.one(run([0, 1, 2, 3, 5]), "1 records written and lost, from 4 to 4")

    def test_what_was_not_acknowledged_is_not_lost_and_what_was_is(self):
        sender = made(dataclasses.replace(PLAN, has_acks=True))
        sender.acked = {0, 1}
        short = {"received": 6, "delivered": 2, "dropped": 0, "left": 0, "stored": 4}
        self.assertFalse(any("lost" in problem for problem in run([0, 1], sender=sender, line=short)))
        self.one(run([0], sender=sender), "1 records acknowledged and lost")

    def test_a_record_that_comes_after_a_later_one_is_out_of_order(self):
        self.one(run([0, 2, 1, 3, 4, 5]), "1 out of order, first 1 after 2")

    def test_a_double_without_a_doubt_is_found(self):
        self.one(run([0, 0, 1, 2, 3, 4, 5]), "1 arrived twice without a doubt, first 0")

    def test_a_double_of_a_batch_without_an_answer_is_in_order_if_it_is_counted(self):
        doubt = [put(BEGAN + 1, 2, "reset"), put(BEGAN + 2, RECORDS)]
        again = [0, 1, *range(RECORDS)]
        self.assertEqual(run(again, puts=doubt, session={"ambiguous": 2}), [])
        self.one(run(again, puts=doubt, session={"ambiguous": 1}), "2 arrived twice, 1 counted as ambiguous")

    def test_a_batch_taken_just_before_a_kill_is_in_doubt_and_one_long_before_is_not(self):
        again = [0, 1, *range(RECORDS)]
        for before, is_wrong in ((0.9, False), (1.2, True)):
            # The second is of the router that followed.
            puts = [put(ENDED - before, 2), put(ENDED + 1, RECORDS)]
            problems = run(again, puts=puts, session={"how": "kill", "status": -9}, scenario={"ends": draw_kill()})
            self.assertEqual(any("twice without a doubt" in one for one in problems), is_wrong, problems)

    def test_what_a_sender_wrote_twice_may_arrive_twice(self):
        sender = made()
        sender.connections.append(Written(BEGAN + 1, sender.connections[0].chunks[:1]))
        line = {"received": RECORDS + 2, "delivered": RECORDS + 2, "dropped": 0, "left": 0}
        self.assertEqual(run([0, 1, 0, 1, 2, 3, 4, 5], sender=sender, line=line), [])

    def test_a_record_that_nobody_wrote_is_found(self):
        self.one(run(range(RECORDS + 1)), "1 arrived that were never written")

    def test_a_closing_line_must_add_up_and_match_both_ends(self):
        off = {"received": 7, "delivered": 6, "dropped": 0, "left": 0}
        self.one(run(line=off), "does not add up")
        self.one(run(line={**off, "left": 1}), "not everything has a good end")
        self.one(run(line={**off, "delivered": 7}), "6 written, the ledger received 7")
        self.one(run(line={**off, "delivered": 7}), "the endpoint took 6, the ledger delivered 7")

    def test_a_wrong_status_a_late_stop_and_a_silent_one_are_found(self):
        self.one(run(session={"status": 2}), "exit status 2")
        self.one(run(session={"stop_seconds": 6.1}), "stopped after 6.1 s")
        self.one(run(session={"closing": {}}), "no closing line")

    def test_a_connection_that_ends_while_the_router_runs_is_found(self):
        for ended, is_wrong in ((ASKED - 1, True), (ENDED, False)):
            sender = made()
            sender.connections[0].ended, sender.connections[0].why = ended, "reset"
            self.assertEqual(any("connection ended" in one for one in run(sender=sender)), is_wrong)

    def test_behind_a_gap_nothing_of_a_connection_may_arrive(self):
        line = {"received": 4, "delivered": 4, "dropped": 0, "left": 0}
        self.assertEqual(run(range(4), line=line, scenario=SMALL_DISK), [])
        self.one(run([0, 1, 4, 5], line=line, scenario=SMALL_DISK), "2 records are missing", "0 were left", "5 came in")

    def test_what_a_full_disk_left_may_be_missing_if_the_router_says_so_and_how(self):
        self.assertEqual(run_left(), [])
        # The others of a connection are the end of it, which was never read.
        self.assertEqual(run_left(numbers=[0, 1, 4], delivered=3), [])

    def test_more_than_was_left_may_not_be_missing(self):
        self.one(run_left(numbers=[0, 5], delivered=2), "4 records are missing", "2 were left")

    def test_nothing_may_be_left_where_the_disk_has_room(self):
        for scenario in ({}, {"has_small_disk": False}):
            problems = run_left(**({"scenario": scenario} if scenario else {"session": {"log": ""}}))
            self.one(problems, "exit status 2, expected 0")
            self.one(problems, "not everything has a good end")
        self.one(run_left(session={"log": ""}), "2 records are missing", "0 were left")
        self.one(run_left(scenario={"has_small_disk": False}), "2 records written and lost")

    def test_what_is_left_without_its_status_is_not_admitted(self):
        problems = run_left(session={"status": 0})
        self.one(problems, "2 records are missing", "0 were left")
        self.one(problems, "not everything has a good end")

    def test_the_last_router_leaves_nothing(self):
        line = {"received": 6, "delivered": 4, "dropped": 0, "left": 2}
        problems = run([0, 1, 4, 5], line=line, session={"status": 2, "log": FULL}, scenario=SMALL_DISK)
        self.one(problems, "exit status 2, expected 0")

    def test_what_was_acknowledged_of_an_input_in_memory_may_be_left_and_of_one_on_disk_not(self):
        for durable, problem in (((False, False), ""), ((True, True), "2 records acknowledged and lost")):
            sender = made(dataclasses.replace(PLAN, has_acks=True))
            sender.acked = set(range(RECORDS))
            problems = run_left(numbers=[0, 1, 2, 3], sender=sender, scenario={"durable": durable})
            self.assertEqual(problems, [f"s0: {problem}, from 4 to 5"] if problem else [])

    def test_nobody_is_held_up_for_longer_than_a_shim_waits_while_the_disk_has_room(self):
        for seconds, is_wrong in ((WRITE_SECONDS_MAX, False), (WRITE_SECONDS_MAX + 0.1, True)):
            sender = made()
            sender.longest_write_seconds = seconds
            self.assertEqual(any("held up for 5.1 s" in one for one in run(sender=sender)), is_wrong)
            self.assertEqual(run(sender=sender, scenario=SMALL_DISK), [])

    def test_a_seed_always_draws_the_same(self):
        kinds = collections.Counter()
        for seed in range(300):
            self.assertEqual(draw(seed), draw(seed))
            kinds.update(end.how for end in draw(seed).ends)
            kinds.update(fault.name for fault in draw(seed).faults)
        self.assertGreater(min(kinds.values()), 5, kinds)


def draw_kill():
    return next(draw(seed).ends for seed in range(100) if draw(seed).is_killed)


if __name__ == "__main__":
    unittest.main()
