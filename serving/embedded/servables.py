"""The versions of one model: those on disk, their states, loading and unloading."""

import gc
import os
import re
import time
from dataclasses import dataclass

import tensorflow as tf
from absl import logging
from tensorflow_serving.apis import get_model_status_pb2

from serving.embedded import status

State = get_model_status_pb2.ModelVersionStatus.State

_VERSION_FOLDER = re.compile(r"[0-9]+")


@dataclass(frozen=True)
class Version:
    """One version in its present state.

    Attributes:
        state: `ModelVersionStatus.State`; END after unloading and after a failed load.
        model: the loaded model while AVAILABLE. A call that runs holds its own reference, so
            unloading never cuts it short.
        error: the `StatusError` of a failed load. It stays: a version is repaired by publishing
            it under a new number.
        attempts: how many loads have failed.
        retry_at: `time.monotonic` of the next attempt, while LOADING.
    """

    number: int
    state: int
    model: object = None
    error: status.StatusError | None = None
    attempts: int = 0
    retry_at: float = 0.0


class ServedModel:
    """One model and all versions of it that have been seen.

    `poll` is for one thread at a time; anybody may read `versions` meanwhile, because each change
    replaces the whole dictionary.

    Attributes:
        config: its `ModelConfig`, or None once it is served no more.
        versions: `Version` by number; unloaded ones stay, as END.
    """

    def __init__(self, config, loader, max_retries=0, retry_seconds=60.0, on_change=lambda: None):
        """Nothing is loaded yet.

        Args:
            config: `ModelConfig`.
            loader: `loader.Loader`.
            max_retries: further attempts at a version that does not load.
            retry_seconds: between two attempts.
            on_change: called after each change of a version.
        """
        self.config = config
        self.versions = {}
        self._name = config.name
        self._loader = loader
        self._max_retries = max_retries
        self._retry_seconds = retry_seconds
        self._on_change = on_change
        # The last poll's configuration and what its policy chose.
        self._polled = (None, set())
        self._complaint = None

    def available(self):
        """The AVAILABLE versions by number."""
        return {n: v for n, v in self.versions.items() if v.state == State.AVAILABLE}

    def failures(self):
        """The versions that the present configuration wants, if none of them could be loaded."""
        config, wanted = self._polled
        if config is not self.config:
            return []
        versions = [self.versions[number] for number in sorted(wanted) if number in self.versions]
        is_broken = len(versions) == len(wanted) and all(version.error for version in versions)
        return versions if is_broken else []

    def poll(self):
        """Look at the disk; load what the policy wants, unload what it no longer wants.

        A new version loads before the old one goes (TensorFlow Serving's
        AvailabilityPreservingPolicy), so both are in memory for a moment. While the base path is
        missing or empty everything stays as it is. Without a configuration everything goes.
        """
        config = self.config
        paths = self._paths_on_disk(config) if config else {}
        wanted = config.policy.choose(paths) if config else set()
        if config and not wanted:
            return
        self._polled = (config, wanted)
        self._give_up_attempts(wanted)
        while True:
            available = self.available().keys()
            unwanted = sorted(available - wanted)
            new = [number for number in sorted(wanted - available) if self._may_load(number)]
            if unwanted and (not wanted or available & wanted or len(unwanted) > 1):
                self._unload(unwanted[0])
            elif new:
                self._load(new[-1], paths[new[-1]])
            else:
                return

    def missing(self, config):
        """Why `config` could serve no version at present, or None."""
        return None if config.policy.choose(self._paths_on_disk(config)) else self._complaint

    def _paths_on_disk(self, config):
        name, base_path = config.name, config.base_path
        try:
            children = sorted(child.rstrip("/") for child in tf.io.gfile.listdir(base_path))
        except tf.errors.OpError as error:
            self._complain(f"Could not find base path {base_path} for servable {name}: {error}")
            return {}
        paths = {
            int(child): os.path.join(base_path, child)
            for child in children
            if _VERSION_FOLDER.fullmatch(child)
        }
        if not config.policy.choose(paths):
            self._complain(
                f"No versions of servable {name} found under base path {base_path}. Did you "
                "forget to name your leaf directory as a number (eg. '/1/')?"
            )
        else:
            self._complain(None)
        return paths

    def _complain(self, complaint):
        if complaint and complaint != self._complaint:
            logging.warning("%s", complaint)
        self._complaint = complaint

    def _may_load(self, number):
        version = self.versions.get(number)
        if version is None:
            return True
        if version.state == State.LOADING:
            return time.monotonic() >= version.retry_at
        return version.error is None

    def _give_up_attempts(self, wanted):
        for number, version in self.versions.items():
            if version.state == State.LOADING and number not in wanted:
                self._put(Version(number, State.END))

    def _put(self, version):
        state = State.Name(version.state)
        logging.info("Model %s version %d: %s", self._name, version.number, state)
        self.versions = {**self.versions, version.number: version}
        self._on_change()

    def _load(self, number, path):
        before = self.versions.get(number)
        attempts = before.attempts if before and before.state == State.LOADING else 0
        self._put(Version(number, State.LOADING, attempts=attempts))
        try:
            model = self._loader.load(path)
        except status.StatusError as error:
            logging.error("Model %s version %d: %s", self._name, number, error)
            self._put(self._failed(number, attempts + 1, error))
        else:
            self._put(Version(number, State.AVAILABLE, model=model))

    def _failed(self, number, attempts, error):
        if attempts > self._max_retries:
            return Version(number, State.END, error=error)
        retry_at = time.monotonic() + self._retry_seconds
        return Version(number, State.LOADING, attempts=attempts, retry_at=retry_at)

    def _unload(self, number):
        self._put(Version(number, State.END))
        gc.collect()  # A SavedModel refers to itself: it would stay in memory for long.
