import numpy as np
import pytest
from scipy import optimize

from trainers.minimizers import LBFGS, Adam, Best, ExponentialAverage
from zoo.errors import UserError

SHAPE = (6, 5, 3)
MINIMIZERS = {
    "lbfgs": LBFGS,
    "whitened": lambda **k: LBFGS(whitened=True, **k),
    "adam": Adam,
}


@pytest.fixture
def target():
    return np.random.default_rng(0).uniform(0.1, 0.9, SHAPE)


@pytest.fixture
def start():
    return np.random.default_rng(1).uniform(0, 1, SHAPE).astype("float32")


@pytest.fixture(params=MINIMIZERS)
def minimizer(request):
    return MINIMIZERS[request.param]


def quadratic(target, scale=1.0):
    """Of curvatures from 1 to 100, with its minimum of 0 at `target`."""
    curvatures = np.geomspace(1, 100, target.size).reshape(target.shape)

    def evaluate(image):
        difference = image.astype("float64") - target
        loss = scale * np.sum(curvatures * difference**2) / 2
        return {"loss": float(loss)}, (scale * curvatures * difference).astype("float32")

    return evaluate


def rosenbrock(image):
    """The chained function of all pixels; its minimum is 0, where each is 1."""
    x = image.astype("float64").ravel()
    return {"loss": optimize.rosen(x)}, optimize.rosen_der(x).reshape(image.shape).astype("float32")


def rounded(values, bits=8):
    """With a significand of bfloat16's 8 bits."""
    significand, exponent = np.frexp(values)
    return np.ldexp(np.round(significand * 2**bits) / 2**bits, exponent)


def nothing(iteration, image, terms):
    pass


class Calls:
    def __init__(self, evaluate=None):
        self.evaluate = evaluate
        self.evaluations = 0
        self.iterations = []

    def __call__(self, image):
        self.evaluations += 1
        return self.evaluate(image)

    def callback(self, iteration, image, terms):
        self.iterations.append((iteration, image, terms))

    @property
    def losses(self):
        return [terms["loss"] for _, _, terms in self.iterations]


def test_it_finds_the_minimum_of_a_quadratic(minimizer, start, target):
    image = minimizer().minimize(quadratic(target), start, 600, nothing)
    assert image.dtype == "float32"
    np.testing.assert_allclose(image, target, atol=1e-3)


def test_lbfgs_follows_a_curved_valley_to_its_end(start):
    image = LBFGS().minimize(rosenbrock, start, 500, nothing)
    np.testing.assert_allclose(image, 1, atol=1e-3)


def test_lbfgs_gets_where_scipy_called_directly_gets_as_soon(start, target):
    target = 1.5 * target - 0.2  # some minima lie beyond the bounds
    minimizer = LBFGS()
    image = minimizer.minimize(quadratic(target), start, 40, nothing)

    def flat(x):
        terms, gradient = quadratic(target)(x.reshape(SHAPE))
        return terms["loss"], gradient.ravel().astype("float64")

    direct = optimize.minimize(
        flat,
        start.ravel().astype("float64"),
        jac=True,
        bounds=[(0, 1)] * start.size,
        method="L-BFGS-B",
        options={"maxiter": 40, "ftol": 0, "gtol": 0},
    )
    np.testing.assert_allclose(image.ravel(), direct.x, atol=2e-3)
    assert minimizer.evaluations < 1.2 * direct.nfev


def test_it_keeps_to_0_to_1(minimizer, start, target):
    calls = Calls(quadratic(3 * target - 1))
    minimizer().minimize(calls, start, 100, calls.callback)
    assert all(image.min() >= 0 and image.max() <= 1 for _, image, _ in calls.iterations)


def test_without_bounds_an_excess_costs_more_than_it_gains(start, target):
    calls = Calls(quadratic(3 * target - 1))
    LBFGS(whitened=True).minimize(calls, start, 300, calls.callback)
    _, image, terms = calls.iterations[-1]
    # The terms are those of the image before it was clipped.
    assert terms["loss"] == pytest.approx(calls.evaluate(image)[0]["loss"], rel=0.1)


