"""Real photos that everyone has: scikit-image ships them."""

import numpy as np


def sample_photo(name="chelsea"):
    """A photo of `skimage.data`: float32 [H, W, 3] in [0, 1].

    Args:
        name: "chelsea" (a cat, 300x451, CC0, Stefan van der Walt), "coffee" (400x600, CC0, Rachel
            Michetti) or "rocket" (427x640, public domain, SpaceX).
    """
    from skimage import data

    return getattr(data, name)().astype(np.float32) / 255
