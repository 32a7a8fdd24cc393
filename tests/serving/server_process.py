"""Servers as processes of their own, which a test may harm: the embedded one, and the real one."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import grpc

from tests.conformance.servers import LOOPBACK, free_port, real_server

START_SECONDS = 120
REST_THREADS = 8
COMMANDS = {"embedded": [sys.executable, "-m", "serving.server"]}
if real_server():
    COMMANDS["real"] = [real_server()]
# The real one looks for versions once a second at most.
POLL_SECONDS = {"embedded": "0.05", "real": "1"}


def models_config(folder, names):
    """The text of a ModelServerConfig for FOLDER/NAME of each model."""
    entries = (
        f'config {{ name: "{name}" base_path: "{folder / name}" model_platform: "tensorflow" }}'
        for name in names
    )
    return f"model_config_list {{ {' '.join(entries)} }}"


@dataclass
class ServerProcess:
    """A server on ports of its own, which stay the same when it is started again.

    Attributes:
        kind: a key of `COMMANDS`.
        folder: of NAME/VERSION; every model that is there at the start is served.
        threads: gRPC calls that may run at once.
    """

    kind: str
    folder: Path
    threads: int = 32

    def __post_init__(self):
        self.port, self.rest_port = free_port(), free_port()
        self.address = f"{LOOPBACK}:{self.port}"
        self.names = sorted(path.name for path in self.folder.iterdir())
        self.log = self.folder.with_name(f"{self.folder.name}.log")
        self._process = None

    @property
    def models_config(self):
        """The text of the configuration that it starts with."""
        return models_config(self.folder, self.names)

    def start(self, log=None):
        """Start it, and return when it listens; `log` is a file to write to in place of its own."""
        config = self.folder.with_name(f"{self.folder.name}.config")
        config.write_text(self.models_config)
        flags = {
            "model_config_file": config,
            "port": self.port,
            "rest_api_port": self.rest_port,
            "grpc_max_threads": self.threads,
            "rest_api_num_threads": REST_THREADS,
            "max_num_load_retries": 0,
            "file_system_poll_wait_seconds": POLL_SECONDS[self.kind],
        }
        command = COMMANDS[self.kind] + [f"--{name}={value}" for name, value in flags.items()]
        with open(log or self.log, "w") as file:
            self._process = subprocess.Popen(command, stdout=file, stderr=file)
        with grpc.insecure_channel(self.address) as channel:
            grpc.channel_ready_future(channel).result(timeout=START_SECONDS)

    @property
    def is_running(self):
        """Whether the process that `start` made still runs."""
        return self._process.poll() is None

    def kill(self):
        """By SIGKILL."""
        self._process.kill()
        self._process.wait()
