import io
import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tests.zoo.encoded_files import encoded, png
from zoo import tiling
from zoo.export import MAX_PIXELS
from zoo.signatures import MAX_FILES, signatures
from zoo.tiling import STYLE_MULTIPLE

REFUSED = tf.errors.InvalidArgumentError


@pytest.fixture(scope="module")
def model(tiny_model):
    return tf.saved_model.load(str(tiny_model))


@pytest.fixture
def transform(model):
    """Calls serving_default: an array to an array."""
    return lambda images: model.signatures["serving_default"](image=tf.constant(images))[
        "image"
    ].numpy()


@pytest.fixture
def transform_files(model):
    """Calls encoded: a list of files to a list of arrays, uint8."""

    def call(files):
        outputs = model.signatures["encoded"](image_bytes=tf.constant(files, tf.string))
        return [np.asarray(decode_png(file)) for file in outputs["image_bytes"].numpy()]

    return call


def decode_png(file):
    image = Image.open(io.BytesIO(file))
    assert (image.format, image.mode) == ("PNG", "RGB")
    return image


def some_images(*shape):
    return np.random.default_rng(0).uniform(size=shape).astype(np.float32)


def test_signatures_have_the_names_dtypes_and_shapes_of_the_contract(model):
    specs = {}
    for name, function in model.signatures.items():
        _, inputs = function.structured_input_signature
        specs[name] = [
            {alias: (spec.dtype, spec.shape.as_list()) for alias, spec in end.items()}
            for end in (inputs, function.structured_outputs)
        ]
    images, files = (tf.float32, [None, None, None, 3]), (tf.string, [None])
    assert specs == {
        "serving_default": [{"image": images}, {"image": images}],
        "encoded": [{"image_bytes": files}, {"image_bytes": files}],
        "tile": [{"tile": images, "thumbnail": images}, {"image": images}],
        "about": [{"request": files}, {"model_json": files}],
    }


@pytest.mark.parametrize("size", [(1, 1), (17, 23), (64, 48)])
def test_a_batch_comes_back_in_its_size(transform, size):
    output = transform(some_images(2, *size, 3))
    assert output.shape == (2, *size, 3)
    assert output.dtype == np.float32
    assert 0 <= output.min() < output.max() <= 1


def test_an_image_comes_back_the_same_alone_and_in_a_batch(transform):
    images = some_images(3, 20, 24, 3)
    alone = [transform(images[i : i + 1])[0] for i in range(3)]
    np.testing.assert_allclose(transform(images), alone, atol=1e-5)


def test_tensorflow_knows_of_a_batch_of_one_that_it_is_one():
    traced = []

    def network(images, training):
        traced.append(images.shape.as_list())
        return images

    function = signatures(network, MAX_PIXELS)["serving_default"].get_concrete_function()
    assert sorted(traced, key=str) == [[1, None, None, 3], [None, None, None, 3]]
    assert function(tf.zeros((1, 4, 5, 3)))["image"].shape == (1, 4, 5, 3)


# --- What is refused


BAD_IMAGES = {
    "rank 0": some_images(),
    "rank 2": some_images(4, 3),
    "rank 3": some_images(4, 4, 3),
    "rank 5": some_images(1, 1, 4, 4, 3),
    "1 channel": some_images(1, 4, 4, 1),
    "4 channels": some_images(1, 4, 4, 4),
    "no height": some_images(1, 0, 4, 3),
    "no width": some_images(1, 4, 0, 3),
    "NaN": np.full((1, 4, 4, 3), np.nan, np.float32),
    "infinity": np.full((1, 4, 4, 3), np.inf, np.float32),
    "a huge size of no image": np.zeros((0, 2**14, 2**14, 3), np.float32),
}


@pytest.mark.parametrize("kind", BAD_IMAGES)
def test_a_bad_image_is_refused_and_the_next_good_one_answered(transform, kind):
    good = some_images(1, 16, 16, 3)
    before = transform(good)
    with pytest.raises(REFUSED):
        transform(BAD_IMAGES[kind])
    np.testing.assert_array_equal(transform(good), before)


