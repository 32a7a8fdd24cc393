"""A model of the zoo in this process."""

import json
from pathlib import Path

from zoo import model_json
from zoo.errors import UserError
from zoo.quiet import import_tensorflow
from zoo.style_weights import style_weights


class SavedModel:
    """A model of the zoo in this process.

    Args:
        path: directory of the SavedModel.
        style: for a model of many styles, one name or weights by name; None: its first.
        strength: of the style, for such a model: from 0, the photo as it is, to 1.

    Attributes:
        name: what messages call it: the path.
        factor: of super-resolution, 1 for style.
        receptive_field: of super-resolution, in pixels of the input; None if not known.
        max_pixels: what it takes in a call, or gives.
        has_tile: whether it transforms tiles of an image alike (see `zoo.signatures`).

    Raises:
        UserError: it cannot be loaded, or does not map images to images; it has no such styles.
    """

    def __init__(self, path, style=None, strength=1.0):
        self.name = str(path)
        self._tf = import_tensorflow()
        try:
            self._loaded = self._tf.saved_model.load(str(path))
            transform = self._loaded.signatures["serving_default"]
        except Exception as error:  # protobuf, TensorFlow and a missing signature, each its own
            raise UserError(f"{path} cannot be loaded: {error}") from error
        if "image" not in transform.structured_outputs:
            raise UserError(f"{path}: signature serving_default has no output 'image'")
        file = Path(path) / model_json.FILE
        about = json.loads(file.read_text()) if file.exists() else {}
        self.factor = about.get("factor", 1)
        self.receptive_field = about.get("receptive_field")
        self.max_pixels = about.get("max_pixels") or 4096**2
        self.has_tile = "tile" in self._loaded.signatures
        self._style = {}
        if styles := about.get("styles"):
            row = style_weights(styles, style or styles[0], strength)
            self._style = {"style_weights": self._tf.constant(row[None])}
        elif style is not None or strength != 1:
            raise UserError(f"{path} has one style, at full strength: leave out style and strength")

    def __call__(self, picture):
        """Transform a `zoo.images.Picture`; transparency is kept.

        Raises:
            UserError: the model refuses the picture.
        """
        return picture.with_rgb(self.image(picture.rgb))

    def image(self, image):
        """float32 [H, W, 3] in 0..1 to [factor * H, factor * W, 3]; raises as a call does."""
        return self._run("serving_default", image=image)

    def tile(self, tile, thumbnail):
        """A part [h, w, 3] of an image, as all of it is transformed; raises as a call does."""
        return self._run("tile", tile=tile, thumbnail=thumbnail)

    def _run(self, signature, **images):
        inputs = {name: self._tf.constant(image[None]) for name, image in images.items()}
        try:
            outputs = self._loaded.signatures[signature](**inputs, **self._style)
        except self._tf.errors.OpError as error:
            # Its lines above tell where in the graph, those below which node.
            raise UserError(error.message.split("\n\t [[")[0].splitlines()[-1]) from error
        return outputs["image"].numpy()[0]
