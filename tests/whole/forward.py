"""Forward frames with numbered records as Docker's `fluentd` driver makes them, and the acks that come back.

Each line holds ` id=NAME seq=NUMBER`, which the local endpoint looks for.
"""

import gzip
import struct

CONTAINER_ID = "43481a6ce4842eec8fe72fc28500c6b52edcc0917f105b83379f88cac1ff3946"
FILL = "GET /api/v1/orders/8471/items?page:2 200 in 12 ms, 1843 bytes to 10.0.31.7; "
CHUNK_DIGITS = 12
ACK_BYTES = len(b"\x81\xa3ack\xac") + CHUNK_DIGITS


def text(value):
    """A msgpack string."""
    encoded = value.encode() if isinstance(value, str) else value
    length = len(encoded)
    if length < 32:
        return bytes([0xA0 | length]) + encoded
    if length < 256:
        return bytes([0xD9, length]) + encoded
    if length < 65_536:
        return b"\xda" + struct.pack(">H", length) + encoded
    return b"\xdb" + struct.pack(">I", length) + encoded


def event_time(unix_ns):
    """An `EventTime`: fixext 8 of type 0, then seconds and nanoseconds."""
    return struct.pack(">BBII", 0xD7, 0, unix_ns // 1_000_000_000, unix_ns % 1_000_000_000)


def acks(received):
    """The numbers of the chunks that whole acks in `received` name, and what is left of it."""
    numbers, whole = [], len(received) - len(received) % ACK_BYTES
    for start in range(0, whole, ACK_BYTES):
        ack = received[start : start + ACK_BYTES]
        if not ack.startswith(b"\x81\xa3ack\xac"):
            raise ValueError(f"no ack: {ack!r}")
        numbers.append(int(ack[-CHUNK_DIGITS:]))
    return numbers, received[whole:]


class Frames:
    """Frames of one sender."""

    def __init__(self, tag, name, line_bytes, fields=()):
        """`fields`: further texts of each record, as (key, value)."""
        self.tag = text(tag)
        self.name = name
        head = f"line id={name} seq=000000000 "
        fill = FILL * (line_bytes // len(FILL) + 1)
        self.fill = fill[: max(0, line_bytes - len(head))].encode()
        self.line_bytes = len(head) + len(self.fill)
        others = [("container_id", CONTAINER_ID), ("container_name", f"/{name}"), ("source", "stdout"), *fields]
        pairs = b"".join(text(key) + text(value) for key, value in others)
        # The line comes last: its length is always the same, so its header is, too.
        length = text(b"x" * self.line_bytes)[: -self.line_bytes]
        self.before = bytes([0x80 | (len(others) + 1)]) + pairs + text("log") + length + f"line id={name} seq=".encode()

    def record(self, number):
        return b"%b%09d %b" % (self.before, number, self.fill)

    def entry(self, number, unix_ns):
        return b"\x92" + event_time(unix_ns) + self.record(number)

    def message(self, number, unix_ns, chunk=None):
        """`[tag, time, record, option]`, what Docker sends."""
        return b"\x94" + self.tag + event_time(unix_ns) + self.record(number) + option(chunk)

    def forward(self, entries, chunk=None):
        """`[tag, [[time, record], ..], option]` of `(number, unix_ns)`."""
        packed = b"".join(self.entry(*entry) for entry in entries)
        return b"\x93" + self.tag + b"\xdc" + struct.pack(">H", len(entries)) + packed + option(chunk)

    def packed(self, entries, chunk=None):
        """`[tag, bin of entries, option]`."""
        packed = b"".join(self.entry(*entry) for entry in entries)
        return b"\x93" + self.tag + b"\xc6" + struct.pack(">I", len(packed)) + packed + option(chunk)

    def compressed(self, entries):
        """`[tag, bin of gzip, {compressed: gzip}]`."""
        return self.inflating(gzip.compress(b"".join(self.entry(*entry) for entry in entries)))

    def inflating(self, zipped):
        """A frame around a gzip stream of entries."""
        head = b"\x93" + self.tag + b"\xc6" + struct.pack(">I", len(zipped))
        return head + zipped + b"\x81" + text("compressed") + text("gzip")


def option(chunk):
    """The last member of a frame: asks for an ack if there is a chunk number."""
    if chunk is None:
        return b"\x80"
    return b"\x81" + text("chunk") + text(f"{chunk:0{CHUNK_DIGITS}}")
