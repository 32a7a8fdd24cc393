"""Pictures through a TFLite file, by LiteRT; without TensorFlow."""

import numpy as np

from zoo import tiling
from zoo.errors import UserError
from zoo.quiet import native_chatter_dropped
from zoo.tflite import metadata

# Of a style's file for one size, a share of a tile: each tile is normalised by itself, so that
# neighbours differ in colour and have to fade into each other.
_STYLE_MARGIN, _STYLE_FEATHER = 1 / 16, 1 / 8


class LiteRTModel:
    """A TFLite file of the zoo in this process.

    Args:
        path: the file.
        threads: of the CPU; as many as LiteRT chooses if None.

    Attributes:
        description: what the file tells of itself; see `zoo.tflite.metadata`.

    Raises:
        UserError: it cannot be loaded, or maps no images to images.
    """

    def __init__(self, path, threads=None):
        self.description = metadata.read(path)
        try:
            with native_chatter_dropped():
                from ai_edge_litert.interpreter import Interpreter

                interpreter = Interpreter(model_path=str(path), num_threads=threads)
                interpreter.allocate_tensors()
                self._transform = interpreter.get_signature_runner("serving_default")
        except ImportError as error:
            raise UserError(metadata.MISSING) from error
        except Exception as error:  # ValueError, RuntimeError: LiteRT's own texts
            raise UserError(f"{path} cannot be loaded: {error}") from error
        inputs = self._transform.get_input_details()
        if "image" not in inputs or "image" not in self._transform.get_output_details():
            raise UserError(f"{path}: signature serving_default is not from image to image")
        self._path = path
        self._interpreter = interpreter  # which the runner needs
        self._dtype = inputs["image"]["dtype"]
        sides = inputs["image"]["shape_signature"][1:3]
        self.size = None if -1 in sides else tuple(int(side) for side in sides)
        """(height, width) that the file takes, None if any."""
        weights = inputs.get("style_weights")
        self.styles = 0 if weights is None else int(weights["shape"][1])
        """How many style weights a call needs."""

    def __call__(self, picture, style_weights=None):
        """Transform a `zoo.images.Picture`; transparency is kept.

        A file for one size gets tiles of it.

        Args:
            picture: of any size, or, where the file takes any, with sides from "smallest_side" up.
            style_weights: [S] floats that sum to 1, of a file with styles.

        Raises:
            UserError: the file cannot take the picture, or style weights are missing.
        """
        if self.size is None:
            return picture.with_rgb(self.transform(picture.rgb, style_weights))
        factor = self.description.get("factor", 1)
        tiles = tiling.grid(picture.rgb.shape[:2], min(self.size), *self._overlap())

        def transform(tile):
            image = tile.cut(picture.rgb)
            missing = [(0, most - side) for most, side in zip(self.size, image.shape, strict=False)]
            padded = np.pad(image, [*missing, (0, 0)], "symmetric")
            output = self.transform(padded, style_weights)
            return output[: factor * image.shape[0], : factor * image.shape[1]]

        return picture.with_rgb(tiling.assembled(tiles, transform, factor))

    def transform(self, image, style_weights=None):
        """What the file makes of an image [H, W, 3]: float32 [factor * H, factor * W, 3].

        The image has the file's size. Both are in [0, 1], whatever the file's own range.
        """
        inputs = {"image": self._pixels(image)[None]}
        if self.styles:
            inputs["style_weights"] = self._weights(style_weights)
        try:
            output = self._transform(**inputs)["image"][0]
        except (ValueError, RuntimeError) as error:
            least = self.description.get("smallest_side", 1)
            reason = (
                f"its sides must be {least} pixels or more"
                if min(image.shape[:2]) < least
                else str(error)
            )
            height, width = image.shape[:2]
            raise UserError(
                f"an image of {width}x{height} does not go through {self._path}: {reason}"
            ) from error
        return output.astype(np.float32) / 255 if output.dtype == np.uint8 else output

    def _pixels(self, image):
        if self._dtype == np.uint8:
            return np.rint(255 * image).astype(np.uint8)
        return np.ascontiguousarray(image, np.float32)

    def _weights(self, style_weights):
        if style_weights is None or len(style_weights) != self.styles:
            names = ", ".join(self.description.get("styles") or []) or self.styles
            raise UserError(f"{self._path} has styles, give a weight for each: {names}")
        return np.asarray(style_weights, np.float32)[None]

    def _overlap(self):
        """Margin and feather of tiles in pixels."""
        side = min(self.size)
        if self.description.get("kind") == "superres":
            return min(self.description.get("receptive_field") or side // 8, (side - 1) // 2), 0
        return int(side * _STYLE_MARGIN), int(side * _STYLE_FEATHER)
