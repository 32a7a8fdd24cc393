"""Reading models.config again and again, so that a changed file takes effect without a restart."""

import threading

from absl import logging

from serving.embedded import model_config, status


class ConfigFile:
    """Applies the file's configuration every few seconds, even over a HandleReloadConfigRequest.

    A file that is missing or broken, or a configuration that is refused, changes nothing.
    """

    def __init__(self, path, wait_seconds, manager):
        self._path = path
        self._wait_seconds = wait_seconds
        self._manager = manager
        self._stopped = threading.Event()
        self._complaint = None

    def start(self):
        threading.Thread(target=self._poll, name="config_file", daemon=True).start()

    def stop(self):
        self._stopped.set()

    def _poll(self):
        while not self._stopped.wait(self._wait_seconds):
            try:
                self._manager.reload(model_config.read(self._path))
            except status.StatusError as error:
                self._complain(status.explained(error))
            else:
                self._complain(None)

    def _complain(self, complaint):
        if complaint and complaint != self._complaint:
            logging.error("%s keeps its last good configuration: %s", self._path, complaint)
        self._complaint = complaint
