import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo.layers import (
    BinomialBlur,
    CropLike,
    LatticeSuppression,
    NearestSubpixel,
    NearestUpsampling2D,
    PassThrough,
    PixelShuffle,
    PixelUnshuffle,
    ReflectionPadding2D,
    UnitRange,
)

RANDOM = np.random.default_rng(0)


def some_images(height, width, channels=3, batch=2):
    return RANDOM.normal(size=(batch, height, width, channels)).astype(np.float32)


def reflected(images, padding, multiple=1):
    excess = [-(size + 2 * padding) % multiple for size in images.shape[1:3]]
    widths = [(0, 0), *[(padding, padding + more) for more in excess], (0, 0)]
    return np.pad(images, widths, mode="reflect")


@pytest.mark.parametrize("multiple", [1, 4])
@pytest.mark.parametrize("padding", [0, 1, 10])
@pytest.mark.parametrize(
    "size", [(32, 19), (11, 10), (10, 11), (3, 5), (2, 2), (1, 7), (2, 1), (1, 1)]
)
def test_reflection_padding_is_numpys_even_where_it_is_wider_than_the_image(
    size, padding, multiple
):
    images = some_images(*size)
    padded = ReflectionPadding2D(padding, multiple)(images)
    np.testing.assert_array_equal(padded, reflected(images, padding, multiple))


def test_reflection_padding_takes_images_of_unknown_size():
    padding = ReflectionPadding2D(6, 4)
    spec = tf.TensorSpec([None, None, None, 3], tf.float32)
    padded = tf.function(padding, input_signature=[spec])
    for size in ((1, 1), (4, 9), (20, 31)):
        images = some_images(*size)
        np.testing.assert_array_equal(padded(images), reflected(images, 6, 4))


def test_reflection_padding_tells_its_shape_beforehand():
    padding = ReflectionPadding2D(6, 4)
    for size in ((1, 1), (4, 9), (20, 31)):
        images = some_images(*size)
        assert padding.compute_output_shape(images.shape) == padding(images).shape
    assert padding.compute_output_shape((None, None, 20, 3)) == (None, None, 32, 3)


def test_crop_like_cuts_the_window_of_the_references_size():
    images, reference = some_images(12, 15), some_images(5, 7, channels=1)
    cropped = CropLike(3)(images, reference)
    np.testing.assert_array_equal(cropped, images[:, 3:8, 3:10])
    assert CropLike(3).compute_output_shape(images.shape, reference.shape) == cropped.shape


def test_crop_like_undoes_the_padding():
    images = some_images(5, 6)
    padded = ReflectionPadding2D(7, 8)(images)
    np.testing.assert_array_equal(CropLike(7)(padded, images), images)


@pytest.mark.parametrize("scale", [1, 2, 3])
def test_nearest_upsampling_repeats_each_pixel(scale):
    images = some_images(4, 5)
    larger = NearestUpsampling2D(scale)(images)
    np.testing.assert_array_equal(larger, images.repeat(scale, 1).repeat(scale, 2))
    assert NearestUpsampling2D(scale).compute_output_shape(images.shape) == larger.shape


def alternations(size):
    rows, columns = np.indices(size)
    return [(-1.0) ** rows, (-1.0) ** columns, (-1.0) ** (rows + columns)]


def test_the_blur_takes_away_what_alternates_and_keeps_what_is_even():
    for alternating in alternations((8, 9)):
        image = (0.5 + alternating)[None, ..., None] * np.array([1, -3], np.float32)
        blurred = BinomialBlur()(image.astype("float32"))
        np.testing.assert_allclose(blurred[0, 1:-1, 1:-1], np.full((6, 7, 2), (0.5, -1.5)))
    assert BinomialBlur().compute_output_shape((2, None, 5, 3)) == (2, None, 5, 3)


def test_a_lattice_all_around_is_taken_away_and_what_is_even_kept():
    for alternating in alternations((15, 16)):
        image = (0.5 + alternating)[None, ..., None] * np.array([1, -3], np.float32)
        even = LatticeSuppression()(image.astype("float32"))
        np.testing.assert_allclose(even[0, 3:-3, 3:-3], np.full((9, 10, 2), (0.5, -1.5)), atol=1e-6)
    assert LatticeSuppression().compute_output_shape((2, None, 5, 3)) == (2, None, 5, 3)


