"""Which models to serve: `ModelServerConfig` text files, read into dataclasses and checked."""

import os
import re
from dataclasses import dataclass, field

from tensorflow_serving.config import model_server_config_pb2

from serving.embedded import status, text_file


@dataclass(frozen=True)
class Latest:
    """The `count` highest version numbers."""

    count: int = 1

    def choose(self, versions):
        return set(sorted(versions)[-self.count :])


@dataclass(frozen=True)
class All:
    """Every version."""

    def choose(self, versions):
        return set(versions)


@dataclass(frozen=True)
class Specific:
    """These versions, those of them that are there."""

    versions: frozenset[int]

    def choose(self, versions):
        return self.versions & set(versions)


@dataclass(frozen=True)
class ModelConfig:
    """One model to serve.

    Attributes:
        name: what requests call it.
        base_path: absolute path or URI of the folder that holds its version folders.
        policy: which of the versions on disk to serve; `choose` takes and returns numbers.
        labels: version numbers by label.
    """

    name: str
    base_path: str
    policy: Latest | All | Specific = Latest()
    labels: dict[str, int] = field(default_factory=dict)

    def __post_init__(self):
        if not (os.path.isabs(self.base_path) or re.match(r"[a-z][a-z0-9+.-]*://", self.base_path)):
            raise status.invalid_argument(
                f"Expected model {self.name} to have an absolute path or URI; "
                f"got base_path()={self.base_path}"
            )


def read(path):
    """The models of a `ModelServerConfig` text file, as a list of `ModelConfig`.

    Raises:
        StatusError: NOT_FOUND without such a file; INVALID_ARGUMENT for one that does not parse
            (the cause tells the line) or breaks a rule.
    """
    return from_proto(text_file.read(path, model_server_config_pb2.ModelServerConfig()))


def parse(text, path):
    """As `read`, of text; `path` is for the message only."""
    return from_proto(text_file.parse(text, model_server_config_pb2.ModelServerConfig(), path))


def from_proto(config):
    """The models of a `ModelServerConfig` message, as a list of `ModelConfig`.

    Raises:
        StatusError: INVALID_ARGUMENT for what tensorflow_model_server refuses as well.
    """
    if config.WhichOneof("config") == "custom_model_config":
        raise status.invalid_argument("custom_model_config is not supported: list the models.")
    models = config.model_config_list.config
    names = set()
    for model in models:
        if model.name in names:
            raise status.invalid_argument(
                f"Illegal to list model {model.name} multiple times in config list"
            )
        names.add(model.name)
    return [_model(model) for model in models]


def _model(model):
    _check_platform(model)
    return ModelConfig(
        name=model.name,
        base_path=model.base_path,
        policy=_policy(model.model_version_policy),
        labels=dict(model.version_labels),
    )


def _check_platform(model):
    deprecated_type = model.model_type == model_server_config_pb2.TENSORFLOW
    if not model.model_platform and not deprecated_type:
        raise status.invalid_argument(
            "Illegal setting neither ModelServerConfig::model_type (deprecated) nor "
            f"ModelServerConfig::model_platform, model name is {model.name}"
        )
    if model.model_platform not in ("", "tensorflow"):
        raise status.invalid_argument(
            f"Model {model.name} requests unsupported platform {model.model_platform}"
        )


def _policy(policy):
    match policy.WhichOneof("policy_choice"):
        case "all":
            return All()
        case "specific":
            return Specific(frozenset(policy.specific.versions))
        case _:
            return Latest(max(1, policy.latest.num_versions))
