import json
import re
from pathlib import Path

from zoo import runs
from zoo.model_json import describe, training_stages


def test_model_json_tells_what_was_trained(tiny_run):
    about = describe(tiny_run, "tiny", 3, "float32", 100, {"artist": "Anon"})
    assert (about["name"], about["version"], about["artist"]) == ("tiny", 3, "Anon")
    (stage,) = about["training"]
    assert stage["steps"] == 200
    assert stage["seconds"] == 196.3
    assert stage["calibrated"] == {"style_weight": [3.25]}
    assert stage["final_losses"] == {
        "content": 7.4337,
        "loss": 15.288,
        "style": 2.4518,
        "tv": 0.021045,
    }
    assert stage["environment"]["backend"] == "tensorflow"
    assert re.fullmatch("[0-9a-f]{40}", about["git_commit"] or "0" * 40)


def test_model_json_holds_no_path_of_the_machine(tiny_run):
    about = describe(tiny_run, "tiny", 1, "float32", 100, {})
    text = json.dumps(about)
    for path in ("/home", str(tiny_run), str(Path(__file__).parents[2])):
        assert path not in text
    settings = about["training"][0]["settings"]
    names = [settings[key] for key in ("style_image", "content", "init_from")]
    assert names == [["starry_night.jpg"], "photos", "the-scream"]
    assert settings["loss_network_weights"] == "vgg16.weights.h5"


def test_any_setting_that_is_a_path_becomes_a_name(tiny_run, tmp_path):
    record = runs.read_record(tiny_run)
    new = {"heads": "/home/me/heads.npz", "files": ["a/b.jpg", "c.jpg"], "loss": "l1", "rate": 0.5}
    record["settings"] |= {**new, "init_from": None}
    (tmp_path / "log.csv").write_bytes((Path(tiny_run) / "log.csv").read_bytes())
    runs.write_record(tmp_path, record)
    (stage,) = training_stages(tmp_path)
    told = {name: stage["settings"][name] for name in new}
    assert told == {"heads": "heads.npz", "files": ["b.jpg", "c.jpg"], "loss": "l1", "rate": 0.5}


def test_a_dataset_keeps_its_whole_name(tiny_run, tmp_path):
    record = runs.read_record(tiny_run)
    record["settings"] |= {"content": "tfds:coco/2017:train", "init_from": None}
    (tmp_path / "log.csv").write_bytes((Path(tiny_run) / "log.csv").read_bytes())
    runs.write_record(tmp_path, record)
    (stage,) = training_stages(tmp_path)
    assert stage["settings"]["content"] == "tfds:coco/2017:train"


def test_the_run_that_the_weights_came_from_goes_first(tiny_run, tmp_path):
    later = tmp_path / "later"
    later.mkdir()
    record = runs.read_record(tiny_run)
    record["settings"] |= {"init_from": str(tiny_run), "style_balance": [8.0]}
    (later / "log.csv").write_bytes((Path(tiny_run) / "log.csv").read_bytes())
    runs.write_record(later, record)
    first, second = training_stages(later)
    assert (first["run"], second["run"]) == (Path(tiny_run).name, "later")
    assert second["settings"]["init_from"] == Path(tiny_run).name
    assert second["settings"]["style_balance"] == [8.0]
