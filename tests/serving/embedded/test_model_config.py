import grpc
import pytest

from serving.embedded import model_config
from serving.embedded.status import StatusError


def parse(*configs):
    models = " ".join(f"config {{ {config} }}" for config in configs)
    return model_config.parse(f"model_config_list {{ {models} }}", "models.config")


def model(text="", name="m"):
    return f'name: "{name}" base_path: "/models/{name}" model_platform: "tensorflow" {text}'


@pytest.mark.parametrize(
    ("policy", "chosen"),
    [
        ("", {10}),
        ("latest {}", {10}),
        ("latest { num_versions: 2 }", {9, 10}),
        ("latest { num_versions: 9 }", {1, 9, 10}),
        ("all {}", {1, 9, 10}),
        ("specific { versions: 1 versions: 10 versions: 77 }", {1, 10}),
    ],
)
def test_a_version_policy_chooses_by_number_from_what_is_on_disk(policy, chosen):
    [config] = parse(model(f"model_version_policy {{ {policy} }}"))
    assert config.policy.choose([10, 9, 1]) == chosen


def test_labels_and_paths_are_read_from_a_file(tmp_path):
    file = tmp_path / "models.config"
    labels = 'version_labels { key: "stable" value: 1 } version_labels { key: "canary" value: 2 }'
    file.write_text(f"model_config_list {{ config {{ {model(labels)} }} }}")
    [config] = model_config.read(file)
    assert (config.name, config.base_path) == ("m", "/models/m")
    assert config.labels == {"stable": 1, "canary": 2}


def test_a_base_path_may_be_a_uri():
    [config] = parse('name: "m" base_path: "gs://bucket/m" model_platform: "tensorflow"')
    assert config.base_path == "gs://bucket/m"


@pytest.mark.parametrize(
    ("configs", "message"),
    [
        (
            ['name: "m" base_path: "models/m" model_platform: "tensorflow"'],
            "Expected model m to have an absolute path or URI; got base_path()=models/m",
        ),
        ([model(), model()], "Illegal to list model m multiple times in config list"),
        (
            ['name: "m" base_path: "/m"'],
            "Illegal setting neither ModelServerConfig::model_type (deprecated) nor "
            "ModelServerConfig::model_platform, model name is m",
        ),
        (
            ['name: "m" base_path: "/m" model_platform: "onnx"'],
            "Model m requests unsupported platform onnx",
        ),
    ],
)
def test_a_wrong_entry_is_refused_in_the_words_of_the_real_server(configs, message):
    with pytest.raises(StatusError) as caught:
        parse(*configs)
    assert caught.value.code == grpc.StatusCode.INVALID_ARGUMENT
    assert caught.value.message == message


def test_a_file_that_does_not_parse_is_named(tmp_path):
    file = tmp_path / "bad.config"
    file.write_text("garbage {")
    with pytest.raises(
        StatusError, match=r"INVALID_ARGUMENT: Invalid protobuf file: '.*bad\.config'"
    ):
        model_config.read(file)


def test_a_missing_file_is_not_found(tmp_path):
    with pytest.raises(StatusError, match=r"NOT_FOUND: .*none\.config; No such file or directory"):
        model_config.read(tmp_path / "none.config")
