import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo.criterion import PerceptualCriterion
from zoo.losses import feature_reconstruction_sum, gatys_style, gram_matrix
from zoo.sample_photo import sample_photo
from zoo.vgg import LossNetwork
from zoo.wasserstein import moments, wasserstein

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


def terms_of(criterion, images, content=None, style=None):
    """Of images, the content of one picture and the style of another, as floats."""
    targets = criterion.content_targets(content), criterion.style_targets(style)
    return {term: float(value) for term, value in criterion(images, *targets).items()}


def test_weights_multiply_the_terms_of_their_layers(loss_network):
    layers = ("relu1_1", "relu2_1", "relu3_1")
    separate = [
        terms_of(PerceptualCriterion(loss_network, [layer], [layer]), PHOTO, 1 - PHOTO, PAINTING)
        for layer in layers
    ]
    # Weights that make the content of the layers cost 1, 2 and 3, and their style 3, 2 and 1.
    content, style = (
        {k: n / terms[term] for n, k, terms in zip(costs, layers, separate, strict=True)}
        for term, costs in (("content", (1, 2, 3)), ("style", (3, 2, 1)))
    )
    style.pop("relu2_1")
    weighted = PerceptualCriterion(loss_network, content, style)
    terms = terms_of(weighted, PHOTO, 1 - PHOTO, PAINTING)
    assert terms["content"] == pytest.approx(1 + 2 + 3, rel=1e-4)
    assert terms["style"] == pytest.approx(3 + 1, rel=1e-4)


def test_the_style_of_gatys_is_equation_5(loss_network):
    def matrices(image):
        """float64 [N_l, M_l] for each layer l."""
        features = loss_network.features(layers)(image)
        return {k: np.array(f, "float64").reshape(-1, f.shape[-1]).T for k, f in features.items()}

    layers = [f"relu{block}_1" for block in range(1, 6)]
    painting = PAINTING[:, : PHOTO.shape[1], : PHOTO.shape[2]]
    losses = {}
    for layer, f in matrices(PHOTO).items():
        s = matrices(painting)[layer]
        losses[layer] = np.sum((f @ f.T - s @ s.T) ** 2) / (4 * f.size**2)
    # Untrained features shrink from layer to layer: the weights let each count.
    weights = {layer: (i + 1) / losses[layer] for i, layer in enumerate(layers)}
    criterion = PerceptualCriterion(
        loss_network,
        {"relu4_2": 1.0},
        weights,
        feature_reconstruction_sum,
        gram_matrix,
        gatys_style,
    )
    terms = terms_of(criterion, PHOTO, painting, painting)
    assert terms["style"] == pytest.approx(1 + 2 + 3 + 4 + 5, rel=1e-3)
    content = loss_network.features(["relu4_2"])
    f, p = (np.array(content(image)["relu4_2"], "float64") for image in (PHOTO, painting))
    assert terms["content"] == pytest.approx(np.sum((f - p) ** 2) / 2, rel=1e-4)


def test_without_content_layers_only_the_style_counts(loss_network):
    texture = PerceptualCriterion(loss_network, (), ["relu1_1"])
    both = PerceptualCriterion(loss_network, ["relu2_1"], ["relu1_1"])
    assert texture.content_targets(PHOTO) == {}
    terms = texture(PHOTO, {}, texture.style_targets(PAINTING))
    assert float(terms["content"]) == 0
    assert (terms["content"].shape, terms["content"].dtype) == ((), tf.float32)
    expected = terms_of(both, PHOTO, 1 - PHOTO, PAINTING)["style"]
    assert float(terms["style"]) == pytest.approx(expected, rel=1e-4)


def test_without_style_layers_only_the_content_counts(loss_network):
    inversion = PerceptualCriterion(loss_network, ["relu2_1"], ())
    both = PerceptualCriterion(loss_network, ["relu2_1"], ["relu1_1"])
    assert inversion.style_targets(PAINTING) == {}
    terms = inversion(PHOTO, inversion.content_targets(1 - PHOTO), {})
    assert float(terms["style"]) == 0
    assert (terms["style"].shape, terms["style"].dtype) == ((), tf.float32)
    expected = terms_of(both, PHOTO, 1 - PHOTO, PAINTING)["content"]
    assert float(terms["content"]) == pytest.approx(expected, rel=1e-4)


