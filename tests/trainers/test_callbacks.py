import csv
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray

from trainers.callbacks import LossTable, Report, StopOnNaN
from zoo import runs
from zoo.errors import UserError


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


# --- The loss table ---


def test_the_table_goes_on_where_the_last_start_left_it(tmp_path):
    path = tmp_path / "log.csv"
    first = LossTable(path, last_step=0)
    first.append(100, 12.34, {"loss": 5.0})
    first.append(200, 24.0, {"loss": 4.0})
    second = LossTable(path, last_step=200)
    assert second.seconds == 24.0
    second.append(300, 36.0, {"loss": 3.0})
    assert rows(path) == [
        {"step": "100", "seconds": "12.3", "loss": "5.0"},
        {"step": "200", "seconds": "24.0", "loss": "4.0"},
        {"step": "300", "seconds": "36.0", "loss": "3.0"},
    ]
    assert [file.name for file in tmp_path.iterdir()] == ["log.csv"]


def test_rows_of_steps_that_were_lost_are_dropped(tmp_path):
    path = tmp_path / "log.csv"
    first = LossTable(path, last_step=0)
    for step in (100, 200, 300):
        first.append(step, step / 10, {"loss": 9.0})
    second = LossTable(path, last_step=200)  # killed between the row and the checkpoint of 300
    assert second.seconds == 20.0
    second.append(300, 31.0, {"loss": 2.0})
    assert [(row["step"], row["loss"]) for row in rows(path)] == [
        ("100", "9.0"),
        ("200", "9.0"),
        ("300", "2.0"),
    ]


def test_a_run_that_lost_all_its_steps_starts_a_new_table(tmp_path):
    LossTable(tmp_path / "log.csv", 0).append(100, 1.0, {"loss": 1.0})
    assert LossTable(tmp_path / "log.csv", 0).seconds == 0


# --- Stopping ---


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_stops_training_and_names_the_step(loss):
    callback = StopOnNaN(first_step=7)
    callback.on_train_batch_end(0, {"loss": 1.5})
    with pytest.raises(UserError, match=rf"the loss is {loss} at step 9\b.*--learning_rate"):
        callback.on_train_batch_end(1, {"loss": loss})


def test_a_network_that_gives_nan_is_not_saved(tmp_path):
    def network(image, training):
        return np.full_like(image, np.nan)

    report = Report(tmp_path, 9, [np.zeros((8, 8, 3), "float32")])
    report.set_model(SimpleNamespace(network=network, optimizer=None))
    report.on_train_begin()
    report.on_train_batch_end(0)
    with pytest.raises(UserError, match=r"NaN at step 10\b"):
        report.on_epoch_end(0, {"loss": 1.0})
    assert runs.latest_checkpoint(tmp_path) == (0, None)
    assert not (tmp_path / "log.csv").exists()


# --- The report of a real training of 5 steps, an interval of 2 ---


def test_each_interval_has_a_row_of_its_mean_losses(finished_run):
    table = rows(finished_run / "log.csv")
    assert [row["step"] for row in table] == ["2", "4", "5"]
    (weight,) = runs.read_record(finished_run)["calibrated"]["style_weight"]
    for row in table:
        terms = ("content", "style", "tv", "spikes")
        content, style, tv, spikes = (float(row[term]) for term in terms)
        total = content + weight * style + 10 * tv + 20 * spikes
        assert float(row["loss"]) == pytest.approx(total, rel=1e-4)
    seconds = [float(row["seconds"]) for row in table]
    assert seconds == sorted(seconds)


def test_each_interval_has_a_preview_of_photos_over_results(finished_run):
    previews = sorted((finished_run / "previews").iterdir())
    assert [path.name for path in previews] == [f"step-0000000{step}.png" for step in (2, 4, 5)]
    width, height = Image.open(previews[0]).size
    assert width > 3 * 256  # three photos beside each other
    assert height > 2 * 256


def test_tensorboard_shows_the_losses_and_the_preview(finished_run):
    events = EventAccumulator(str(finished_run / "tensorboard")).Reload()
    assert set(events.Tags()["tensors"]) == {"loss", "content", "style", "tv", "spikes", "preview"}
    table = rows(finished_run / "log.csv")
    for tag in ("loss", "content", "style", "tv"):
        points = events.Tensors(tag)
        assert [point.step for point in points] == [2, 4, 5]
        logged = [float(make_ndarray(point.tensor_proto)) for point in points]
        assert logged == pytest.approx([float(row[tag]) for row in table], rel=1e-5)
    assert [point.step for point in events.Tensors("preview")] == [2, 4, 5]
