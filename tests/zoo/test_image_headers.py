import contextlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tests.zoo.encoded_files import encoded, png
from zoo.image_headers import declared_size

INVALID = tf.errors.InvalidArgumentError
SIZES = [(1, 1), (37, 53), (300, 2)]


@pytest.fixture(scope="module")
def in_graph():
    return tf.function(declared_size, input_signature=[tf.TensorSpec([], tf.string)])


def noise(height, width, channels=3):
    return np.random.default_rng(0).integers(0, 256, (height, width, channels), np.uint8)


FILES = {
    "baseline JPEG": lambda size: encoded(noise(*size), "JPEG"),
    "progressive JPEG": lambda size: encoded(noise(*size), "JPEG", progressive=True),
    "grey JPEG": lambda size: encoded(noise(*size)[..., 0], "JPEG"),
    "JPEG with EXIF": lambda size: encoded(noise(*size), "JPEG", exif=b"Exif\0\0" + bytes(5000)),
    "PNG": lambda size: encoded(noise(*size), "PNG"),
    "PNG with alpha": lambda size: encoded(noise(*size, 4), "PNG"),
    "GIF": lambda size: encoded(noise(*size), "GIF"),
    "BMP, bottom-up": lambda size: encoded(noise(*size), "BMP"),
    "BMP, top-down": lambda size: top_down(encoded(noise(*size), "BMP")),
    "lossy WebP": lambda size: encoded(noise(*size), "WEBP"),
    "lossless WebP": lambda size: encoded(noise(*size), "WEBP", lossless=True),
    "extended WebP": lambda size: encoded(noise(*size, 4), "WEBP"),
    "animated WebP": lambda size: animated(size, "WEBP"),
    "animated GIF": lambda size: animated(size, "GIF"),
}


def top_down(bmp):
    height = int.from_bytes(bmp[22:26], "little", signed=True)
    return bmp[:22] + (-height).to_bytes(4, "little", signed=True) + bmp[26:]


def animated(size, format):
    frames = [Image.fromarray(pixels) for pixels in (noise(*size), 255 - noise(*size))]
    return encoded(frames[0], format, save_all=True, append_images=frames[1:])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", FILES)
def test_the_header_tells_height_and_width(in_graph, kind, size):
    file = FILES[kind](size)
    if "WebP" in kind:
        chunk = {"lossy WebP": b"VP8 ", "lossless WebP": b"VP8L"}.get(kind, b"VP8X")
        assert file[12:16] == chunk
    declared = in_graph(file)
    assert declared.dtype == tf.int64
    assert declared.numpy().tolist() == list(size)


def test_a_header_may_declare_more_than_an_int32(in_graph):
    assert in_graph(png(4_000_000_000, 50_000, 8, 2, [b""])).numpy().tolist() == [50_000, 4 * 10**9]
    bmp = bytearray(encoded(noise(2, 2), "BMP"))
    width, height = (n.to_bytes(4, "little", signed=True) for n in (2**31 - 1, -(2**31)))
    bmp[18:26] = width + height
    assert in_graph(bytes(bmp)).numpy().tolist() == [2**31, 2**31 - 1]


@pytest.mark.parametrize(
    "contents",
    [b"", b"\0", b"Dear diary, this is no photo of mine.", encoded(noise(3, 3), "TIFF")],
    ids=["empty", "zero", "text", "TIFF"],
)
def test_other_bytes_are_refused(in_graph, contents):
    with pytest.raises(INVALID, match="must be a JPEG, PNG, GIF, BMP or WebP file"):
        in_graph(contents)


@pytest.mark.parametrize("kind", FILES)
def test_a_truncated_header_is_refused_or_answered_but_never_crashes(in_graph, kind):
    whole = FILES[kind]((37, 53))
    for length in [*range(33), 40, 100]:
        with contextlib.suppress(INVALID):
            assert in_graph(whole[:length]).numpy().min() >= 0


@pytest.mark.parametrize("kind", FILES)
def test_damaged_headers_never_crash(in_graph, kind):
    random = np.random.default_rng(0)
    whole = np.frombuffer(FILES[kind]((37, 53)), np.uint8)
    for _ in range(20):
        damaged = whole[:200].copy()
        damaged[random.integers(0, len(damaged), 4)] = random.integers(0, 256, 4)
        with contextlib.suppress(INVALID):
            in_graph(damaged.tobytes())
