"""A model of the zoo as TFLite files, each held to what the SavedModel makes."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from zoo import images, saved_network
from zoo.errors import UserError
from zoo.tflite import metadata, operators, quantize
from zoo.tflite.convert import convert
from zoo.tflite.lowering import smallest_side
from zoo.tflite.parity import LEAST_PSNR, Parity, compare
from zoo.tflite.runtime import LiteRTModel

VARIANTS = tuple(LEAST_PSNR)
DYNAMIC_SIZE = (237, 300)  # of photos for files that take any: no multiple of a stride
LARGEST_SIDE = 4096
CALIBRATION_PHOTOS = 16  # at least
CALIBRATION_PHOTOS_OF_STYLE = 4  # of each, where there are several
CALIBRATION_SIZE = (256, 256)  # of files that take any


@dataclass(frozen=True)
class Converted:
    """A file that was written, or refused for its parity.

    Attributes:
        path: its final name, under which it is only if `passed`.
        bytes: its size.
        operators: {operation: how often} in it.
        refused_by_gpu: what the GPU delegate does not take of it; None if sizes are not known.
        parity: see `zoo.tflite.parity`.
        passed: whether every photo reaches the variant's `LEAST_PSNR`.
    """

    path: Path
    bytes: int
    operators: dict
    refused_by_gpu: list | None
    parity: Parity
    passed: bool


def parse_size(text):
    """(height, width) of "384" or "512x384", which is 384 high; None of "dynamic".

    Raises:
        UserError: no such size.
    """
    if text == "dynamic":
        return None
    sides = text.split("x")
    if len(sides) > 2 or not all(side.isdecimal() for side in sides):
        raise UserError(f"size {text!r}: give pixels (384), WIDTHxHEIGHT (512x384) or dynamic")
    width, height = int(sides[0]), int(sides[-1])
    if not all(2 <= side <= LARGEST_SIDE for side in (width, height)):
        raise UserError(f"size {text!r}: sides must be 2 to {LARGEST_SIDE} pixels")
    return height, width


def convert_model(model, variants, sizes, output, photos, calibration=(), lpips=None):
    """Convert a model, and measure each file on photos.

    Args:
        model: a `zoo.catalog.Model`.
        variants: names of `VARIANTS`.
        sizes: of texts for `parse_size`.
        output: directory to write NAME-VARIANT-SIZE.tflite to.
        photos: paths of photos that each file is measured on.
        calibration: paths of photos that int8 takes its ranges from.
        lpips: a `zoo.lpips.LPIPS`, or None.

    Yields:
        A `Converted` for each file.

    Raises:
        UserError: an unknown variant or size, no photos, int8 without calibration, a model that
            cannot be converted.
    """
    if unknown := set(variants) - set(VARIANTS):
        raise UserError(f"no variant {', '.join(sorted(unknown))}: there are {', '.join(VARIANTS)}")
    if "int8" in variants and not calibration:
        raise UserError("int8 takes its ranges from photos: give some by --calibration")
    parsed = {text: parse_size(text) for text in sizes}
    network = saved_network.load(model.path)
    loaded = tf.saved_model.load(str(model.path))  # its functions hold its variables only weakly
    served = loaded.signatures["serving_default"]
    for text, size in parsed.items():
        references = list(_references(served, network, photos, size or DYNAMIC_SIZE))
        for variant in variants:
            file = _variant(network, variant, size, calibration)
            path = Path(output) / f"{model.name}-{variant}-{text}.tflite"
            yield _checked(path, file, _about(model, network, variant, size), references, lpips)


def _variant(network, variant, size, calibration):
    if variant == "int8":
        count = max(CALIBRATION_PHOTOS, CALIBRATION_PHOTOS_OF_STYLE * (_styles(network) or 0))
        photos = calibration[:: max(1, len(calibration) // count)][:count]
        samples = [
            {"image": np.rint(255 * image[None]).astype(np.uint8)} | _named(weights)
            for image, weights in _inputs(network, photos, size or CALIBRATION_SIZE)
        ]
        return quantize.int8(convert(network, size, "uint8"), samples)
    make = {"float16": quantize.float16, "dynamic": quantize.dynamic}.get(variant, bytes)
    return make(convert(network, size))


def _checked(path, file, about, references, lpips):
    """Write a file, and keep it if its pictures are near enough."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_bytes(metadata.with_metadata(file, about))
        parity = compare(LiteRTModel(partial), references, lpips)
        about["psnr"] = round(parity.least, 1)
        partial.write_bytes(metadata.with_metadata(file, about))
        passed = parity.least >= LEAST_PSNR[about["variant"]]
        size = partial.stat().st_size
        if passed:
            os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    known = about["height"] is not None
    refused = operators.refused_by_gpu(file) if known else None
    return Converted(path, size, operators.counts(file), refused, parity, passed)


def _about(model, network, variant, size):
    description = model.description
    height, width = size or (None, None)
    return {
        "name": model.name,
        "version": model.version,
        "kind": model.kind,
        "factor": description.get("factor", 1),
        "styles": description.get("styles"),
        "receptive_field": description.get("receptive_field"),
        "variant": variant,
        "height": height,
        "width": width,
        "smallest_side": smallest_side(network) if size is None else 1,
        "layout": "NHWC, RGB, sRGB",
        "range": [0, 255] if variant == "int8" else [0, 1],
        "license": description.get("license"),
    }


# --- Photos ---


def fitted(path, size):
    """A photo's middle, at a height and width: float32 [height, width, 3], of 256 levels.

    What lies between levels no int8 file can be given, and a style's norms show it in even skies.
    """
    height, width = size
    rgb = images.read(path).over_white()
    scale = max(height / rgb.shape[0], width / rgb.shape[1])
    scaled = [max(least, round(scale * side)) for least, side in zip(size, rgb.shape, strict=False)]
    rgb = images.resize(rgb, scaled)
    top, left = (scaled[0] - height) // 2, (scaled[1] - width) // 2
    return np.rint(255 * rgb[top : top + height, left : left + width]) / np.float32(255)


def _styles(network):
    return next((x.shape[1] for x in network.inputs if x.name == "style_weights"), None)


def _inputs(network, photos, size):
    """(image, style weights or None) of each photo; styles take turns."""
    styles = _styles(network)
    for i, photo in enumerate(photos):
        weights = None if styles is None else np.eye(styles, dtype=np.float32)[i % styles]
        yield fitted(photo, size), weights


def _named(weights):
    return {} if weights is None else {"style_weights": weights[None]}


def _references(served, network, photos, size):
    for image, weights in _inputs(network, photos, size):
        inputs = {"image": image[None]} | _named(weights)
        outputs = served(**{name: tf.constant(value) for name, value in inputs.items()})
        yield image, weights, outputs["image"].numpy()[0]
