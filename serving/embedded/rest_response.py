"""From tensors to the JSON that tensorflow_model_server answers."""

import base64

import numpy as np
import tensorflow as tf

from serving.embedded import status, tensor_codec

# Strings of outputs named so are bytes, and go as base64.
_BYTES_SUFFIX = "_bytes"


def document(outputs, in_rows):
    """The JSON document that holds these outputs.

    Args:
        outputs: tensor by alias.
        in_rows: whether to answer in row form ("predictions").

    Raises:
        StatusError: INVALID_ARGUMENT if outputs do not have as many rows as each other.
    """
    if not in_rows:
        values = {alias: _plain(tensor, alias) for alias, tensor in outputs.items()}
        return {"outputs": values if len(values) > 1 else next(iter(values.values()))}
    _check_rows(outputs)
    values = {alias: _plain(tensor, alias) for alias, tensor in outputs.items()}
    if len(values) == 1:
        return {"predictions": next(iter(values.values()))}
    rows = zip(*values.values(), strict=True)
    return {"predictions": [dict(zip(values, row, strict=True)) for row in rows]}


def _check_rows(outputs):
    first = None
    for alias, tensor in outputs.items():
        if tensor.shape.rank == 0:
            raise status.invalid_argument(f"Tensor name: {alias} has no shape information ")
        if first is not None and tensor.shape[0] != first:
            raise status.invalid_argument(
                f"Tensor name: {alias} has inconsistent batch size: {tensor.shape[0]} expecting: "
                f"{first}"
            )
        first = tensor.shape[0]


def _plain(tensor, alias):
    values = tensor.numpy()
    if tensor.dtype == tf.string:
        return _strings(values.tolist() if tensor.shape.rank else values, alias)
    if tensor.dtype == tf.float32:
        return _rounded(values).tolist()
    if tensor.dtype in (tf.float16, tf.bfloat16, tf.complex64, tf.complex128):
        raise status.unimplemented(
            f"Encountered unsupported dtype: {tensor_codec.type_name(tensor.dtype)} of {alias}"
        )
    return values.tolist()


def _rounded(values):
    """float32 values as doubles of six decimal digits, or of nine where six would lose some."""
    doubles = values.astype(np.float64)
    short, long = (np.char.mod(form, doubles).astype(np.float64) for form in ("%.6g", "%.9g"))
    return np.where(short.astype(np.float32) == values, short, long)


def _strings(value, alias):
    if isinstance(value, list):
        return [_strings(element, alias) for element in value]
    if alias.endswith(_BYTES_SUFFIX):
        return {"b64": base64.b64encode(value).decode()}
    return value.decode(errors="replace")
