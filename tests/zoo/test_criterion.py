import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo.criterion import PerceptualCriterion
from zoo.losses import gram_matrix
from zoo.sample_photo import sample_photo
from zoo.vgg import LossNetwork

PHOTO = sample_photo("chelsea")[None, :64, :80]
PAINTING = sample_photo("coffee")[None, 100:196, 100:196]


@pytest.fixture(scope="module")
def loss_network():
    keras.utils.set_random_seed(0)
    return LossNetwork("vgg16", weights=None, preprocessing="torch")


@pytest.fixture(scope="module")
def criterion(loss_network):
    return PerceptualCriterion(loss_network)


def test_the_photo_itself_has_no_content_loss(criterion):
    terms = criterion(PHOTO, criterion.content_targets(PHOTO), criterion.style_targets(PAINTING))
    assert set(terms) == {"content", "style", "tv"}
    assert float(terms["content"]) == pytest.approx(0, abs=1e-10)
    assert float(terms["style"]) > 0
    assert float(terms["tv"]) > 0


def test_the_painting_itself_has_no_style_loss(criterion):
    content = criterion.content_targets(PAINTING)
    targets = criterion.style_targets(PAINTING)
    itself = float(criterion(PAINTING, content, targets)["style"])
    other = float(criterion(1 - PAINTING, content, targets)["style"])
    assert itself < 1e-6 * other


def test_terms_are_float32_scalars_summed_over_layers(loss_network):
    layers = ("relu1_1", "relu2_1")
    separate = [PerceptualCriterion(loss_network, [layer], [layer]) for layer in layers]
    together = PerceptualCriterion(loss_network, layers, layers)
    other = 1 - PHOTO
    results = [
        criterion(PHOTO, criterion.content_targets(other), criterion.style_targets(other))
        for criterion in (*separate, together)
    ]
    for term in ("content", "style"):
        first, second, both = (result[term] for result in results)
        assert float(both) == pytest.approx(float(first + second), rel=1e-4)
        assert (both.shape, both.dtype) == ((), tf.float32)


def test_content_and_style_may_use_different_layers(loss_network):
    criterion = PerceptualCriterion(loss_network, ["relu3_1"], ["relu1_1"])
    assert list(criterion.content_targets(PHOTO)) == ["relu3_1"]
    assert list(criterion.style_targets(PAINTING)) == ["relu1_1"]


def test_the_style_of_several_paintings_is_their_mean(loss_network):
    criterion = PerceptualCriterion(loss_network, ["relu1_1"], ["relu1_1"])
    paintings = np.concatenate([PAINTING, PAINTING[:, ::-1, :, ::-1]])
    (grams,) = (gram_matrix(f) for f in loss_network.features(["relu1_1"])(paintings).values())
    target = criterion.style_targets(paintings)["relu1_1"]
    assert (target.shape, target.dtype) == ((64, 64), np.float32)
    np.testing.assert_allclose(target, np.mean(grams, axis=0), rtol=1e-4, atol=1e-8)


def test_following_the_gradient_makes_the_image_better(criterion):
    image = tf.Variable(PHOTO)
    content, style = criterion.content_targets(1 - PHOTO), criterion.style_targets(PAINTING)
    with tf.GradientTape(persistent=True) as tape:
        terms = criterion(image, content, style)
    for term in ("content", "style", "tv"):
        gradient = tape.gradient(terms[term], image)
        assert np.isfinite(gradient).all()
        length = 1e-3 / np.abs(gradient).max()
        better = criterion(PHOTO - length * gradient, content, style)[term]
        assert float(better) < float(terms[term])


def test_the_criterion_takes_images_of_unknown_size_in_a_graph(criterion):
    targets = criterion.content_targets(PHOTO), criterion.style_targets(PAINTING)
    spec = tf.TensorSpec([None, None, None, 3], tf.float32)
    traced = tf.function(lambda image: criterion(image, *targets), input_signature=[spec])
    eager = criterion(1 - PHOTO, *targets)
    for term, value in traced(1 - PHOTO).items():
        assert float(value) == pytest.approx(float(eager[term]), rel=1e-3)
