"""All configured models: applying a configuration, finding what a request asks for."""

import threading

import grpc
from absl import logging

from serving.embedded import status
from serving.embedded.loader import Loader
from serving.embedded.servables import ServedModel

# How long a model may wait for a look at the disk while something is still to be done.
_BUSY_POLL_SECONDS = 1.0


class Manager:
    """The models, and the thread that watches their folders, loads and unloads."""

    def __init__(
        self,
        configs=(),
        loader=None,
        poll_wait_seconds=1.0,
        max_load_retries=0,
        retry_seconds=60.0,
        labels_may_precede=False,
        wait_for_missing=False,
    ):
        """Nothing is loaded before `load`.

        Args:
            configs: list of `ModelConfig`.
            loader: `Loader`; the default one replays warm-ups and does not batch.
            poll_wait_seconds: between two looks at the disk; 0 looks only when a configuration is
                applied.
            max_load_retries: further attempts at a version that does not load.
            retry_seconds: between two attempts.
            labels_may_precede: whether a label that is not in use may be given to a version that
                is not loaded.
            wait_for_missing: whether `reload` waits for a new model's missing folder, for ever
                if need be and with every later reload behind it, as tensorflow_model_server does.
        """
        self.models = {}
        self._configs = list(configs)
        self._loader = loader or Loader()
        self._poll_wait_seconds = poll_wait_seconds
        self._max_load_retries = max_load_retries
        self._retry_seconds = retry_seconds
        self._labels_may_precede = labels_may_precede
        self._wait_for_missing = wait_for_missing
        self._reloading = threading.Lock()
        self._changed = threading.Condition()
        self._to_do = False
        self._stopped = False
        self._keeper = threading.Thread(target=self._keep, name="keeper", daemon=True)

    # --- Configurations ---

    def load(self):
        """Block until every model has an available version; the folders are watched from now on.

        Waits for a base path to appear, for ever if need be; `stop` ends the wait.

        Returns:
            Whether everything is loaded; False after `stop`.

        Raises:
            StatusError: a model has only versions that do not load, or a label names a version
                that is not loaded.
        """
        self._keeper.start()
        return self._apply(self._configs)

    def reload(self, configs):
        """Serve these models instead; block until those that are new have an available version.

        Versions that are added to a model that is served already come later.

        Args:
            configs: list of `ModelConfig`. Models that it does not list are unloaded.

        Raises:
            StatusError: FAILED_PRECONDITION for a label of a version that is not loaded, or for a
                new model without a version on disk: nothing is changed then. UNKNOWN when a new
                model could not be loaded.
        """
        if not self._apply(configs, refuse_missing=not self._wait_for_missing):
            raise status.unavailable("The server is shutting down.")

    def stop(self):
        """Watch no more. Safe in a signal handler; models stay loaded."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def _apply(self, configs, refuse_missing=False):
        with self._reloading:
            self._check_labels(configs)
            served = {name for name, model in self.models.items() if model.config}
            new = {config.name: config for config in configs if config.name not in served}
            added = {name: self._new_model(config) for name, config in new.items()}
            if refuse_missing:
                self._check_for_missing(added)
            with self._changed:
                models = {**added, **self.models}
                configured = {config.name: config for config in configs}
                for name, model in models.items():
                    model.config = configured.get(name)
                self.models = models
                self._to_do = True
                self._changed.notify_all()
                return self._wait_until_available([models[name] for name in new])

    def _new_model(self, config):
        return ServedModel(
            config, self._loader, self._max_load_retries, self._retry_seconds, self._tell_change
        )

    def _check_labels(self, configs):
        """Labels are checked before anything of a configuration is applied."""
        for config in configs:
            model = self.models.get(config.name)
            available = model.available() if model else {}
            in_use = model.config.labels if model and model.config else {}
            for label, number in config.labels.items():
                may_precede = self._labels_may_precede and in_use.get(label, number) == number
                if number not in available and not may_precede:
                    raise status.failed_precondition(
                        f"Request to assign label to version {number} of model {config.name}, "
                        "which is not currently available for inference"
                    )

    def _check_for_missing(self, models):
        for model in models.values():
            complaint = model.missing(model.config)
            if complaint:
                raise status.failed_precondition(
                    f"{complaint} Nothing was changed: publish a version, then reload."
                )

    def _wait_until_available(self, models):
        """Called with `_changed` held; whether they are, False after `stop`."""
        while not self._stopped:
            broken = [
                f"{{name: {model.config.name} version: {version.number}}} "
                f"due to error: {version.error}"
                for model in models
                if not model.available()
                for version in model.failures()
            ]
            if broken:
                listed = "".join(f"{{{text}}}, " for text in broken)
                raise status.StatusError(
                    grpc.StatusCode.UNKNOWN,
                    f"{len(broken)} servable(s) did not become available: {{{listed}}}",
                )
            if all(model.available() for model in models):
                return True
            self._changed.wait()
        return False

    # --- The thread that loads and unloads ---

    def _keep(self):
        while not self._stopped:
            with self._changed:
                self._to_do = False
            for model in list(self.models.values()):
                try:
                    model.poll()
                except Exception:  # The other models, and the next look, must go on.
                    logging.exception("Looking after a model failed.")
            with self._changed:
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._to_do or self._stopped, self._pause())

    def _pause(self):
        is_busy = any(
            model.config and not model.available() and not model.failures()
            for model in self.models.values()
        )
        if is_busy:
            return min(self._poll_wait_seconds or _BUSY_POLL_SECONDS, _BUSY_POLL_SECONDS)
        return self._poll_wait_seconds or None

    def _tell_change(self):
        with self._changed:
            self._changed.notify_all()

    # --- Requests ---

    def find(self, spec):
        """The version that a `ModelSpec` asks for.

        Returns:
            (number, loaded model).

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
                labels = model.config.labels if model and model.config else {}
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
