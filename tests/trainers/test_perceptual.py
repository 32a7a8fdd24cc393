import keras
import numpy as np
import pytest

from trainers.perceptual import PerceptualTrainer
from zoo.architectures import NETWORKS
from zoo.criterion import PerceptualCriterion
from zoo.networks import StyleNetwork
from zoo.vgg import LossNetwork

WEIGHTS = {"content": [1.0], "style": [0.01], "tv": [10.0], "spikes": [20.0]}


def make_trainer(criterion, crops):
    network = StyleNetwork(**NETWORKS["quarter"], width=0.1)
    style_targets = [criterion.style_targets(crops[:1])]
    trainer = PerceptualTrainer(network, criterion, style_targets, WEIGHTS, crops.shape)
    trainer.compile(keras.optimizers.Adam(1e-2))
    return trainer


def steps_of(images, step=0):
    return np.full(len(images), step, np.int32)


def weights_of_vgg(criterion):
    return criterion._every_feature.get_weights()


@pytest.fixture(scope="module")
def fitted(criterion, crops):
    """A trainer after 12 steps on one batch; its losses; and VGG's weights before."""
    keras.utils.set_random_seed(0)
    before = weights_of_vgg(criterion)
    trainer = make_trainer(criterion, crops)
    history = trainer.fit(
        (crops, steps_of(crops)), batch_size=len(crops), epochs=12, verbose=0
    ).history
    return trainer, history, before


def test_fitting_lowers_the_loss(fitted):
    _, history, _ = fitted
    assert history["loss"][-1] < 0.8 * history["loss"][0]


def test_the_metrics_are_the_terms_that_make_up_the_loss(fitted):
    _, history, _ = fitted
    assert set(history) == {"loss", *WEIGHTS}
    total = sum(WEIGHTS[term][0] * np.array(history[term]) for term in WEIGHTS)
    np.testing.assert_allclose(history["loss"], total, rtol=1e-4)


def test_only_the_network_is_trained(fitted, criterion):
    trainer, _, before = fitted
    network = trainer.network
    assert {id(v) for v in trainer.trainable_variables} == {
        id(v) for v in network.trainable_variables
    }
    assert len(before) == 20  # kernels and biases of VGG-16 to relu4_3
    for then, now in zip(before, weights_of_vgg(criterion), strict=True):
        np.testing.assert_array_equal(then, now)


def test_in_mixed_bfloat16_the_loss_and_the_variables_are_float32(vgg_weights, crops):
    keras.config.set_dtype_policy("mixed_bfloat16")
    criterion = PerceptualCriterion(LossNetwork("vgg16", str(vgg_weights)))
    assert criterion.content_targets(crops)["relu2_2"].dtype == "bfloat16"
    trainer = make_trainer(criterion, crops)
    inputs = (crops, steps_of(crops))
    loss = trainer.compute_loss(inputs, y_pred=trainer(inputs, training=True))
    assert keras.backend.standardize_dtype(loss.dtype) == "float32"
    assert {v.dtype for v in trainer.trainable_variables} == {"float32"}


def test_losses_see_photo_and_output_alike_from_another_pixel_in_each_step(crops):
    corners = []

    class Noting:
        def content_targets(self, photos):
            return photos

        def __call__(self, outputs, photos, style_targets):
            assert outputs.shape == (2, 24, 24, 3)
            np.testing.assert_array_equal(outputs, photos)
            corners.append(tuple(np.asarray(outputs)[0, 0, 0, :2].astype(int)))
            return dict.fromkeys(("content", "style", "tv"), 0.0)

    network = StyleNetwork(**NETWORKS["quarter"], width=0.1)
    trainer = PerceptualTrainer(network, Noting(), [{}], WEIGHTS, (2, 32, 32, 3))
    trainer.compile(keras.optimizers.Adam())
    positions = np.stack(np.indices((32, 32, 3))[:2], -1).max(2)  # rows and columns
    images = np.zeros((2, 32, 32, 3), np.float32)
    images[..., :2] = positions
    for step in range(64):
        trainer.compute_loss(
            (images, steps_of(images, step)), y_pred={"image": images, "norms": []}
        )
    assert set(corners) == {(row, column) for row in range(8) for column in range(8)}


def test_a_blob_of_all_channels_costs_though_each_stays_within_its_limit():
    class Free:
        def content_targets(self, photos):
            return photos

        def __call__(self, outputs, photos, style_targets):
            return dict.fromkeys(("content", "style", "tv"), 0.0)

    network = StyleNetwork(**NETWORKS["quarter"], width=0.1)
    trainer = PerceptualTrainer(network, Free(), [{}], WEIGHTS, (1, 32, 32, 3))
    trainer.compile(keras.optimizers.Adam())
    images = np.zeros((1, 32, 32, 3), np.float32)
    plain = np.random.default_rng(0).normal(size=(1, 16, 16, 64)).astype(np.float32)
    blob = plain.copy()
    blob[:, 5, 5] = 5.5
    losses = [
        float(
            trainer.compute_loss((images, steps_of(images)), y_pred={"image": images, "norms": n})
        )
        for n in ([plain], [plain, blob])
    ]
    assert losses[0] == 0
    # About 5.5 times the mean, at one of 256 places.
    assert losses[1] == pytest.approx(20 * (5.5 / 1.06 - 2.5) ** 2 / 256, rel=0.05)


def test_styles_take_turns_and_the_photos_turn_counts_content_and_pixels(criterion, crops):
    network = StyleNetwork(**NETWORKS["quarter"], width=0.1, styles=3)
    targets = [criterion.style_targets(crops[i : i + 1]) for i in (0, 1, 0)]
    weights = {
        "content": [1.0, 1.0, 1.0],
        "style": [0.01, 0.02, 0.0],
        "tv": [10.0, 10.0, 0.0],
        "spikes": [20.0, 20.0, 20.0],
        "pixel": [0.0, 0.0, 200.0],
    }
    trainer = PerceptualTrainer(network, criterion, targets, weights, crops.shape)
    trainer.compile(keras.optimizers.Adam())
    for step in range(4):
        style = step % 3
        trainer.reset_metrics()
        inputs = (crops, steps_of(crops, step))
        outputs = trainer(inputs, training=True)
        rows = np.tile(np.eye(3, dtype=np.float32)[style], (len(crops), 1))
        np.testing.assert_allclose(outputs["image"], network([crops, rows]), atol=1e-5)
        loss = float(trainer.compute_loss(inputs, y_pred=outputs))
        terms = {name: float(metric.result()) for name, metric in trainer.trackers.items()}
        expected = sum(weights[name][style] * value for name, value in terms.items())
        assert loss == pytest.approx(expected, rel=1e-4)
        assert terms["pixel"] > 0.001
    assert expected != pytest.approx(sum(weights[n][2] * value for n, value in terms.items()))
