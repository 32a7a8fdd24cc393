import keras
import numpy as np
import pytest

from trainers.restoration import RestorationCriterion, RestorationTrainer, grid_error
from trainers.windows import shifted_windows
from zoo.bicubic import rescale
from zoo.superres import SuperResolutionNetwork
from zoo.vgg import LossNetwork

WEIGHTS = {"pixel": 2.0, "conv2_2": 0.01, "consistency": 10.0}


@pytest.fixture(scope="module")
def small(crops):
    return np.stack([rescale(crop, 1 / 4) for crop in crops])


@pytest.fixture
def criterion(tiny_loss_network):
    return RestorationCriterion(4, "l1", tiny_loss_network, ["conv2_2"], has_consistency=True)


@pytest.fixture
def trainer(criterion, small):
    keras.utils.set_random_seed(0)
    network = SuperResolutionNetwork("subpixel", 4, 0.2)
    trainer = RestorationTrainer(network, criterion, WEIGHTS, small.shape)
    trainer.compile(keras.optimizers.Adam(1e-3))
    return trainer


# --- The terms ---


def terms(criterion, *arrays):
    found = criterion(*map(keras.ops.convert_to_tensor, arrays))
    return {name: float(value) for name, value in found.items()}


def test_the_original_costs_nothing(criterion, crops, small):
    assert terms(criterion, crops, crops, small) == pytest.approx(
        dict.fromkeys(WEIGHTS, 0), abs=1e-6
    )


@pytest.mark.parametrize(("distance", "power"), [("l1", 1), ("l2", 2)])
def test_the_pixel_term_is_the_mean_distance(crops, small, distance, power):
    criterion = RestorationCriterion(4, distance, None, (), has_consistency=False)
    others = crops[::-1].copy()
    expected = np.mean(np.abs(crops - others) ** power)
    assert terms(criterion, others, crops, small) == {"pixel": pytest.approx(expected, rel=1e-5)}


def test_a_layers_term_is_the_mean_squared_difference_of_its_features(
    tiny_loss_network, crops, small
):
    criterion = RestorationCriterion(4, None, tiny_loss_network, ["relu1_2", "conv2_2"])
    others = crops[::-1].copy()
    model = tiny_loss_network.features(("relu1_2", "conv2_2"))
    ours, theirs = (model(shifted_windows(keras.ops.array(each), 0)) for each in (others, crops))
    expected = {
        layer: pytest.approx(np.mean((np.array(ours[layer]) - np.array(theirs[layer])) ** 2), 1e-4)
        for layer in ours
    }
    assert terms(criterion, others, crops, small) == expected


def test_the_consistency_term_is_of_the_image_made_small_again(crops, small):
    criterion = RestorationCriterion(4, None, None, (), has_consistency=True)
    others = 0.9 * crops[::-1]
    again = np.stack([rescale(other, 1 / 4) for other in others])
    expected = np.mean((again - small) ** 2)
    assert terms(criterion, others, crops, small) == {
        "consistency": pytest.approx(expected, rel=1e-3)
    }


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_the_grid_term_sees_a_pattern_along_the_small_pixels_in_noise(crops, factor):
    noise = np.random.default_rng(0).normal(size=crops.shape).astype(np.float32) / 20
    pattern = np.random.default_rng(1).normal(size=(factor, factor, 3)).astype(np.float32) / 20
    hatched = crops + noise + np.tile(pattern, (32 // factor, 32 // factor, 1))
    plain, with_pattern = (
        float(grid_error(keras.ops.array(each), crops, factor)) for each in (crops + noise, hatched)
    )
    assert plain < 0.05
    assert with_pattern > 10 * plain + 0.5


def test_a_pattern_of_another_period_is_no_grid(crops):
    noise = np.random.default_rng(0).normal(size=crops.shape).astype(np.float32) / 20
    pattern = np.tile([0, 1, 0, 1, 0, -1, 0, -1], 4)[:, None].astype(np.float32)  # of period 8
    images = keras.ops.array(crops + noise + pattern / 20)
    assert float(grid_error(images, crops, 2)) < 0.05


def test_the_grid_term_is_one_of_the_criterion(crops, small):
    criterion = RestorationCriterion(4, None, None, (), has_grid=True)
    others = crops[::-1].copy()
    expected = float(grid_error(keras.ops.array(others), crops, 4))
    assert terms(criterion, others, crops, small) == {"grid": pytest.approx(expected, rel=1e-4)}


def test_what_bicubic_costs_is_the_mean_over_batches(criterion, crops, small):
    enlarged = np.stack([rescale(image, 4) for image in small])
    both = criterion.of_bicubic([(small, crops)])
    # Nothing is clipped here, or next to nothing.
    assert both == pytest.approx(terms(criterion, enlarged, crops, small), rel=0.02)
    halves = [
        criterion.of_bicubic([(small[part], crops[part])])["pixel"]
        for part in (slice(2), slice(2, 4))
    ]
    pairs = [(small[:2], crops[:2]), (small[2:], crops[2:])]
    assert criterion.of_bicubic(pairs)["pixel"] == pytest.approx(np.mean(halves), rel=1e-5)


# --- The trainer ---


def test_fitting_lowers_the_loss_and_the_metrics_make_it_up(trainer, crops, small):
    inputs = (small, np.zeros(len(small), np.int32))
    history = trainer.fit(inputs, crops, batch_size=4, epochs=20, verbose=0).history
    assert set(history) == {"loss", *WEIGHTS}
    total = sum(WEIGHTS[term] * np.array(history[term]) for term in WEIGHTS)
    np.testing.assert_allclose(history["loss"], total, rtol=1e-4)
    assert np.mean(history["loss"][-3:]) < 0.9 * history["loss"][0]


def test_only_the_network_is_trained(trainer):
    assert {id(v) for v in trainer.trainable_variables} == {
        id(v) for v in trainer.network.trainable_variables
    }


def test_in_mixed_bfloat16_terms_and_variables_are_float32(tiny_vgg, crops, small):
    keras.config.set_dtype_policy("mixed_bfloat16")
    criterion = RestorationCriterion(
        4, "l1", LossNetwork("vgg16", None), ["relu2_2"], has_consistency=True
    )
    network = SuperResolutionNetwork("subpixel", 4, 0.2)
    trainer = RestorationTrainer(
        network, criterion, dict.fromkeys(("pixel", "relu2_2", "consistency"), 1.0), small.shape
    )
    trainer.compile(keras.optimizers.Adam())
    inputs = (small, np.zeros(len(small), np.int32))
    loss = trainer.compute_loss(inputs, crops, trainer(inputs, training=True))
    assert keras.backend.standardize_dtype(loss.dtype) == "float32"
    assert {v.dtype for v in trainer.trainable_variables} == {"float32"}