def with_first_chunk(file, content):
    """A PNG that has content where a reader of headers expects width and height."""
    chunk = b"teST" + content
    length, checksum = (struct.pack(">I", number) for number in (len(content), zlib.crc32(chunk)))
    return file[:8] + length + chunk + checksum + file[8:]


BLACK, WHITE = (Image.new("RGB", (9, 9), colour) for colour in ("black", "white"))
BAD_FILES = {
    "empty": b"",
    "text": b"Dear diary, this is no photo.",
    "truncated PNG": encoded(np.zeros((64, 64, 3), np.uint8), "PNG")[:-40],
    "truncated JPEG header": encoded(np.zeros((64, 64, 3), np.uint8), "JPEG")[:60],
    "bomb": png(50_000, 50_000, 8, 2, [b""]),
    # TensorFlow cannot drop the alpha channel of these two.
    "WebP with alpha": encoded(np.zeros((9, 9, 4), np.uint8), "WEBP"),
    "animated WebP": encoded(BLACK, "WEBP", save_all=True, append_images=[WHITE], lossless=True),
    "bomb beyond int64": png(2**32 - 1, 2**32 - 1, 8, 2, [b""]),
    "bomb behind another chunk": with_first_chunk(
        encoded(np.zeros((9, 9, 3), np.uint8), "PNG"), struct.pack(">II", 1, 1)
    ),
    "GIF without a frame": encoded(BLACK, "GIF")[:13] + b";",
}


@pytest.mark.parametrize("kind", BAD_FILES)
def test_a_bad_file_is_refused_and_the_next_good_one_answered(transform_files, kind):
    good = encoded(np.arange(768, dtype=np.uint8).reshape(16, 16, 3), "PNG")
    (before,) = transform_files([good])
    for batch in ([BAD_FILES[kind]], [good, BAD_FILES[kind]]):
        with pytest.raises(REFUSED):
            transform_files(batch)
    np.testing.assert_array_equal(transform_files([good])[0], before)


def test_files_must_be_a_list(model):
    for files in (b"file", [[b"file"]]):
        with pytest.raises(REFUSED):
            model.signatures["encoded"](image_bytes=tf.constant(files))


@pytest.fixture
def watched():
    """Signatures, at most 100 pixels, of a network that does nothing but note its calls."""
    calls = []

    def note(images):
        calls.append(images.shape)
        return images

    def network(images, training):
        # Stateless, as convolutions are: TensorFlow is free to run it beside the guards.
        noted = tf.numpy_function(note, [images], tf.float32, stateful=False)
        return tf.ensure_shape(noted, images.shape)

    return signatures(network, max_pixels=100), calls


@pytest.mark.parametrize("shape", [(1, 10, 11, 3), (2, 10, 6, 3), (1, 101, 1, 3), (0, 10, 11, 3)])
def test_more_pixels_than_the_limit_never_reach_the_network(watched, shape):
    functions, calls = watched
    with pytest.raises(REFUSED, match="image must have no more than 100 pixels"):
        functions["serving_default"](tf.zeros(shape))
    with pytest.raises(REFUSED, match="NaN or infinity"):
        functions["serving_default"](tf.fill((1, 2, 2, 3), np.nan))
    assert calls == []
    functions["serving_default"](tf.zeros((2, 10, 5, 3)))
    assert calls == [(2, 10, 5, 3)]


def test_a_bomb_is_refused_before_it_is_decoded(watched):
    functions, calls = watched
    # The pixels are missing: a decoder would complain of them.
    for width, height in ((50_000, 50_000), (101, 1)):
        bomb = png(width, height, 8, 2, [b""])
        with pytest.raises(REFUSED, match="image must have no more than 100 pixels"):
            functions["encoded"](tf.constant([bomb]))
    assert calls == []


def test_a_frame_larger_than_its_GIF_counts(watched):  # noqa: N802
    functions, calls = watched
    file = encoded(np.zeros((11, 10, 3), np.uint8), "GIF")
    with pytest.raises(REFUSED, match="image must have no more than 100 pixels"):
        functions["encoded"](tf.constant([file[:6] + b"\1\0\1\0" + file[10:]]))
    assert calls == []


