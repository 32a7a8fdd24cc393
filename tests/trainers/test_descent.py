import dataclasses

import numpy as np
import pytest

from trainers import descent
from trainers.descent import Scale, descend, first_image, plan
from trainers.pictures import read_pictures
from zoo import images
from zoo.errors import UserError


@pytest.fixture
def prepared(image_settings, tiny_loss_network):
    """Gives (settings, pictures, loss network) for settings with changes."""

    def prepared(**changes):
        settings = dataclasses.replace(image_settings, **changes)
        return settings, read_pictures(settings), tiny_loss_network

    return prepared


@pytest.fixture
def start(prepared):
    """Gives what a run with some settings starts from."""

    def start(**changes):
        settings, pictures, _ = prepared(**changes)
        return first_image(settings, pictures, (24, 28))

    return start


class Steps(list):
    """An observer that keeps the `Step`s, and raises after so many."""

    def __init__(self, error=None, after=0):
        super().__init__()
        self.error, self.after = error, after

    def __call__(self, step):
        self.append(step)
        if self.error and len(self) == self.after:
            raise self.error

    @property
    def counts(self):
        return [(step.scale, step.iteration) for step in self]


# --- The plan ---


def test_iterations_are_divided_by_the_cubes_of_the_sides_from_coarse_to_fine(prepared):
    scales = plan(*prepared(size=560, start_size=140, iterations=1300))
    assert [scale.size for scale in scales] == [
        (120, 140),
        (170, 198),
        (240, 280),
        (339, 396),
        (480, 560),
    ]
    shares = [scale.iterations / 1300 for scale in scales]
    cubes = np.array([140, 198, 280, 396, 560]) ** 3
    assert shares == pytest.approx(cubes / cubes.sum(), abs=1 / 1300)
    assert sum(scale.iterations for scale in scales) == 1300


def test_sizes_too_small_for_the_deepest_layer_are_left_out(prepared):
    changes = {"size": 160, "start_size": 10, "iterations": 300}
    for layer, smallest in (("relu2_1", 9), ("relu4_1", 9), ("relu5_1", 17)):
        scales = plan(*prepared(**changes, content_layers={layer: 1.0}))
        assert min(scales[0].size) == smallest
        assert scales[-1] == Scale((137, 160), scales[-1].iterations)
        assert sum(scale.iterations for scale in scales) == 300
    # A layer that is not used asks for nothing; a small painting counts too.
    deep = {"content": None, "content_layers": {"relu5_1": 1.0}}
    assert len(plan(*prepared(**changes, **deep))) == 9
    deep = {"style_layers": {"relu5_1": 1.0}, "style_scale": 0.5}
    assert min(plan(*prepared(**changes, **deep))[0].size) >= 32


@pytest.mark.parametrize(
    "changes",
    [
        {"size": 18, "content_layers": {"relu5_3": 1.0}},
        {"size": 100, "style_layers": {"relu5_1": 1.0}, "style_scale": 0.15},
        {"size": 1, "content_layers": {"relu1_1": 1.0}, "style": ()},
    ],
)
def test_a_size_too_small_is_refused_with_one_that_is_not(prepared, changes):
    with pytest.raises(UserError, match=r"need \d+: --size=\d+ would do") as failure:
        plan(*prepared(**changes))
    size = int(str(failure.value).split("--size=")[-1].split()[0])
    assert plan(*prepared(**{**changes, "size": size}))[-1].size[1] == size
    with pytest.raises(UserError, match=f"--size={size} would do"):
        plan(*prepared(**{**changes, "size": size - 1}))


def test_fewer_iterations_than_sizes_are_done_at_the_finest(prepared):
    scales = plan(*prepared(size=160, start_size=20, iterations=2))
    assert [(max(scale.size), scale.iterations) for scale in scales] == [(113, 1), (160, 1)]


def test_a_layer_that_does_not_exist_is_refused_with_those_that_do(prepared):
    with pytest.raises(UserError, match=r"no layer 'relu9_1'; it has relu1_1, .*relu5_3"):
        plan(*prepared(style_layers={"relu9_1": 1.0}))


# --- The start ---


def test_noise_is_that_of_the_seed(start):
    noise = start(init="noise", seed=3)
    assert (noise.shape, noise.dtype) == ((24, 28, 3), np.float32)
    np.testing.assert_array_equal(noise, start(init="noise", seed=3))
    assert np.mean(noise == start(init="noise", seed=4)) < 0.01
    assert 0 <= noise.min() < noise.mean() < noise.max() <= 1
    for pair in ((noise[1:], noise[:-1]), (noise[:, 1:], noise[:, :-1]), noise.T[:2]):
        assert abs(np.corrcoef(*map(np.ravel, pair))[0, 1]) < 0.15  # it is white


def test_a_start_is_the_photo_the_first_painting_grey_or_a_file(start, photo_directory, painting):
    paintings = (str(painting), str(photo_directory / "3.jpg"))
    for init, path in (
        ("content", photo_directory / "0.jpg"),
        ("style", painting),
        (str(photo_directory / "7.jpg"), photo_directory / "7.jpg"),
    ):
        expected = images.resize(images.read(path).rgb, (24, 28))
        np.testing.assert_allclose(start(init=init, style=paintings), expected)
    assert np.all(start(init="gray") == 0.5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"init": "content", "content": None}, "--init=content without --content"),
        ({"init": "style", "style": ()}, "--init=style without --style"),
        ({"init": "/nowhere.png"}, r"/nowhere\.png: .*No such file"),
    ],
)
def test_a_start_that_there_is_not_is_refused(start, changes, message):
    with pytest.raises(UserError, match=message):
        start(**changes)


