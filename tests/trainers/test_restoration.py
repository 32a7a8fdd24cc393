import keras
import numpy as np
import pytest

from trainers.critic import Critic
from trainers.restoration import RestorationCriterion, RestorationTrainer, spectrum_error
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


def test_the_spectrum_term_is_of_how_strong_texture_is_not_of_where(crops):
    assert float(spectrum_error(crops, crops)) == 0
    rng = np.random.default_rng(0)
    noise, others = rng.normal(size=(2, 4, 32, 32, 3)).astype(np.float32) / 20
    moved, weak = (float(spectrum_error(crops + noise, other)) for other in (crops + others, crops))
    assert moved < 0.5 * weak


def test_the_spectrum_term_sees_a_pattern_that_repeats_in_texture_as_strong(crops):
    rng = np.random.default_rng(0)
    noise, others = rng.normal(size=(2, 4, 32, 32, 3)).astype(np.float32) / 20
    pattern = np.tile(rng.normal(size=(4, 4, 3)).astype(np.float32), (8, 8, 1)) / 20
    plain, hatched = (
        float(spectrum_error(crops + noise, crops + made)) for made in (others, pattern)
    )
    assert hatched > 2 * plain


def test_lpips_is_that_of_the_windows(tiny_loss_network, crops, small):
    class Distance:
        def of_features(self, ours, theirs):
            return keras.ops.mean(keras.ops.abs(ours["relu5_3"] - theirs["relu5_3"]), (1, 2, 3))

    criterion = RestorationCriterion(
        4, loss_network=tiny_loss_network, distance=Distance(), has_spectrum=True
    )
    others = crops[::-1].copy()
    windows = [shifted_windows(keras.ops.array(each), 3) for each in (others, crops)]
    ours, theirs = (tiny_loss_network.features(("relu5_3",))(each) for each in windows)
    found = criterion(keras.ops.array(others), crops, small, step=3)
    expected = np.mean(np.abs(ours["relu5_3"] - theirs["relu5_3"]))
    assert set(found) == {"lpips", "spectrum"}
    assert float(found["lpips"]) == pytest.approx(expected, rel=1e-4)
    assert float(found["spectrum"]) == pytest.approx(float(spectrum_error(*windows)), rel=1e-4)


def test_the_critic_is_trained_with_the_network(tiny_loss_network, crops, small):
    critic = Critic(tiny_loss_network)
    network = SuperResolutionNetwork("subpixel", 4, 0.2)
    criterion = RestorationCriterion(4, "l1", tiny_loss_network, critic=critic)
    weights = {"pixel": 1.0, "critic": 1.0, "adversarial": 0.1}
    trainer = RestorationTrainer(network, criterion, weights, small.shape)
    trainer.compile(keras.optimizers.Adam(1e-3))
    before = [variable.numpy() for variable in trainer.trainable_variables]
    assert len(before) == len(network.trainable_variables) + len(critic.trainable_variables)
    inputs = (small, np.zeros(len(small), np.int32))
    history = trainer.fit(inputs, crops, batch_size=4, verbose=0).history
    assert set(history) == {"loss", *weights}
    for variable, then in zip(trainer.trainable_variables, before, strict=True):
        assert np.abs(variable.numpy() - then).max() > 1e-5


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
