"""Servers to ask: the embedded one in this process, and the real one where there is one."""

import os
import re
import shutil
import socket
import subprocess
import time

import grpc

LOOPBACK = "127.0.0.1"
START_SECONDS = 60


def real_server():
    """Path of a `tensorflow_model_server`: of $TENSORFLOW_MODEL_SERVER, or on the PATH; or None."""
    return os.environ.get("TENSORFLOW_MODEL_SERVER") or shutil.which("tensorflow_model_server")


def free_port():
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return probe.getsockname()[1]


def port_flags():
    """(gRPC address, REST address, their flags)."""
    port, rest_port = free_port(), free_port()
    # By default four threads a core refuse calls on a small machine even one by one.
    flags = [f"--port={port}", f"--rest_api_port={rest_port}", "--grpc_max_threads=64"]
    return f"{LOOPBACK}:{port}", f"{LOOPBACK}:{rest_port}", flags


class Embedded:
    """`serving.server`, started in this process by the flags of its command line."""

    # These two configurations hold cases in which the real server hangs. It is imitated only when
    # asked to; what is answered otherwise is tested with the server's own tests.
    _WITH_FAULTS = ("batching", "reload_blocked")

    # It polls five times as often as the real one can, so pauses may be shorter.
    pace = 0.4
    _EVERY_SECOND = re.compile(r"(poll_wait_seconds)=1$")

    def __init__(self, configuration, flags):
        from serving import server

        self.grpc_address, self.rest_address, ports = port_flags()
        if configuration in self._WITH_FAULTS:
            flags = [*flags, "--imitate_faults=true"]
        flags = [self._EVERY_SECOND.sub(r"\1=0.2", flag) for flag in flags]
        self._running = server.start(server.parse([*ports, *flags]))

    def stop(self):
        self._running.stop(grace_seconds=1)

    @staticmethod
    def failed_start(flags, log):
        from serving import server

        _, _, ports = port_flags()
        with log.open("w") as file:
            code = server.run(server.parse([*ports, *flags]), errors=file)
        return code, log.read_text()


class Real:
    """The real server, as a process of its own. It listens on every interface."""

    pace = 1.0

    def __init__(self, configuration, flags):
        self.grpc_address, self.rest_address, ports = port_flags()
        output = subprocess.DEVNULL
        command = [real_server(), *ports, *flags]
        self._process = subprocess.Popen(command, stdout=output, stderr=output)
        try:
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise

    def _wait_until_ready(self):
        with grpc.insecure_channel(self.grpc_address) as channel:
            grpc.channel_ready_future(channel).result(timeout=START_SECONDS)
        host, _, port = self.rest_address.partition(":")
        end = time.monotonic() + START_SECONDS
        while True:
            try:
                socket.create_connection((host, int(port)), timeout=1).close()
                return
            except OSError:
                assert time.monotonic() < end, "the REST port stays closed"
                time.sleep(0.1)

    def stop(self):
        self._process.terminate()
        self._process.wait()

    @staticmethod
    def failed_start(flags, log):
        _, _, ports = port_flags()
        with log.open("w") as file:
            ended = subprocess.run(
                [real_server(), *ports, *flags],
                stdout=file,
                stderr=file,
                timeout=START_SECONDS,
                check=False,
            )
        return ended.returncode, log.read_text(errors="replace")


KINDS = {"embedded": Embedded} | ({"real": Real} if real_server() else {})


def start_failure(text):
    """The line that says why a server did not start, or ""."""
    found = re.findall(r"Failed to start server\. Error: .*", text)
    return found[-1] if found else ""