@pytest.mark.parametrize("shape", [(4096, 1, 1, 3), (1, 1, 2**20, 3), (1, 2**20, 1, 3)])
def test_thin_and_tiny_images_count_with_the_border_that_networks_pad(shape):
    serving_default = signatures(lambda images, training: images, MAX_PIXELS)["serving_default"]
    with pytest.raises(REFUSED, match=f"no more than {2 * MAX_PIXELS} pixels with 48 more on"):
        serving_default(tf.zeros(shape))


def test_a_call_has_a_limited_number_of_files(watched):
    functions, calls = watched
    file = encoded(np.zeros((2, 2, 3), np.uint8), "PNG")
    with pytest.raises(REFUSED, match=f"no more than {MAX_FILES} files"):
        functions["encoded"](tf.constant([file] * (MAX_FILES + 1)))
    assert calls == []
    assert functions["encoded"](tf.constant([file] * MAX_FILES))["image_bytes"].shape == (
        MAX_FILES,
    )


def test_the_limit_is_for_each_file_not_for_their_sum(watched):
    functions, calls = watched
    file = encoded(np.zeros((10, 10, 3), np.uint8), "PNG")
    assert functions["encoded"](tf.constant([file] * 3))["image_bytes"].shape == (3,)
    assert calls == [(1, 10, 10, 3)] * 3


def test_what_would_give_more_pixels_than_the_limit_is_refused():
    def network(images, training):
        return tf.repeat(tf.repeat(images, 2, 1), 2, 2)

    functions = signatures(network, max_pixels=100, factor=2)
    assert functions["serving_default"](tf.zeros((1, 5, 5, 3)))["image"].shape == (1, 10, 10, 3)
    file = encoded(np.zeros((5, 5, 3), np.uint8), "PNG")
    (answer,) = functions["encoded"](tf.constant([file]))["image_bytes"].numpy()
    assert decode_png(answer).size == (10, 10)
    with pytest.raises(REFUSED, match="image must have no more than 25 pixels"):
        functions["serving_default"](tf.zeros((1, 13, 2, 3)))
    file = encoded(np.zeros((13, 2, 3), np.uint8), "PNG")
    with pytest.raises(REFUSED, match="image must have no more than 25 pixels"):
        functions["encoded"](tf.constant([file]))


def test_the_exported_model_has_a_limit_of_its_own(transform):
    side = int(MAX_PIXELS**0.5)
    with pytest.raises(REFUSED, match=f"no more than {MAX_PIXELS} pixels"):
        transform(np.zeros((0, side, side + 1, 3), np.float32))


# --- What is answered


def test_an_empty_batch_is_answered_with_an_empty_batch(transform, transform_files):
    assert transform(np.zeros((0, 5, 7, 3), np.float32)).shape == (0, 5, 7, 3)
    assert transform_files([]) == []


def test_values_outside_0_to_1_are_clipped(transform):
    images = 3 * some_images(1, 16, 16, 3) - 1
    assert images.min() < 0
    assert images.max() > 1
    np.testing.assert_array_equal(transform(images), transform(images.clip(0, 1)))


def test_both_signatures_give_the_same_picture(transform, transform_files, photo):
    (picture,) = transform_files([encoded(photo, "PNG")])
    np.testing.assert_allclose(
        picture / 255, transform(photo[None].astype(np.float32) / 255)[0], atol=1 / 255
    )


def test_files_of_different_sizes_are_answered_in_order(transform_files, photo):
    crops = [photo[:40, :50], photo[:17, 9:60], photo[100:101, :30]]
    files = [
        encoded(crop, format) for crop, format in zip(crops, ("PNG", "BMP", "WEBP"), strict=True)
    ]
    together = transform_files(files)
    assert [picture.shape for picture in together] == [crop.shape for crop in crops]
    for picture, file in zip(together, files, strict=True):
        alone = transform_files([file])[0].astype(int)
        assert np.abs(picture - alone).max() <= 1


