import pytest

from trainers.pyramid import long_sides, size_to_fit


@pytest.mark.parametrize(
    ("size", "long_side", "fitted"),
    [
        ((480, 640), 320, (240, 320)),
        ((640, 480), 320, (320, 240)),
        ((333, 500), 1000, (666, 1000)),
        ((7, 9), 100, (78, 100)),
        ((1, 1), 512, (512, 512)),
        ((3, 4000), 100, (1, 100)),
    ],
)
def test_a_size_keeps_its_shape_and_at_least_a_pixel(size, long_side, fitted):
    assert size_to_fit(size, long_side) == fitted


def test_the_long_side_is_exact_whatever_the_size():
    for side in range(1, 3000, 7):
        assert max(size_to_fit((side, 2 * side + 1), 511)) == 511


def test_long_sides_double_in_two_steps_and_end_exactly():
    assert long_sides(128, 512) == [128, 181, 256, 362, 512]
    assert long_sides(100, 515) == [129, 182, 258, 364, 515]


@pytest.mark.parametrize("first", [0, 400, 512, 2000])
def test_without_a_smaller_first_there_is_the_last_alone(first):
    assert long_sides(first, 512) == [512]
