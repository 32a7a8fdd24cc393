import pytest

from zoo import runs
from zoo.errors import UserError


def test_checkpoints_are_listed_by_number_without_unfinished_ones(tmp_path):
    for step in (100, 20, 100_000_000):
        runs.checkpoint_path(tmp_path, step).mkdir(parents=True)
    (tmp_path / "checkpoints" / "partial-step-00000300").mkdir()
    assert runs.checkpoint_steps(tmp_path) == [20, 100, 100_000_000]
    step, path = runs.latest_checkpoint(tmp_path)
    assert step == 100_000_000
    assert path.is_dir()


def test_a_run_without_checkpoints_is_at_step_0(tmp_path):
    assert runs.checkpoint_steps(tmp_path) == []
    assert runs.latest_checkpoint(tmp_path) == (0, None)


def test_names_of_checkpoints_sort_as_their_steps(tmp_path):
    paths = [runs.checkpoint_path(tmp_path, step).name for step in (9, 10, 99_999)]
    assert paths == sorted(paths)


def test_a_record_comes_back_as_it_was_written(tmp_path):
    record = {"settings": {"steps": 3, "init_from": None}, "calibrated": {"style_weight": 0.1}}
    runs.write_record(tmp_path, {"an": "older one"})
    runs.write_record(str(tmp_path), record)
    assert runs.read_record(tmp_path) == record
    assert [file.name for file in tmp_path.iterdir()] == ["run.json"]


def test_a_record_that_cannot_be_written_leaves_the_old_one(tmp_path):
    runs.write_record(tmp_path, {"steps": 1})
    with pytest.raises(TypeError):
        runs.write_record(tmp_path, {"steps": object()})
    assert runs.read_record(tmp_path) == {"steps": 1}


def test_what_is_no_run_is_refused_by_name(tmp_path):
    with pytest.raises(UserError, match=r"elsewhere is not a training run: it has no run\.json"):
        runs.read_record(tmp_path / "elsewhere")
    (tmp_path / "run.json").write_text('{"settings": ')
    with pytest.raises(UserError, match=r"run\.json is damaged: .*line 1"):
        runs.read_record(tmp_path)
