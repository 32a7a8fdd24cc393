import math

import keras
import pytest

from trainers import memory
from trainers.pyramid import size_to_fit
from zoo.errors import UserError
from zoo.vgg import LossNetwork

GB = 1e9
DEEP = ["relu1_1", "relu5_1"]


@pytest.fixture(scope="module")
def vgg16():
    return LossNetwork("vgg16", None)


def test_the_estimate_grows_with_pixels_depth_and_width_of_numbers(vgg16):
    def needed(layers=DEEP, size=(512, 512), *rest):
        return memory.bytes_needed(vgg16, layers, size, *rest)

    assert needed(size=(512, 1024)) - needed() == pytest.approx(needed() - needed(size=(0, 0)))
    assert needed(["relu2_1"]) < needed(["relu3_1"]) < needed()
    assert needed(DEEP, (512, 512), "adam") < needed(DEEP, (512, 512), "lbfgs")
    assert needed(DEEP, (512, 512), "adam", "mixed_bfloat16") < needed(DEEP, (512, 512), "adam")


def test_the_estimate_holds_the_features_of_each_convolution_once_at_least(vgg16):
    size = (256, 192)
    image = keras.KerasTensor((1, *size, 3))
    layers = ("relu1_1", "relu1_2", "relu2_1", "relu2_2", "relu3_1")
    features = sum(
        math.prod(maps.shape[1:])
        for maps in vgg16.features(layers).compute_output_spec(image).values()
    )
    grown = memory.bytes_needed(vgg16, layers, size, "adam")
    assert 4 * features < grown - memory.bytes_needed(vgg16, [], (0, 0), "adam") < 20 * features


def test_what_fits_is_let_through(vgg16):
    memory.check(vgg16, DEEP, (512, 512), "lbfgs", "float32", free=100 * GB)


@pytest.mark.parametrize("shape", [(3, 4), (1, 1), (1080, 1921), (37, 11)])
@pytest.mark.parametrize("free", [1.05 * GB, 2 * GB, 3.3 * GB, 7 * GB])
def test_what_does_not_fit_is_refused_with_the_largest_size_that_does(vgg16, shape, free):
    def check(side):
        memory.check(vgg16, DEEP, size_to_fit(shape, side), "lbfgs", "float32", free)

    with pytest.raises(UserError, match=r"--size=4096 needs about \d+\.\d GB of .* are free") as e:
        check(4096)
    advised = int(str(e.value).split("--size=")[2].split()[0])
    check(advised)
    with pytest.raises(UserError):
        check(advised + 32)


def test_a_painting_may_need_more_than_the_image(vgg16):
    def needed(*painting_sizes):
        return memory.bytes_needed(vgg16, DEEP, (512, 512), "adam", "float32", painting_sizes)

    assert needed((512, 512)) == needed()
    assert needed((4096, 4096), (512, 512)) == needed((4096, 4096)) > needed((2048, 4096))
    assert needed((2048, 4096)) > 2 * needed()


def test_paintings_shrink_with_the_size_that_is_advised(vgg16):
    def check(side):
        sizes = [size_to_fit((3, 4), side * 5), size_to_fit((3, 1), side * 5)]
        memory.check(vgg16, DEEP, (side, side), "adam", "float32", 5 * GB, painting_sizes=sizes)

    with pytest.raises(UserError, match=r"--size=\d+ would do") as e:
        check(1024)
    advised = int(str(e.value).split("--size=")[2].split()[0].strip(";,"))
    check(advised)
    with pytest.raises(UserError):
        check(advised + 32)


def test_further_advice_is_only_given_where_there_is_some(vgg16):
    for optimizer in ("lbfgs", "adam"):
        for policy in ("float32", "mixed_bfloat16"):
            with pytest.raises(UserError) as failure:
                memory.check(vgg16, DEEP, (5000, 5000), optimizer, policy, free=0.5 * GB)
            text = str(failure.value)
            assert "no size would do" in text
            assert ("--optimizer=adam" in text) == (optimizer == "lbfgs")
            assert ("--dtype_policy=mixed_bfloat16" in text) == (policy == "float32")


def test_a_check_asks_what_is_free(monkeypatch, vgg16):
    monkeypatch.setattr(memory, "available", lambda: 2e9)
    with pytest.raises(UserError, match=r"and 2\.0 are free"):
        memory.check(vgg16, DEEP, (4096, 4096), "lbfgs", "float32")
