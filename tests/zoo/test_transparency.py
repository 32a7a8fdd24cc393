import numpy as np

from zoo.transparency import filled


def test_visible_pixels_stay_and_others_take_the_colours_beside_them():
    rgb = np.zeros((40, 61, 3), np.float32)
    alpha = np.zeros((40, 61), np.float32)
    for columns, colour in ((slice(5, 12), (1, 0, 0)), (slice(50, 58), (0, 0, 1))):
        rgb[:, columns], alpha[:, columns] = colour, 0.5
    result = filled(rgb, alpha)
    np.testing.assert_array_equal(result[alpha > 0], rgb[alpha > 0])
    np.testing.assert_array_equal(result[:, 4], rgb[:, 5])
    np.testing.assert_array_equal(result[:, 59], rgb[:, 57])
    np.testing.assert_allclose(result.sum(-1), 1, atol=1e-6)  # nothing stays black


def test_a_picture_without_anything_visible_or_hidden_stays():
    rgb = np.random.default_rng(0).uniform(size=(9, 7, 3)).astype(np.float32)
    for alpha in (0, 0.2):
        np.testing.assert_array_equal(filled(rgb, np.full((9, 7), alpha, np.float32)), rgb)
