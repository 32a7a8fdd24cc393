import dataclasses
import json

import numpy as np
import pytest

from trainers.descent import Step
from trainers.journal import Journal
from trainers.presets import Settings
from zoo import images
from zoo.errors import UserError

SETTINGS = {"size": 8, "style": ("a.png", "b.png"), "content_layers": {"relu1_1": 0.5}}


def step(scale, iteration, size=(6, 8)):
    image = np.full((*size, 3), (10 * scale + iteration) / 51, "float32")
    terms = {"loss": 1.5 / iteration, "content": 1.0, "style": 2.0, "tv": 0.0}
    weights = {"content": 1.0, "style": 0.25, "tv": 0.0}
    return Step(scale, iteration, iteration + 1, image, terms, weights)


def three_steps(journal, error):
    """Of a run that an error then ends."""
    with journal:
        for iteration in (1, 2, 3):
            journal(step(0, iteration))
        raise error


@pytest.fixture
def output(tmp_path):
    return tmp_path / "new" / "out.png"


@pytest.fixture
def journal(output):
    """Opens the journal of `output`, with the settings as they are or others."""

    def journal(interval=2, resume=False, settings=SETTINGS):
        return Journal(output, settings, images.Picture, interval, resume)

    return journal


@pytest.fixture
def interrupted(journal, output):
    """A run that Ctrl-C ended after its step 3; gives its folder."""
    with pytest.raises(KeyboardInterrupt):
        three_steps(journal(), KeyboardInterrupt)
    return output.parent / "out"


def trace_of(folder):
    return json.loads((folder / "trace.json").read_text())


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_trace_holds_settings_and_each_iterations_terms_weights_and_seconds(journal, output):
    with journal() as run:
        run(step(0, 1, (3, 4)))
        run(step(1, 1))
    record = trace_of(output.parent / "out")
    assert record["settings"] == json.loads(json.dumps(SETTINGS))
    assert record["environment"]["backend"]
    coarse, fine = record["trace"]
    assert coarse.pop("seconds") <= fine.pop("seconds")
    assert fine == {
        "scale": 1,
        "size": [6, 8],
        "iteration": 1,
        "evaluations": 2,
        "loss": 1.5,
        "content": 1.0,
        "style": 2.0,
        "tv": 0.0,
        "weights": {"content": 1.0, "style": 0.25, "tv": 0.0},
    }
    assert (coarse["scale"], coarse["size"]) == (0, [3, 4])


def test_all_settings_of_the_program_can_be_recorded(output):
    Journal(output, dataclasses.asdict(Settings()), images.Picture, 1)
    assert trace_of(output.parent / "out")["settings"]["style_weight"] is None


def test_there_is_a_picture_each_so_many_iterations_counted_over_all_sizes(journal):
    with journal(interval=2) as run:
        for iteration in (1, 2, 3):
            run(step(0, iteration, (3, 4)))
        for iteration in (1, 2, 3):
            run(step(1, iteration))
    assert names(run.folder) == [
        "00004-00002.png",
        "00008-00001.png",
        "00008-00003.png",
        "trace.json",
    ]
    picture = images.read(run.folder / "00008-00001.png").rgb
    np.testing.assert_allclose(picture, step(1, 1).image, atol=1e-6)


def test_pictures_are_finished_before_they_are_written(output):
    with Journal(output, {}, lambda image: images.Picture(1 - image), 1) as run:
        run(step(0, 1))
    picture = images.read(run.folder / "00008-00001.png").rgb
    np.testing.assert_allclose(picture, 1 - step(0, 1).image, atol=1e-6)


def test_a_run_that_ends_leaves_no_state(journal):
    with journal(interval=1) as run:
        run(step(0, 1))
        assert (run.folder / "state.npz").exists()
    assert names(run.folder) == ["00008-00001.png", "trace.json"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, UserError, MemoryError])
def test_whatever_ends_a_run_early_leaves_the_last_step(journal, error):
    run = journal()
    with pytest.raises(error):
        three_steps(run, error)
    assert names(run.folder) == ["00008-00002.png", "00008-00003.png", "state.npz", "trace.json"]
    assert [row["iteration"] for row in trace_of(run.folder)["trace"]] == [1, 2, 3]
    scale, iteration, image = journal(resume=True).start
    assert (scale, iteration) == (0, 3)
    np.testing.assert_array_equal(image, step(0, 3).image)


