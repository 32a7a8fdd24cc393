import contextlib
import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tests.zoo.encoded_files import encoded
from zoo.gif import first_frame

INVALID = tf.errors.InvalidArgumentError


@pytest.fixture(scope="module")
def cut():
    graph = tf.function(first_frame, input_signature=[tf.TensorSpec([], tf.string)])
    return lambda contents: graph(contents).numpy()


def noise(seed, size=(37, 53)):
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)


def animation(seeds=(0, 1, 2), **options):
    frames = [Image.fromarray(noise(seed)) for seed in seeds]
    return encoded(frames[0], "GIF", save_all=True, append_images=frames[1:], **options)


FILES = {
    "still": encoded(noise(0), "GIF"),
    "animation": animation(),
    "loop and comment": animation(loop=0, comment=b"words " * 100),
    "grey": encoded(noise(0)[..., 0], "GIF"),
    "interlaced": encoded(noise(0), "GIF", interlace=True),
    "longer than many blocks": encoded(noise(0, (300, 400)), "GIF"),
    "own palettes": animation(optimize=False, disposal=2),
}


@pytest.mark.parametrize("kind", FILES)
def test_one_frame_is_left_and_its_pixels_are_the_same(cut, kind):
    left = Image.open(io.BytesIO(cut(FILES[kind])))
    whole = Image.open(io.BytesIO(FILES[kind]))
    assert left.n_frames == 1
    np.testing.assert_array_equal(np.asarray(left.convert("RGB")), np.asarray(whole.convert("RGB")))


def test_the_header_tells_the_size_of_the_frame(cut):
    file = FILES["animation"]
    left = cut(file[:6] + b"\1\0\1\0" + file[10:])
    assert Image.open(io.BytesIO(left)).size == (53, 37)


@pytest.mark.parametrize("end", [4, 13, 20, 800, 830])
def test_a_file_that_ends_too_early_is_refused_or_cut(cut, end):
    with contextlib.suppress(INVALID):
        assert len(cut(FILES["still"][:end])) <= end + 1


def test_damaged_files_never_crash(cut):
    random = np.random.default_rng(0)
    whole = np.frombuffer(FILES["loop and comment"], np.uint8)
    for _ in range(50):
        damaged = whole.copy()
        damaged[random.integers(0, 1500, 20)] = random.integers(0, 256, 20)
        with contextlib.suppress(INVALID):
            cut(damaged.tobytes())
