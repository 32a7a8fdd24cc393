"""What serving.configure writes besides models.config."""

import re

import pytest
from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from serving import batching_parameters
from serving.configure import models_config, parse_labels, ssl_config, write_batching_parameters
from serving.embedded import batching, loader
from serving.protocol import server_files_pb2
from zoo import catalog
from zoo.errors import UserError
from zoo.signatures import MAX_FILES


@pytest.fixture
def models(files):
    return catalog.models(files.models)


def parsed(text):
    return text_format.Parse(text, model_server_config_pb2.ModelServerConfig())


def test_labelled_models_are_served_in_their_labelled_versions(models):
    labels = {"tiny": {"stable": 1, "canary": 7}}
    (config,) = parsed(models_config(models, "/models", labels)).model_config_list.config
    assert config.base_path == "/models/tiny"
    assert dict(config.version_labels) == labels["tiny"]
    assert list(config.model_version_policy.specific.versions) == [1, 7]


def test_without_labels_the_newest_version_is_served(models):
    (config,) = parsed(models_config(models)).model_config_list.config
    assert config.base_path == str(models[0].path.resolve().parent)
    assert not config.version_labels
    assert not config.HasField("model_version_policy")


def test_labels_are_of_versions_that_are_there(models):
    assert parse_labels(["tiny:stable=1"], models) == {"tiny": {"stable": 1}}
    for text, words in {
        "tiny:stable=2": "holds no model",
        "other:stable=1": "no model 'other'; there are tiny",
        "tiny=1": "should read NAME:LABEL=VERSION",
    }.items():
        with pytest.raises(UserError, match=re.escape(words)):
            parse_labels([text], models)


@pytest.mark.parametrize("kind", batching_parameters.BY_KIND)
def test_each_kind_has_parameters_that_load_and_never_join_callers(kind, tmp_path):
    file = tmp_path / batching_parameters.FILE
    file.write_text(batching_parameters.BY_KIND[kind])
    text_format.Parse(file.read_text(), server_files_pb2.BatchingParameters())
    parameters = batching.read(str(file))
    parameters.check()
    assert parameters.execution_size == 1
    assert parameters.max_batch_size == MAX_FILES
    assert parameters.max_enqueued_batches >= MAX_FILES


def test_every_version_gets_the_parameters_of_its_kind(models):
    (model,) = models
    file = model.path / loader.PARAMETERS_FILE
    file.unlink()
    write_batching_parameters(models)
    assert model.kind == "style"
    assert file.read_text() == batching_parameters.BY_KIND["style"]


def test_certificates_become_a_text_file_with_client_verification(secrets):
    ssl = text_format.Parse(ssl_config(secrets), server_files_pb2.SSLConfig())
    assert ssl.server_key == (secrets / "server.key").read_text()
    assert ssl.server_cert == (secrets / "server.crt").read_text()
    assert ssl.custom_ca == (secrets / "ca.crt").read_text()
    assert ssl.client_verify


def test_a_missing_certificate_is_told(tmp_path):
    with pytest.raises(UserError, match=r"server\.key: No such file"):
        ssl_config(tmp_path)
