import importlib.util
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import ops

from trainers.gradients import value_and_gradient


def terms_of(image):
    cubes, mean = ops.sum(image**3), ops.mean(image)
    return {"loss": 2 * cubes + mean, "cubes": cubes, "mean": mean}


@pytest.fixture
def image():
    return np.random.default_rng(0).uniform(0.1, 1, (5, 4, 3)).astype("float32")


def test_the_terms_are_floats_and_the_gradient_is_that_of_the_loss(image):
    terms, gradient = value_and_gradient(terms_of)(image)
    cubes, mean = np.sum(image**3), np.mean(image)
    assert terms == pytest.approx({"loss": 2 * cubes + mean, "cubes": cubes, "mean": mean})
    assert {type(value) for value in terms.values()} == {float}
    assert (gradient.dtype, gradient.shape) == ("float32", image.shape)
    np.testing.assert_allclose(gradient, 6 * image**2 + 1 / image.size, rtol=1e-5)


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_the_function_gets_float32_whatever_the_image_is(dtype, image):
    dtypes = []

    def recording(tensor):
        dtypes.append(keras.backend.standardize_dtype(tensor.dtype))
        return terms_of(tensor)

    evaluate = value_and_gradient(recording)
    _, gradient = evaluate(image.astype(dtype))
    assert set(dtypes) == {"float32"}
    assert gradient.dtype == "float32"


def test_the_gradient_goes_through_a_network_of_constant_weights(image):
    convolution = keras.layers.Conv2D(4, 3, padding="same", trainable=False)
    convolution.build((None, None, None, 3))
    evaluate = value_and_gradient(lambda tensor: {"loss": ops.sum(convolution(tensor) ** 2)})
    gradient = evaluate(image)[1]
    ahead, behind = (evaluate(image + step * gradient)[0]["loss"] for step in (1e-4, -1e-4))
    assert (ahead - behind) / 2e-4 == pytest.approx(np.sum(gradient**2), rel=1e-2)


def test_the_gradient_can_be_written_to(image):
    gradient = value_and_gradient(terms_of)(image)[1]
    gradient *= 2
    np.testing.assert_allclose(gradient, 12 * image**2 + 2 / image.size, rtol=1e-5)


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="torch compiles nothing")
def test_it_is_compiled_once_for_each_size(image):
    calls = []

    def counting(tensor):
        calls.append(tuple(tensor.shape))
        return terms_of(tensor)

    evaluate = value_and_gradient(counting)
    for _ in range(3):
        for height in (5, 4, 3):
            evaluate(image[:height])
    assert calls == [(1, 5, 4, 3), (1, 4, 4, 3), (1, 3, 4, 3)]


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="would start itself")
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_all_of_this_holds_on_other_backends(backend):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    tests = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", __file__],
        env={**os.environ, "KERAS_BACKEND": backend},
        text=True,
        capture_output=True,
    )
    assert tests.returncode == 0, tests.stdout
    assert " passed" in tests.stdout