def test_distances_and_statistics_are_those_that_are_given(loss_network):
    criterion = PerceptualCriterion(
        loss_network,
        ["relu2_1"],
        ["relu1_1"],
        content_distance=lambda f, target: tf.reduce_max(tf.abs(f - target)),
        style_statistic=lambda f: {"mean": tf.reduce_mean(f, (1, 2))},
        style_distance=lambda found, target: tf.reduce_max(tf.abs(found["mean"] - target["mean"])),
    )
    features = loss_network.features(["relu1_1", "relu2_1"])
    photo, other, painting = (
        {k: np.array(f) for k, f in features(image).items()}
        for image in (PHOTO, 1 - PHOTO, PAINTING)
    )
    means = (maps["relu1_1"].mean((1, 2)) for maps in (photo, painting))
    terms = terms_of(criterion, PHOTO, 1 - PHOTO, PAINTING)
    content = np.abs(photo["relu2_1"] - other["relu2_1"]).max()
    assert terms["content"] == pytest.approx(content, rel=1e-4)
    assert terms["style"] == pytest.approx(np.abs(np.subtract(*means)).max(), rel=1e-4)


# --- Regions


@pytest.fixture(params=["gram", "wasserstein"])
def guided(loss_network, request):
    """A criterion of style only, with each of the statistics that take regions."""
    forms = {"gram": {}, "wasserstein": {"style_statistic": moments, "style_distance": wasserstein}}
    return PerceptualCriterion(loss_network, (), ["relu1_1", "relu2_1"], **forms[request.param])


def halves(image):
    """Weights [H, W] of an image's left half and of its right."""
    left = np.zeros(image.shape[1:3], np.float32)
    left[:, : image.shape[2] // 2] = 1
    return [left, 1 - left]


def test_a_region_of_all_is_no_region(guided):
    whole = np.ones(PAINTING.shape[1:3], np.float32)
    targets = guided.style_targets(PAINTING)
    compared = zip(
        keras.tree.flatten(guided.style_targets(PAINTING, whole)),
        keras.tree.flatten(targets),
        strict=True,
    )
    for found, expected in compared:
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-8)
    found = guided(PHOTO, {}, [targets], [np.ones(PHOTO.shape[1:3], np.float32)])["style"]
    assert float(found) == pytest.approx(float(guided(PHOTO, {}, targets)["style"]), rel=1e-4)


def test_the_style_of_regions_is_the_sum_of_each_regions_own(guided):
    regions = halves(PHOTO)
    targets = [guided.style_targets(PAINTING, region) for region in halves(PAINTING)]
    separate = [
        float(guided(PHOTO, {}, [target], [region])["style"])
        for target, region in zip(targets, regions, strict=True)
    ]
    together = guided(PHOTO, {}, targets, regions)["style"]
    swapped = guided(PHOTO, {}, targets[::-1], regions)["style"]
    assert float(together) == pytest.approx(sum(separate), rel=1e-4)
    assert float(swapped) != pytest.approx(sum(separate), rel=0.01)


def test_a_painting_has_the_style_of_its_regions_where_they_are(guided):
    regions = halves(PAINTING)
    targets = [guided.style_targets(PAINTING, region) for region in regions]
    in_place = guided(PAINTING, {}, targets, regions)["style"]
    swapped = guided(PAINTING, {}, targets[::-1], regions)["style"]
    assert abs(float(in_place)) < 1e-4 * float(swapped)


def test_a_regions_target_does_not_know_what_is_outside(loss_network):
    criterion = PerceptualCriterion(loss_network, (), ["relu1_1", "relu2_1"])
    left = halves(PAINTING)[0]
    left[:, 40:48] = 0  # as far as these layers see
    changed = PAINTING.copy()
    changed[:, :, 48:] = 0
    expected = criterion.style_targets(PAINTING, left)
    for layer, gram in criterion.style_targets(changed, left).items():
        np.testing.assert_allclose(gram, expected[layer], rtol=1e-4, atol=1e-8)


def test_regions_and_targets_that_do_not_pair_are_refused(guided):
    targets = guided.style_targets(PAINTING)
    with pytest.raises(ValueError, match="shorter"):
        guided(PHOTO, {}, [targets], halves(PHOTO))