def test_whitened_steps_find_coarse_structure_sooner():
    rows = np.arange(64)[:, None, None]
    coarse = 0.5 + 0.2 * np.sin(2 * np.pi * rows / 64) * np.ones((64, 64, 3))

    def spectral(image):  # as hard for what is coarse as a loss of gradients is
        spectrum = np.fft.rfft2(image - coarse, axes=(0, 1), norm="ortho")
        f = np.hypot(np.fft.fftfreq(64)[:, None], np.fft.rfftfreq(64))[..., None] + 1 / 64
        gradient = np.fft.irfft2(spectrum * f**1.5, s=(64, 64), axes=(0, 1), norm="ortho")
        return {"loss": float(np.sum(gradient * (image - coarse)) / 2)}, gradient.astype("float32")

    start = np.random.default_rng(0).uniform(0.3, 0.7, (64, 64, 3)).astype("float32")

    def error(whitened):
        image = LBFGS(memory=3, whitened=whitened).minimize(spectral, start, 8, nothing)
        return np.abs(image - coarse).mean()

    assert error(True) < 0.8 * error(False)


def test_a_start_outside_of_the_bounds_is_clipped(target):
    start = np.full(SHAPE, -2, "float32")
    for minimizer in (LBFGS(), Adam()):
        assert minimizer.minimize(quadratic(target), start, 0, nothing).min() == 0


@pytest.mark.parametrize("scale", [2.0**-40, 2.0**50])
def test_the_size_of_the_loss_changes_nothing(scale, minimizer, start, target):
    plain, scaled = Calls(), Calls()
    minimizer().minimize(quadratic(target), start, 30, plain.callback)
    minimizer().minimize(quadratic(target, scale), start, 30, scaled.callback)
    assert len(scaled.losses) == 30
    assert [loss / scale for loss in scaled.losses] == plain.losses


def test_the_first_step_of_lbfgs_is_sensible_whatever_the_size_of_the_image():
    for side in (4, 64):
        calls = Calls(quadratic(np.full((side, side, 3), 0.8), 1e9))
        start = np.full((side, side, 3), 0.3, "float32")
        LBFGS().minimize(calls, start, 1, calls.callback)
        ((_, image, _),) = calls.iterations
        assert 0.005 < np.sqrt(np.mean((image - start) ** 2)) < 0.5


def test_lbfgs_gets_down_in_spite_of_noise_like_that_of_bfloat16(start, target):
    exact = quadratic(target)

    def noisy(image):
        terms, gradient = exact(rounded(image))
        return {"loss": float(rounded(terms["loss"], bits=12))}, rounded(gradient)

    image = LBFGS().minimize(noisy, start, 100, nothing)
    # Half a unit in the last place of each pixel is what the noise leaves undecided.
    undecided = exact(target + 2**-9 * target)[0]["loss"]
    assert exact(image)[0]["loss"] < 4 * undecided < 0.01 * exact(start)[0]["loss"]


def test_lbfgs_goes_on_after_failed_line_searches(start, target):
    calls = Calls()

    def bad_for_a_while(image):
        calls.evaluations += 1
        terms, gradient = quadratic(target)(image)
        return {"loss": terms["loss"] + 1000 * (10 <= calls.evaluations < 13)}, gradient

    image = LBFGS().minimize(bad_for_a_while, start, 100, calls.callback)
    assert [iteration for iteration, _, _ in calls.iterations] == [
        *range(1, len(calls.iterations) + 1)
    ]
    assert calls.losses == sorted(calls.losses, reverse=True)
    np.testing.assert_allclose(image, target, atol=1e-3)


def test_lbfgs_gives_up_where_nothing_helps(start, target):
    calls = Calls()

    def uphill(image):
        terms, gradient = quadratic(target)(image)
        return terms, -gradient

    minimizer = LBFGS()
    image = minimizer.minimize(uphill, start, 100, calls.callback)
    assert calls.iterations == []
    assert minimizer.evaluations < 40
    np.testing.assert_array_equal(image, start)


def test_a_start_at_the_minimum_stays_there(minimizer, start):
    image = minimizer().minimize(quadratic(start.astype("float64")), start, 20, nothing)
    np.testing.assert_array_equal(image, start)


def test_the_callback_gets_each_iteration_in_order_with_its_own_terms(minimizer, start, target):
    evaluate = quadratic(target)
    calls = Calls(evaluate)
    image = minimizer().minimize(calls, start, 12, calls.callback)
    assert [iteration for iteration, _, _ in calls.iterations] == list(range(1, 13))
    for _, iterate, terms in calls.iterations:
        assert iterate.dtype == "float32"
        assert terms["loss"] == pytest.approx(evaluate(iterate)[0]["loss"], rel=1e-2)
    np.testing.assert_array_equal(calls.iterations[-1][1], image)


