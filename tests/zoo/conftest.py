import numpy as np
import pytest
from skimage import data


@pytest.fixture(scope="session")
def photo():
    """uint8 [240, 320, 3]; not to be changed."""
    return data.chelsea()[:240, :320]


@pytest.fixture
def rgba(photo):
    alpha = np.tile(np.arange(256, dtype=np.uint8), (240, 1))
    return np.dstack([photo[:, :256], alpha])
