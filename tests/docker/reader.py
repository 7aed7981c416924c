"""A forward peer that only reads: how much of a burst Docker's driver gives anyone before it throws the rest away.

The measure for a burst that did not arrive whole: what a reader that does nothing else gets, on this machine, now.
"""

import socket
import threading

READ_BYTES = 1 << 20
# Every record of the driver has this key once, and no line of the bursts has it.
RECORD_MARK = b"container_id"


class Reader:
    """Listens on a unix socket and keeps what it reads; counts afterwards, when there is time for it."""

    def __init__(self, path):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen(64)
        self.chunks = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            connection, _ = self.listener.accept()
            threading.Thread(target=self._read, args=(connection,), daemon=True).start()

    def _read(self, connection):
        while chunk := connection.recv(READ_BYTES):
            self.chunks.append(chunk)

    def take(self):
        """The number of records since the last time; for one connection at a time."""
        chunks, self.chunks = self.chunks, []
        return b"".join(chunks).count(RECORD_MARK)