def test_a_callback_may_write_on_its_copy(minimizer, start, target):
    def scribble(iteration, image, terms):
        image[:] = 7

    quiet, scribbled = (
        minimizer().minimize(quadratic(target), start, 10, callback)
        for callback in (nothing, scribble)
    )
    np.testing.assert_array_equal(quiet, scribbled)
    assert start.max() <= 1


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_what_the_callback_raises_comes_through(error, minimizer, start, target):
    calls = Calls(quadratic(target))

    def stop(iteration, image, terms):
        calls.callback(iteration, image, terms)
        if iteration == 3:
            raise error

    with pytest.raises(error):
        minimizer().minimize(calls, start, 20, stop)
    assert len(calls.iterations) == 3


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_loss_that_is_not_finite_is_refused_by_its_iteration(value, minimizer, start, target):
    calls = Calls()

    def evaluate(image):
        terms, gradient = quadratic(target)(image)
        return {"loss": value} if len(calls.iterations) == 4 else terms, gradient

    with pytest.raises(UserError, match=f"the loss is {value} at iteration 5"):
        minimizer().minimize(evaluate, start, 20, calls.callback)


def test_a_gradient_that_is_not_finite_is_refused(minimizer, start, target):
    def evaluate(image):
        terms, gradient = quadratic(target)(image)
        gradient[2, 1, 0] = np.nan
        return terms, gradient

    with pytest.raises(UserError, match="the gradient is not finite at iteration 1"):
        minimizer().minimize(evaluate, start, 20, nothing)


@pytest.mark.parametrize("bound", [1, 2, 9])
def test_no_more_evaluations_than_allowed(bound, minimizer, start, target):
    calls = Calls(quadratic(target))
    minimizer = minimizer(max_evaluations=bound)
    image = minimizer.minimize(calls, start, 100, calls.callback)
    assert minimizer.evaluations == calls.evaluations == bound
    last = calls.iterations[-1][1] if calls.iterations else start
    np.testing.assert_array_equal(image, last)


def test_no_image_is_evaluated_twice(minimizer, start, target):
    seen = []

    def evaluate(image):
        seen.append(image.tobytes())
        return quadratic(target)(image)

    minimizer = minimizer()
    minimizer.minimize(evaluate, start, 20, nothing)
    assert len(set(seen)) == len(seen) == minimizer.evaluations


def test_each_run_counts_its_own_evaluations(minimizer, start, target):
    minimizer = minimizer()
    counts = []
    for _ in range(2):
        minimizer.minimize(quadratic(target), start, 5, nothing)
        counts.append(minimizer.evaluations)
    assert counts[0] == counts[1]


def test_adams_steps_are_those_of_the_paper(start, target):
    calls = Calls()
    Adam(learning_rate=1e-3).minimize(quadratic(target), start, 5, calls.callback)
    image, mean, square = start.astype("float64"), 0.0, 0.0
    for step, iterate, _ in calls.iterations:
        gradient = quadratic(target)(image)[1].astype("float64")
        mean = 0.9 * mean + (1 - 0.9) * gradient
        square = 0.999 * square + (1 - 0.999) * gradient**2
        corrected = mean / (1 - 0.9**step), square / (1 - 0.999**step)
        image = (image - 1e-3 * corrected[0] / (np.sqrt(corrected[1]) + 1e-8)).clip(0, 1)
        np.testing.assert_allclose(iterate, image, atol=1e-5)


@pytest.mark.parametrize("decay", [0.5, 0.99])
def test_the_exponential_average_weighs_images_by_their_age(decay):
    images = np.random.default_rng(0).uniform(size=(6, *SHAPE)).astype("float32")
    average = ExponentialAverage(decay)
    for count, image in enumerate(images, start=1):
        average.update(image)
        weights = decay ** np.arange(count)[::-1]
        expected = np.average(images[:count], axis=0, weights=weights)
        np.testing.assert_allclose(average.value, expected, rtol=1e-5)
    assert average.value.dtype == "float32"


def test_the_average_of_one_image_is_that_image(start):
    average = ExponentialAverage()
    average.update(start)
    np.testing.assert_array_equal(average.value, start)


def test_the_best_is_the_first_of_the_lowest_loss():
    best = Best()
    assert best.image is None
    for number, loss in enumerate([3.0, 1.0, 2.0, 1.0]):
        best.update(np.full(SHAPE, number, "float32"), {"loss": loss, "style": number})
    assert best.terms == {"loss": 1.0, "style": 1}
    np.testing.assert_array_equal(best.image, np.ones(SHAPE))
