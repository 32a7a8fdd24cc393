"""Which versions of which models are loaded: versions on disk, their states, hot loading."""

import os
import re
import threading
from dataclasses import dataclass

import grpc
import tensorflow as tf
from absl import logging
from tensorflow_serving.apis import get_model_status_pb2

from serving.embedded import status, warmup
from serving.embedded.saved_model import SavedModel

State = get_model_status_pb2.ModelVersionStatus.State


@dataclass(frozen=True)
class Version:
    """One version in its present state.

    Attributes:
        state: `ModelVersionStatus.State`; END after unloading and after a failed load.
        model: the `SavedModel` while AVAILABLE. A call that runs holds its own reference, so
            unloading never cuts it short.
        error: the `StatusError` of a failed load. It stays: a version is repaired by publishing
            it under a new number.
    """

    number: int
    path: str
    state: int
    model: SavedModel | None = None
    error: status.StatusError | None = None


class ServedModel:
    """One configured model and all versions of it that have been seen.

    `poll` is for one thread at a time; anybody may read `versions` meanwhile, because each change
    replaces the whole dictionary.

    Attributes:
        config: its `ModelConfig`.
        versions: `Version` by number.
    """

    def __init__(self, config, warm_up=True):
        self.config = config
        self.versions = {}
        self._warm_up = warm_up
        self._complaint = None

    def available(self):
        """The AVAILABLE versions by number."""
        return {n: v for n, v in self.versions.items() if v.state == State.AVAILABLE}

    def poll(self):
        """Look at the disk; load what the policy wants, unload what it no longer wants.

        A new version loads before the old one goes (TensorFlow Serving's
        AvailabilityPreservingPolicy), so both are in memory for a moment. While the base path is
        missing or empty everything stays as it is.
        """
        paths = self._paths_on_disk()
        wanted = self.config.policy.choose(paths)
        if not wanted:
            return
        while True:
            available = self.available()
            unwanted = sorted(available.keys() - wanted)
            new = [n for n in sorted(wanted - available.keys()) if not self._failed(n)]
            if unwanted and (available.keys() & wanted or len(unwanted) > 1):
                self._unload(unwanted[0])
            elif new:
                self._load(new[-1], paths[new[-1]])
            else:
                return

    def _paths_on_disk(self):
        name, base_path = self.config.name, self.config.base_path
        try:
            children = sorted(child.rstrip("/") for child in tf.io.gfile.listdir(base_path))
        except tf.errors.OpError as error:
            self._complain(f"Could not find base path {base_path} for servable {name}: {error}")
            return {}
        paths = {int(c): os.path.join(base_path, c) for c in children if re.fullmatch("[0-9]+", c)}
        self._complain(
            None
            if paths
            else f"No versions of servable {name} found under base path {base_path}. Did you "
            "forget to name your leaf directory as a number (eg. '/1/')?"
        )
        return paths

    def _complain(self, complaint):
        if complaint and complaint != self._complaint:
            logging.warning("%s", complaint)
        self._complaint = complaint

    def _failed(self, number):
        return number in self.versions and self.versions[number].error is not None

    def _put(self, version):
        self.versions = {**self.versions, version.number: version}

    def _load(self, number, path):
        self._put(Version(number, path, State.LOADING))
        try:
            model = SavedModel(path)
            if self._warm_up:
                warmup.replay(model, path)
        except status.StatusError as error:
            logging.error("Model %s version %d: %s", self.config.name, number, error)
            self._put(Version(number, path, State.END, error=error))
        else:
            logging.info("Model %s version %d is available.", self.config.name, number)
            self._put(Version(number, path, State.AVAILABLE, model=model))

    def _unload(self, number):
        logging.info("Model %s version %d goes.", self.config.name, number)
        self._put(Version(number, self.versions[number].path, State.END))


class Manager:
    """All configured models, and the thread that polls their folders.

    Args:
        configs: list of `ModelConfig`.
        poll_wait_seconds: between two looks at the disk; 0 looks no more after the first load.
        warm_up: whether to replay warm-up requests.
    """

    def __init__(self, configs, poll_wait_seconds=1.0, warm_up=True):
        self.models = {config.name: ServedModel(config, warm_up) for config in configs}
        self._poll_wait_seconds = poll_wait_seconds
        self._stop = threading.Event()
        self._poller = None

    def load(self):
        """Block until every model has an available version, then poll from a thread.

        Waits for a base path to appear, for ever if need be; `stop` ends the wait.

        Returns:
            Whether everything is loaded; False after `stop`.

        Raises:
            StatusError: a model has only versions that do not load, or a label names a version
                that is not loaded.
        """
        while not self._stop.is_set():
            for model in self.models.values():
                model.poll()
            self._check_for_broken_models()
            if all(model.available() for model in self.models.values()):
                self._check_labels()
                self._start_polling()
                return True
            self._stop.wait(self._poll_wait_seconds or 1.0)
        return False

    def stop(self):
        """Poll no more. Safe in a signal handler; models stay loaded."""
        self._stop.set()

    def find(self, spec):
        """The version that a `ModelSpec` asks for.

        Returns:
            (number, SavedModel).

        Raises:
            StatusError: NOT_FOUND, or INVALID_ARGUMENT without a name or for an unknown label.
        """
        if not spec.name:
            raise status.invalid_argument("ModelSpec has no name specified.")
        model = self.models.get(spec.name)
        available = model.available() if model else {}
        match spec.WhichOneof("version_choice"):
            case "version":
                number = spec.version.value
            case "version_label":
                labels = model.config.labels if model else {}
                if spec.version_label not in labels:
                    raise status.invalid_argument(
                        f"Unrecognized servable version label: {spec.version_label}"
                    )
                number = labels[spec.version_label]
            case _:
                if not available:
                    raise status.not_found(f"Servable not found for request: Latest({spec.name})")
                number = max(available)
        if number not in available:
            raise status.not_found(
                f"Servable not found for request: Specific({spec.name}, {number})"
            )
        return number, available[number].model

    def versions(self, spec):
        """What GetModelStatus lists: `Version`s, newest first. A label is ignored.

        Raises:
            StatusError: NOT_FOUND for an unknown model or version.
        """
        model = self.models.get(spec.name)
        versions = model.versions if model else {}
        if spec.WhichOneof("version_choice") == "version":
            number = spec.version.value
            if number not in versions:
                raise status.not_found(f"Could not find version {number} of model {spec.name}")
            return [versions[number]]
        if not versions:
            raise status.not_found(f"Could not find any versions of model {spec.name}")
        return [versions[number] for number in sorted(versions, reverse=True)]

    def _check_for_broken_models(self):
        broken = [
            f"{{name: {name} version: {version.number}}} due to error: {version.error}"
            for name, model in self.models.items()
            if not model.available()
            for version in model.versions.values()
        ]
        if broken:
            listed = "".join(f"{{{text}}}, " for text in broken)
            raise status.StatusError(
                grpc.StatusCode.UNKNOWN,
                f"{len(broken)} servable(s) did not become available: {{{listed}}}",
            )

    def _check_labels(self):
        for name, model in self.models.items():
            for number in model.config.labels.values():
                if number not in model.available():
                    raise status.failed_precondition(
                        f"Request to assign label to version {number} of model {name}, which is "
                        "not currently available for inference"
                    )

    def _start_polling(self):
        if self._poll_wait_seconds:
            self._poller = threading.Thread(target=self._poll, name="poll", daemon=True)
            self._poller.start()

    def _poll(self):
        while not self._stop.wait(self._poll_wait_seconds):
            for model in self.models.values():
                model.poll()
