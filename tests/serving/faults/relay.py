"""A connection in between, which stops passing on what one side sends, or breaks."""

import select
import socket
import struct
import threading

from tests.conformance.servers import LOOPBACK

_CHUNK_BYTES = 2**16
_LOOK_SECONDS = 0.02  # between two looks whether it is over
# Closing then sends RST, as when a process is killed.
_RESET = struct.pack("ii", 1, 0)


class Relay:
    """Passes the bytes of connections to a port on, up to a limit each way.

    Once an answer has reached its limit, no more of it is read: the server sees a client that does
    not read. Once a request has, the connection is reset, as all are at the end of the `with`
    block: the server sees a client that vanishes.

    Attributes:
        address: to connect to instead of the server's.
    """

    def __init__(self, port, request_bytes=None, answer_bytes=None):
        """Listen on a free port.

        Args:
            port: of the server.
            request_bytes: passed on from a client before the connection breaks; None for all.
            answer_bytes: passed on from the server before it is read no more; None for all.
        """
        self._port = port
        self._limits = (request_bytes, answer_bytes)
        self._over = threading.Event()
        self._threads = []
        self._listener = socket.create_server((LOOPBACK, 0))
        self._listener.settimeout(_LOOK_SECONDS)
        self.address = f"{LOOPBACK}:{self._listener.getsockname()[1]}"
        self.stalled = threading.Event()  # an answer has reached its limit
        self.broken = threading.Event()  # a request has

    def __enter__(self):
        self._run(self._accept)
        return self

    def __exit__(self, *_):
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _run(self, function, *arguments):
        thread = threading.Thread(target=function, args=arguments)
        self._threads.append(thread)
        thread.start()

    def _accept(self):
        with self._listener:
            while not self._over.is_set():
                try:
                    client, _ = self._listener.accept()
                except TimeoutError:
                    continue
                server = socket.socket()
                # As little as the kernel allows lies between the server and what is not read.
                server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                server.connect((LOOPBACK, self._port))
                self._run(self._relay, client, server)

    def _relay(self, client, server):
        try:
            self._pass_on(client, server)
        except OSError:  # one side closed; so does the other
            pass
        finally:
            for each in (client, server):
                each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                each.close()

    def _pass_on(self, client, server):
        left = dict(zip((client, server), self._limits, strict=True))
        while not self._over.is_set():
            for source in select.select(list(left), [], [], _LOOK_SECONDS)[0]:
                limit = left[source]
                data = source.recv(_CHUNK_BYTES if limit is None else min(limit, _CHUNK_BYTES))
                if not data:
                    return
                (server if source is client else client).sendall(data)
                if limit is None:
                    continue
                left[source] = limit - len(data)
                if left[source]:
                    continue
                if source is client:
                    self.broken.set()
                    return
                self.stalled.set()
                del left[source]
