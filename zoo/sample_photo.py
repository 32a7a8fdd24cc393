"""Real photos that everyone has: scikit-image ships them."""

import numpy as np

# Names, and whom they are by.
CREDITS = {
    "chelsea": "CC0, Stefan van der Walt",
    "coffee": "CC0, Rachel Michetti",
    "rocket": "public domain, SpaceX",
    "astronaut": "public domain, NASA",
    "text": "public domain, Wikipedia's Corner.png",
    "grass": "CC0, linolafett",
}


def sample_photo(name="chelsea"):
    """A photo of `skimage.data`: float32 [H, W, 3] in [0, 1].

    Args:
        name: of `CREDITS`: "chelsea" (a cat, 300x451), "coffee" (400x600), "rocket" (427x640),
            "astronaut" (a woman, 512x512), and in grey "text" (writing, 172x448) and "grass"
            (512x512).
    """
    from skimage import data

    photo = getattr(data, name)().astype(np.float32) / 255
    return photo if photo.ndim == 3 else np.dstack([photo] * 3)
