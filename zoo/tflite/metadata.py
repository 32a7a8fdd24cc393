"""What a TFLite file tells of itself: JSON in the file's list of metadata, under "zoo.json".

| key | |
| --- | --- |
| name, version, kind, factor, license, styles | of model.json; styles in style_weights' order |
| receptive_field | of super-resolution: pixels of margin that a tile needs; else null |
| variant | float32, float16, dynamic or int8 |
| height, width | in pixels; null: any from smallest_side up |
| smallest_side | in pixels |
| layout | NHWC, RGB, sRGB |
| range | [0, 1] of float32 images, [0, 255] of uint8 ones; input and output alike |
| psnr | dB: the least, of some photos, from the SavedModel's output |

The standard form (TFLITE_METADATA) needs the package tflite-support, which is no longer kept.
"""

import json
from pathlib import Path

from zoo.errors import UserError

NAME = "zoo.json"
MISSING = "LiteRT is not installed: pip install '.[tflite]'"


def with_metadata(file, description):
    """A TFLite file's bytes with a JSON-able dict in it, instead of what it told before."""
    from ai_edge_litert import schema_py_generated as schema
    from ai_edge_litert.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model_from_bytearray(bytearray(file))
    buffer = schema.BufferT()
    buffer.data = list(json.dumps(description).encode())
    model.buffers.append(buffer)
    entry = schema.MetadataT()
    entry.name, entry.buffer = NAME, len(model.buffers) - 1
    others = [each for each in model.metadata or [] if each.name != NAME.encode()]
    model.metadata = [*others, entry]
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def read(path):
    """The dict in the TFLite file at `path`; empty in a file of another origin.

    Raises:
        UserError: the file cannot be read, or is no TFLite file.
    """
    try:
        from ai_edge_litert import schema_py_generated as schema
    except ImportError as error:
        raise UserError(MISSING) from error
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    if content[4:8] != b"TFL3":
        raise UserError(f"{path} is no TFLite file")
    try:
        model = schema.Model.GetRootAs(content)
        for entry in map(model.Metadata, range(model.MetadataLength())):
            if entry.Name() == NAME.encode():
                return json.loads(model.Buffers(entry.Buffer()).DataAsNumpy().tobytes())
    except Exception as error:  # whatever a truncated file leads to
        raise UserError(f"{path} is damaged: {error}") from error
    return {}