def kinds_of_files(photo):
    frames = [Image.fromarray(photo), Image.fromarray(255 - photo)]
    animation = {"save_all": True, "append_images": frames[1:]}
    grey_16 = Image.fromarray(photo[..., 0].astype(np.uint16) * 257)
    rgba = np.dstack([photo, np.full(photo.shape[:2], 128, np.uint8)])
    return {
        "grey PNG": (encoded(photo[..., 0], "PNG"), np.dstack([photo[..., 0]] * 3)),
        "PNG with alpha": (encoded(rgba, "PNG"), photo),
        "grey PNG with alpha": (
            encoded(Image.fromarray(np.ascontiguousarray(rgba[..., 2:]), "LA"), "PNG"),
            np.dstack([photo[..., 2]] * 3),
        ),
        "16-bit PNG": (encoded(grey_16, "PNG"), np.dstack([photo[..., 0]] * 3)),
        "grey JPEG": (encoded(photo[..., 0], "JPEG", quality=100), np.dstack([photo[..., 0]] * 3)),
        "progressive JPEG": (
            encoded(photo, "JPEG", quality=100, subsampling=0, progressive=True),
            photo,
        ),
        "WebP": (encoded(photo, "WEBP", lossless=True), photo),
        "animated GIF": (encoded(frames[0], "GIF", **animation), photo),
    }


@pytest.mark.parametrize("kind", kinds_of_files(np.zeros((2, 2, 3), np.uint8)))
def test_every_kind_of_file_is_seen_in_its_colours(transform_files, photo, kind):
    crop = np.ascontiguousarray(photo[80:144, 100:164])
    file, seen = kinds_of_files(crop)[kind]
    (picture,) = transform_files([file])
    (expected,) = transform_files([encoded(np.ascontiguousarray(seen), "PNG")])
    assert np.abs(picture.astype(int) - expected).mean() < 6  # palettes and JPEG lose a little


# --- Tiles


@pytest.fixture
def transform_tile(model):
    """Calls tile: arrays to an array."""
    function = model.signatures["tile"]
    return lambda tile, thumbnail: function(
        tile=tf.constant(tile), thumbnail=tf.constant(thumbnail)
    )["image"].numpy()


def test_an_image_normalised_as_itself_is_what_it_is_anyway(transform, transform_tile, photo):
    images = np.stack([photo[:60, :70], photo[100:160, :70]]).astype(np.float32) / 255
    np.testing.assert_allclose(transform_tile(images, images), transform(images), atol=1e-4)


def test_tiles_go_together_as_the_image_does(transform, transform_tile, photo):
    image = photo.astype(np.float32)[None] / 255
    whole = transform(image)[0]

    def tiled(thumbnail):
        tiles = tiling.grid((240, 320), 180, margin=64, multiple=STYLE_MULTIPLE)
        return tiling.assembled(
            tiles, lambda tile: transform_tile(tile.cut(image[0])[None], thumbnail(tile))[0]
        )

    np.testing.assert_allclose(tiled(lambda tile: image), whole, atol=1e-4)
    alone = tiled(lambda tile: tile.cut(image[0])[None])
    assert np.abs(alone - whole).mean() > 0.01


def test_one_thumbnail_does_for_all_tiles(transform_tile):
    tiles, thumbnails = some_images(3, 32, 24, 3), some_images(3, 40, 50, 3)
    together = transform_tile(tiles, thumbnails)
    for i in range(3):
        one = slice(i, i + 1)
        alone = transform_tile(tiles[one], thumbnails[one])
        np.testing.assert_allclose(together[one], alone, atol=1e-5)
        np.testing.assert_allclose(transform_tile(tiles, thumbnails[one])[one], alone, atol=1e-5)


@pytest.mark.parametrize("kind", [*BAD_IMAGES, "no tile", "other number"])
def test_a_bad_tile_or_thumbnail_is_refused(transform_tile, kind):
    good = some_images(3, 16, 16, 3)
    bad = {**BAD_IMAGES, "no tile": good[:0], "other number": good[:2]}[kind]
    for tile, thumbnail in ((good, bad), (bad, good)):
        with pytest.raises(REFUSED):
            transform_tile(tile, thumbnail)


def test_what_enlarges_has_no_tile():
    assert "tile" not in signatures(lambda images, training: images, 100, factor=2)