def test_a_run_ended_before_its_first_step_leaves_nothing_to_go_on_with(journal):
    with pytest.raises(KeyboardInterrupt), journal() as run:
        raise KeyboardInterrupt
    assert run.image is None
    assert names(run.folder) == ["trace.json"]
    assert journal().start is None
    with pytest.raises(UserError, match=r"--resume: there is no .*out.state\.npz to go on with"):
        journal(resume=True)


def test_a_run_that_goes_on_appends_to_the_trace(journal, interrupted):
    before = trace_of(interrupted)["trace"]
    with journal(resume=True) as run:
        np.testing.assert_array_equal(run.image, step(0, 3).image)
        run(step(0, 4))
        np.testing.assert_array_equal(run.image, step(0, 4).image)
    after = trace_of(interrupted)["trace"]
    assert after[:3] == before
    assert [row["iteration"] for row in after] == [1, 2, 3, 4]
    assert after[3]["seconds"] >= after[2]["seconds"]
    assert "00008-00004.png" in names(interrupted)  # the count goes on too


def test_rows_after_the_state_are_dropped(journal, interrupted):
    record = trace_of(interrupted)
    record["trace"] += [
        {**record["trace"][-1], "scale": scale, "iteration": iteration, "seconds": 99.0}
        for scale, iteration in ((0, 4), (1, 1))
    ]
    (interrupted / "trace.json").write_text(json.dumps(record))
    with journal(resume=True) as run:
        run(step(0, 4))
    trace = trace_of(interrupted)["trace"]
    assert [(row["scale"], row["iteration"]) for row in trace] == [(0, i) for i in (1, 2, 3, 4)]
    assert trace[-1]["seconds"] < 99


def test_a_run_that_goes_on_and_is_stopped_again_keeps_its_state(journal, interrupted):
    state = (interrupted / "state.npz").read_bytes()
    with pytest.raises(KeyboardInterrupt), journal(resume=True):
        raise KeyboardInterrupt
    assert (interrupted / "state.npz").read_bytes() == state
    assert len(trace_of(interrupted)["trace"]) == 3


# --- What is refused ---


def test_an_unfinished_run_is_not_overwritten(journal, interrupted):
    before = {path.name: path.read_bytes() for path in interrupted.iterdir()}
    with pytest.raises(UserError, match=r"not finished: --resume goes on with it; remove it"):
        journal()
    assert {path.name: path.read_bytes() for path in interrupted.iterdir()} == before


def test_other_settings_are_refused_and_named(journal, interrupted):
    changed = {**SETTINGS, "size": 16, "style": ("a.png",)}
    with pytest.raises(UserError, match="holds a run with other settings") as failure:
        journal(resume=True, settings=changed)
    assert "size was 8, now 16" in str(failure.value)
    assert "style was ['a.png', 'b.png'], now ['a.png']" in str(failure.value)
    assert "content_layers" not in str(failure.value)
    assert journal(resume=True).start[1] == 3


@pytest.mark.parametrize("name", ["state.npz", "trace.json"])
@pytest.mark.parametrize("kept", [0, 40])
def test_a_damaged_file_is_refused(journal, interrupted, name, kept):
    path = interrupted / name
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(UserError, match=r"--resume: .*out is damaged: "):
        journal(resume=True)


def test_a_trace_of_another_form_is_refused(journal, interrupted):
    (interrupted / "trace.json").write_text('{"settings": {}, "trace": [{}]}')
    with pytest.raises(UserError, match="is damaged"):
        journal(resume=True)


def test_a_folder_that_cannot_be_made_is_named(output, journal):
    output.parent.write_text("a file")
    with pytest.raises(UserError, match=r"--output: cannot make .*new/out: Not a directory"):
        journal()


def test_a_file_that_cannot_be_written_is_named_and_none_is_left_partial(output, journal):
    run = journal(interval=1)
    (run.folder / "state.npz").mkdir()
    with pytest.raises(UserError, match=r"state\.npz: cannot be written: Is a directory"):
        run(step(0, 1))
    assert names(run.folder) == ["state.npz", "trace.json"]
