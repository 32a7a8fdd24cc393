"""Whether a SavedModel gives a picture at all."""

import io

import numpy as np
import tensorflow as tf
from PIL import Image

from zoo import images
from zoo.errors import UserError

# A picture's standard deviation is near 0.2; below this it is one flat colour to the eye.
LEAST_CONTRAST = 0.02


def check_saved_model(path, photo, factor=1, styles=0):
    """Call the signatures that give pictures on a photo, and refuse what is none.

    Args:
        path: directory of the SavedModel.
        photo: float32 [H, W, 3] in [0, 1].
        factor: of super-resolution.
        styles: how many style weights the model takes; each style is tried.

    Raises:
        UserError: an output is constant, not finite, outside [0, 1], or of a wrong size; or the
            signatures disagree.
    """
    served = tf.saved_model.load(str(path)).signatures
    for style in np.eye(styles, dtype=np.float32) if styles else [None]:
        chosen = {} if style is None else {"style_weights": tf.constant(style[None])}
        image = tf.constant(photo[None])
        picture = served["serving_default"](image=image, **chosen)["image"].numpy()[0]
        check_picture(picture)
        height, width, _ = photo.shape
        if picture.shape != (factor * height, factor * width, 3):
            raise UserError(f"the model makes {picture.shape} of an image of {photo.shape}")

        file = tf.constant([images.encode(photo)])
        file = served["encoded"](image_bytes=file, **chosen)["image_bytes"].numpy()[0]
        decoded = np.asarray(Image.open(io.BytesIO(file))) / 255
        if np.abs(decoded - picture).max() > 0.02:  # 8 bits in, 8 bits out
            raise UserError("the signatures serving_default and encoded give different pictures")


def check_picture(picture):
    """Refuse an output [H, W, 3] that is constant, not finite or outside [0, 1] (UserError)."""
    if not np.isfinite(picture).all():
        raise UserError("the model's output on a real photo is not finite")
    if picture.min() < 0 or picture.max() > 1:
        raise UserError(
            f"the model's output on a real photo lies in {picture.min():.3g}..{picture.max():.3g}, "
            "outside 0..1"
        )
    if picture.std(axis=(0, 1)).max() < LEAST_CONTRAST:
        raise UserError("the model's output on a real photo is one flat colour")