# --- The descent ---


@pytest.mark.parametrize("optimizer", descent.MINIMIZERS)
@pytest.mark.parametrize("alone", [{"content": None}, {"style": ()}, {}])
def test_it_gets_down_from_noise(prepared, optimizer, alone):
    steps = Steps()
    image = descend(*prepared(init="noise", optimizer=optimizer, **alone), steps)
    assert steps.counts == [(0, i) for i in range(1, 7)]
    assert steps[-1].terms["loss"] < 0.8 * steps[0].terms["loss"]
    assert (image.shape, image.dtype) == ((28, 28, 3) if "content" in alone else (24, 28, 3), "f4")
    assert image.min() >= 0
    assert image.max() <= 1


def test_the_image_is_the_iterate_with_the_lowest_loss(prepared):
    # So long steps that the loss goes up and down.
    run = prepared(optimizer="adam", learning_rate=0.5, init="noise", iterations=12)
    steps = Steps()
    image = descend(*run, steps)
    losses = [step.terms["loss"] for step in steps]
    best = int(np.argmin(losses))
    assert losses != sorted(losses, reverse=True)
    assert all(np.array_equal(step.image, image) for step in steps[best:])
    assert not np.array_equal(steps[best - 1].image, image)


def test_or_the_average_of_iterates(prepared):
    run = prepared(optimizer="adam", learning_rate=0.1, iterations=3)
    iterates = Steps()
    descend(dataclasses.replace(run[0], average=1e-9), *run[1:], iterates)
    image = descend(dataclasses.replace(run[0], average=0.5), *run[1:])
    expected = np.average([step.image for step in iterates], axis=0, weights=[0.25, 0.5, 1])
    np.testing.assert_allclose(image, expected, atol=1e-5)


def test_each_size_goes_on_from_the_one_before(prepared):
    steps = Steps()
    run = prepared(size=56, start_size=28, iterations=9, init="noise")
    image = descend(*run, steps)
    assert steps.counts == [(0, 1), (1, 1), (1, 2)] + [(2, i) for i in range(1, 7)]
    assert [step.image.shape for step in steps[:4]] == [
        (24, 28, 3), (34, 40, 3), (34, 40, 3), (48, 56, 3),
    ]  # fmt: skip
    assert image.shape == (48, 56, 3)
    # The first iterate at the last size is near to what the size before ended with.
    before, after = images.resize(steps[2].image, (48, 56)), steps[3].image
    noise = first_image(run[0], run[1], (48, 56))
    assert np.abs(after - before).mean() < 0.3 * np.abs(after - noise).mean()


def test_it_goes_on_after_a_step_and_after_the_last_of_a_size(prepared):
    run = prepared(size=40, start_size=28, iterations=8)
    whole = Steps()
    descend(*run, whole)
    assert whole.counts == [(0, 1), (0, 2)] + [(1, i) for i in range(1, 7)]
    for done in (2, 3, 8):
        rest, last = Steps(), whole[done - 1]
        image = descend(*run, rest, (last.scale, last.iteration, last.image))
        assert rest.counts == whole.counts[done:]
        assert image.shape == (34, 40, 3)
    np.testing.assert_array_equal(image, last.image)  # nothing was left to do


@pytest.mark.parametrize("iterations", [(0, 3), (3, 0), (0, 0)])
def test_a_size_without_iterations_only_resizes(prepared, monkeypatch, iterations):
    scales = [Scale(size, n) for size, n in zip([(24, 28), (48, 56)], iterations, strict=True)]
    monkeypatch.setattr(descent, "plan", lambda *run: scales)
    steps = Steps()
    assert descend(*prepared(), steps).shape == (48, 56, 3)
    assert len(steps) == sum(iterations)


def test_the_same_seed_gives_the_same_image(prepared):
    first, again = (descend(*prepared(init="noise", iterations=3)) for _ in range(2))
    np.testing.assert_allclose(first, again, atol=1e-4)


def test_what_the_observer_raises_ends_the_run(prepared):
    for error in (KeyboardInterrupt, ValueError):
        steps = Steps(error, after=2)
        with pytest.raises(error):
            descend(*prepared(), steps)
        assert len(steps) == 2


@pytest.mark.parametrize("optimizer", descent.MINIMIZERS)
def test_huge_weights_do_not_stop_it_at_once(prepared, optimizer):
    run = prepared(
        optimizer=optimizer, init="noise", criterion="gatys2016", content_weight=1e12,
        style_weight=1e12,
    )  # fmt: skip
    steps = Steps()
    descend(*run, steps)
    assert len(steps) == 6
    assert steps[0].terms["loss"] > 1e12
    assert steps[-1].terms["loss"] < 0.9 * steps[0].terms["loss"]


def test_a_loss_that_is_not_finite_is_refused_with_what_to_try(prepared):
    with pytest.raises(UserError, match=r"the loss is (inf|nan) at iteration 1: try .*weights"):
        descend(*prepared(init="noise", criterion="gatys2016", content_weight=1e37))


def test_a_start_without_loss_stays_as_it_is(prepared):
    steps = Steps()
    image = descend(*prepared(style=(), tv_weight=0.0), steps)
    assert steps == []
    np.testing.assert_array_equal(image, first_image(*prepared()[:2], (24, 28)))
