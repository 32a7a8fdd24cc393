"""Pictures larger than a model takes, through either client."""

import threading

import numpy as np
import pytest
from PIL import Image

from serving import client
from tests.serving.fake_server import Model

SIZE = (700, 900)  # height, width


@pytest.fixture(scope="module")
def large():
    noise = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), np.uint8)
    return Image.fromarray(noise)


@pytest.fixture
def models(fake):
    fake.models["sr-x2"] = Model("superres", 2, tells=True, receptive_field=12, max_pixels=10**6)
    fake.models["wave"] = Model(tells=True, takes_tiles=True, max_pixels=400_000)
    fake.models["older"] = Model(tells=True, max_pixels=400_000)
    return fake.models


def sent_sizes(fake, name):
    return [
        tuple(dim.size for dim in request.inputs[name].tensor_shape.dim)
        for request in fake.predicts
    ]


def test_super_resolution_in_tiles_is_the_whole_pictures(zoo, fake, models, large):
    enlarged = zoo.upscale(large, 2)
    whole = (255 - np.asarray(large)).repeat(2, 0).repeat(2, 1)
    np.testing.assert_array_equal(np.asarray(enlarged), whole)
    assert len(fake.predicts) > 1
    assert {request.model_spec.signature_name for request in fake.predicts} == {"encoded"}


def test_a_style_in_tiles_goes_with_patches_of_the_whole(zoo, fake, models, large):
    stylised = zoo.stylize(large, "wave", tile=600)
    np.testing.assert_array_equal(np.asarray(stylised), 255 - np.asarray(large))
    assert {request.model_spec.signature_name for request in fake.predicts} == {"tile"}
    assert len(fake.predicts) == 4
    assert all(max(size) <= 600 for size in sent_sizes(fake, "tile"))
    assert len(set(sent_sizes(fake, "thumbnail"))) == 1


def test_a_picture_that_the_model_takes_is_sent_whole(zoo, fake, models, large):
    zoo.stylize(large.resize((600, 600)), "wave")
    zoo.stylize(large, "wave", tile="off")
    zoo.stylize(large, "inverter")  # which does not tell what it takes
    assert len(fake.predicts) == 3
    assert {request.model_spec.signature_name for request in fake.predicts} == {"encoded"}


def test_weights_of_styles_go_with_each_tile(zoo, fake, models, large):
    models["painters"] = Model(
        styles=("wave", "photo"), tells=True, takes_tiles=True, max_pixels=400_000
    )
    zoo.stylize(large, "painters", style="wave", tile=600)
    assert sent_sizes(fake, "style_weights") == [(1, 2)] * 4


@pytest.mark.parametrize(
    ("model", "tile", "words"),
    [
        ("older", "auto", "900 x 700 picture in tiles.*\nScale the picture down, or export"),
        ("inverter", 600, "neither the signature 'tile' nor"),
        ("wave", 100, r"too small\. Give \d+ or more"),
        ("wave", "some", "tile='some'"),
    ],
)
def test_what_cannot_be_done_is_told_before_anything_is_sent(
    zoo, fake, models, large, model, tile, words
):
    with pytest.raises(client.InvalidRequest, match=words):
        zoo.stylize(large, model, tile=tile)
    assert not fake.predicts


def test_all_tiles_come_from_one_version_even_if_another_appears(zoo, fake, models, large):
    appears_after(fake, 2, Model(tells=True, takes_tiles=True, versions=(1, 2)))
    zoo.stylize(large, "wave", tile=600)
    assert [request.model_spec.version.value for request in fake.predicts] == [1] * 4


def test_a_version_that_goes_away_between_tiles_is_left_for_the_next(zoo, fake, models, large):
    appears_after(fake, 2, Model(tells=True, takes_tiles=True, versions=(2,)))
    stylised = zoo.stylize(large, "wave", tile=600)
    np.testing.assert_array_equal(np.asarray(stylised), 255 - np.asarray(large))
    assert [request.model_spec.version.value for request in fake.predicts[-4:]] == [2] * 4


def test_no_more_tiles_are_on_the_way_than_asked(connect, target, fake, models, large):
    on_the_way, most, lock = 0, 0, threading.Lock()
    answer = fake.Predict

    def counted(request, context):
        nonlocal on_the_way, most
        with lock:
            on_the_way += 1
            most = max(most, on_the_way)
        try:
            return answer(request, context)
        finally:
            with lock:
                on_the_way -= 1

    fake.Predict = counted
    with connect(target, parallel=2) as zoo:
        zoo.upscale(large, 2, tile=200)
    assert most <= 2
    assert len(fake.predicts) > 10


def appears_after(fake, calls, model):
    """Serve another version of "wave" from a number of calls on."""
    check = fake._fail

    def replace(context):
        if len(fake.predicts) > calls:
            fake.models["wave"] = model
        check(context)

    fake._fail = replace