def test_what_alternates_here_and_there_is_no_lattice():
    turns = np.where(np.arange(18) // 3 % 2, 1, -1)  # the sign changes every three pixels
    for alternating in alternations((18, 18)):
        image = (alternating * np.outer(turns, turns))[None, ..., None].astype("float32")
        kept = LatticeSuppression()(image)[:, 3:-3, 3:-3]
        np.testing.assert_array_less(0.8, kept / image[:, 3:-3, 3:-3])


def test_layers_keep_a_batch_size_that_is_known():
    spec = tf.TensorSpec([1, None, None, 4], tf.float32)
    for layer in (
        ReflectionPadding2D(2, 4),
        NearestUpsampling2D(2),
        PixelShuffle(2),
        PixelUnshuffle(2),
    ):
        function = tf.function(layer, input_signature=[spec])
        assert function.get_concrete_function().output_shapes[0] == 1


@pytest.mark.parametrize(("scale", "channels"), [(2, 3), (3, 1), (4, 3), (1, 2)])
def test_pixel_shuffle_is_depth_to_space(scale, channels):
    images = some_images(4, 5, scale**2 * channels)
    shuffled = PixelShuffle(scale)(images)
    expected = tf.nn.depth_to_space(images, scale) if scale > 1 else images
    np.testing.assert_array_equal(shuffled, expected)
    assert PixelShuffle(scale).compute_output_shape(images.shape) == shuffled.shape


@pytest.mark.parametrize(("scale", "channels"), [(2, 3), (3, 1), (4, 3), (1, 2)])
def test_pixel_unshuffle_undoes_pixel_shuffle(scale, channels):
    images = some_images(4, 5, scale**2 * channels)
    shuffled = PixelShuffle(scale)(images)
    np.testing.assert_array_equal(PixelUnshuffle(scale)(shuffled), images)
    assert PixelUnshuffle(scale).compute_output_shape(shuffled.shape) == images.shape


def test_unit_range_clips_except_in_training():
    values = np.array([[-0.5, 0.0, 0.25, 1.0, 1.5]], np.float32)
    np.testing.assert_array_equal(UnitRange()(values), [[0, 0, 0.25, 1, 1]])
    np.testing.assert_array_equal(UnitRange()(values, training=True), values)


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_a_subpixel_convolution_starts_as_nearest_neighbour_upsampling(scale):
    convolution = keras.layers.Conv2D(
        3 * scale**2, 3, padding="same", kernel_initializer=NearestSubpixel(scale)
    )
    upsampled = PixelShuffle(scale)(convolution(some_images(6, 5, 8))).numpy()
    one_of_each = upsampled[:, ::scale, ::scale]
    np.testing.assert_array_equal(upsampled, one_of_each.repeat(scale, 1).repeat(scale, 2))
    assert np.ptp(one_of_each, axis=(0, 1, 2)).min() > 0.1


def test_the_nearest_subpixel_kernel_has_the_spread_of_its_base():
    base = keras.initializers.RandomNormal(stddev=0.5, seed=0)
    kernel = NearestSubpixel(2, base)((3, 3, 64, 12))
    assert kernel.shape == (3, 3, 64, 12)
    assert np.std(kernel) == pytest.approx(0.5, rel=0.1)


@pytest.mark.parametrize(
    "layer",
    [ReflectionPadding2D(3, 4), CropLike(2), PixelShuffle(2), PixelUnshuffle(2), UnitRange()],
    ids=lambda layer: type(layer).__name__,
)
def test_layers_come_back_from_their_configuration(layer):
    copy = keras.layers.deserialize(keras.layers.serialize(layer))
    assert type(copy) is type(layer)
    assert copy.get_config() == layer.get_config()


def test_passing_through_is_the_identity_of_the_first_channels():
    keras.utils.set_random_seed(0)  # of some other seeds a filter's ReLU is nowhere above 0
    image = features = np.random.default_rng(0).uniform(size=(2, 6, 5, 3)).astype("float32")
    for kernel in (5, 1, 3):
        convolution = keras.layers.Conv2D(
            7, kernel, padding="same", activation="relu", kernel_initializer=PassThrough()
        )
        features = convolution(features)
        np.testing.assert_array_equal(features[..., :3], image)
    assert np.ptp(features[..., 3:], axis=(0, 1, 2)).min() > 0.01  # the rest are of their base


@pytest.mark.parametrize("initializer", [NearestSubpixel, PassThrough])
def test_initializers_come_back_from_their_configuration(initializer):
    initializer = initializer(2, keras.initializers.RandomNormal(stddev=0.5, seed=3))
    copy = keras.initializers.deserialize(keras.initializers.serialize(initializer))
    np.testing.assert_array_equal(copy((3, 3, 2, 12)), initializer((3, 3, 2, 12)))
