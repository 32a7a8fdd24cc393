import json
import subprocess
import sys

import pytest

from zoo import catalog
from zoo.errors import UserError


def add(saved_models, path, description=None, size=1000):
    """A directory that looks like a SavedModel of `size` bytes, without model.json by default."""
    directory = saved_models / path
    (directory / "assets.extra").mkdir(parents=True)
    (directory / "saved_model.pb").write_bytes(bytes(size))
    if description is not None:
        (directory / "assets.extra" / "model.json").write_text(json.dumps(description))
    return directory


@pytest.fixture
def saved_models(tmp_path):
    about = {"kind": "style", "artist": "Van Gogh", "painting": "The Starry Night", "year": "1889"}
    for version in (1, 9, 10):
        add(tmp_path, f"starry-night/{version}", about)
    add(tmp_path, "foreign/3", size=2_500_000)
    (tmp_path / "README.md").write_text("about these models")
    (tmp_path / "empty").mkdir()
    return tmp_path


def test_models_are_listed_by_name_in_their_newest_version(saved_models):
    listed = catalog.models(saved_models)
    assert [(model.name, model.version) for model in listed] == [
        ("foreign", 3),
        ("starry-night", 10),  # 10 is newer than 9
    ]
    assert listed[1].path == saved_models / "starry-night" / "10"
    assert listed[1].kind == "style"
    assert listed[1].source == "Van Gogh, The Starry Night, 1889"


def test_a_saved_model_of_another_origin_has_no_description(saved_models):
    model = catalog.find("foreign", saved_models)
    assert model.description == {}
    assert (model.kind, model.source, model.size) == ("unknown", "", 2_500_000)


def test_an_unfinished_export_hides_no_other_model(saved_models):
    add(saved_models, "new/partial-1-4711")
    add(saved_models, "starry-night/partial-11-4711")
    assert [model.version for model in catalog.models(saved_models)] == [3, 10]
    assert catalog.find("starry-night", saved_models).version == 10
    with pytest.raises(UserError, match="no model 'new'"):
        catalog.find("new", saved_models)


def test_no_directory_no_models(tmp_path):
    assert catalog.models(tmp_path / "nowhere") == []


def test_a_model_is_found_by_directory_too(saved_models, tmp_path_factory, monkeypatch):
    expected = catalog.find("starry-night", saved_models)
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    assert catalog.find(str(saved_models / "starry-night"), elsewhere) == expected
    assert catalog.find(str(saved_models / "starry-night" / "10"), elsewhere) == expected
    assert catalog.find(str(saved_models / "starry-night" / "9"), elsewhere).version == 9
    monkeypatch.chdir(saved_models / "starry-night" / "9")
    assert catalog.find(".", elsewhere).name == "starry-night"


def test_a_saved_model_outside_of_any_version_is_called_by_its_directory(tmp_path):
    add(tmp_path, "my-model")
    model = catalog.find(str(tmp_path / "my-model"), tmp_path / "nowhere")
    assert (model.name, model.version) == ("my-model", 0)


def test_an_unknown_name_is_refused_with_the_choices(saved_models, tmp_path):
    with pytest.raises(UserError, match=r"no model 'scream': .*has: foreign, starry-night"):
        catalog.find("scream", saved_models)
    with pytest.raises(UserError, match="which has: none"):
        catalog.find("scream", tmp_path / "nowhere")


def test_a_damaged_model_json_is_refused_by_name(saved_models):
    path = saved_models / "starry-night" / "10" / "assets.extra" / "model.json"
    path.write_text('{"kind": ')
    with pytest.raises(UserError, match=r"starry-night/10/assets.extra/model\.json is damaged"):
        catalog.find("starry-night", saved_models)


# --- The program


def run_program(*arguments):
    command = [sys.executable, "-m", "zoo.catalog", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_program_prints_a_table(saved_models):
    result = run_program(f"--saved_models={saved_models}")
    assert (result.returncode, result.stderr) == (0, "")
    header, foreign, starry = result.stdout.splitlines()
    assert header.split() == ["name", "version", "kind", "size", "source"]
    assert foreign.split() == ["foreign", "3", "unknown", "2.5", "MB"]
    assert starry.endswith("Van Gogh, The Starry Night, 1889")
    assert starry.index("10") == header.index("version")


def test_the_program_prints_one_model_as_json(saved_models):
    result = run_program(f"--saved_models={saved_models}", "--model=starry-night")
    assert result.returncode == 0
    assert json.loads(result.stdout)["artist"] == "Van Gogh"


@pytest.mark.parametrize(
    ("arguments", "code", "problem"),
    [
        (["--model=scream"], 1, "no model 'scream'"),
        (["--saved_models=/nowhere"], 1, "no models in /nowhere"),
        (["starry-night"], 2, "unexpected argument 'starry-night'"),
        (["--colour=red"], 2, "colour"),
    ],
)
def test_the_program_says_what_is_wrong(arguments, code, problem):
    result = run_program(*arguments)
    assert result.returncode == code
    assert result.stderr.startswith("zoo.catalog: ")
    assert problem in result.stderr
    assert "Traceback" not in result.stderr


def test_the_model_for_a_scale_is_the_next_larger_of_those_named_alike(tmp_path):
    for factor in (2, 4, 8):
        for name in (f"sr-x{factor}", f"sr-x{factor}-pixel")[: 1 if factor == 8 else 2]:
            add(tmp_path, f"{name}/1", {"kind": "superres", "factor": factor})
    add(tmp_path, "udnie/1", {"kind": "style"})

    def chosen(name, outscale):
        return catalog.for_outscale(catalog.find(name, tmp_path), outscale).name

    assert [chosen("sr-x2", scale) for scale in (1.5, 2, 2.1, 4, 5, 20)] == [
        *["sr-x2"] * 2,
        *["sr-x4"] * 2,
        *["sr-x8"] * 2,
    ]
    assert chosen("sr-x8", 3) == "sr-x4"
    assert chosen("sr-x2-pixel", 5) == "sr-x4-pixel"
    assert chosen("udnie", 3) == "udnie"
