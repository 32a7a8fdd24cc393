import math
from types import SimpleNamespace

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


# --- What is free ---

V2 = ("memory.max", "memory.current", "memory.stat", "inactive_file")
V1 = (
    "memory/memory.limit_in_bytes",
    "memory/memory.usage_in_bytes",
    "memory/memory.stat",
    "total_inactive_file",
)


@pytest.fixture
def container(monkeypatch, tmp_path):
    """A machine with 8 GB free; writes the files of a container on it."""
    free = SimpleNamespace(available=int(8 * GB))
    monkeypatch.setattr(memory.psutil, "virtual_memory", lambda: free)
    monkeypatch.setattr(memory, "_CONTROL_GROUPS", tmp_path)

    def write(names, limit, used, cached):
        *files, key = names
        texts = (limit, f"{used:.0f}\n", f"anon 5\n{key} {cached:.0f}\nactive_file 7\n")
        for name, text in zip(files, texts, strict=True):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(text)

    return write


@pytest.mark.parametrize("names", [V2, V1])
@pytest.mark.parametrize(
    ("limit", "used", "cached", "free"),
    [
        ("4000000000", 1 * GB, 0, 3 * GB),
        ("4000000000", 4 * GB, 2.5 * GB, 2.5 * GB),  # full, but of files that need not stay
        ("64000000000", 1 * GB, 0, 8 * GB),  # more than the machine has
        ("9223372036854771712", 1 * GB, 0, 8 * GB),  # version 1 for no limit
    ],
)
def test_no_more_is_free_than_the_container_may_take(container, names, limit, used, cached, free):
    container(names, limit, used, cached)
    assert memory.available() == free


def test_without_a_limit_all_that_the_machine_has_is_free(container):
    assert memory.available() == 8 * GB
    container(V2, "max", 1 * GB, 0)
    assert memory.available() == 8 * GB


def test_a_check_asks_what_is_free(container, vgg16):
    container(V2, "2000000000", 0, 0)
    with pytest.raises(UserError, match=r"and 2\.0 are free"):
        memory.check(vgg16, DEEP, (4096, 4096), "lbfgs", "float32")
