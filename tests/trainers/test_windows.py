import numpy as np
from keras import ops

from trainers.windows import GRID, shifted_windows


def test_windows_start_at_every_place_of_the_grid_in_turn():
    rows, columns = np.meshgrid(np.arange(20), np.arange(24), indexing="ij")
    images = ops.convert_to_tensor(np.stack([rows, columns], axis=-1)[None].astype("float32"))
    windows = [np.array(shifted_windows(images, step)) for step in range(GRID**2)]
    assert {window.shape for window in windows} == {(1, 20 - GRID, 24 - GRID, 2)}
    starts = {tuple(window[0, 0, 0]) for window in windows}
    assert starts == {(i, j) for i in range(GRID) for j in range(GRID)}
    np.testing.assert_array_equal(windows[0], images[:, : 20 - GRID, : 24 - GRID])
