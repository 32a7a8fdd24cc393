"""From JSON to a `PredictRequest`, by the rules and in the words of tensorflow_model_server."""

import base64
import binascii
import math

import tensorflow as tf
from tensorflow.core.framework import tensor_pb2

from serving.embedded import json_text, status, tensor_codec

# dtype: (field, smallest, largest). Those of int_val are not checked further: they wrap around.
_INTEGERS = {
    tf.int8: ("int_val", -(2**31), 2**31 - 1),
    tf.uint8: ("int_val", -(2**31), 2**31 - 1),
    tf.int16: ("int_val", -(2**31), 2**31 - 1),
    tf.int32: ("int_val", -(2**31), 2**31 - 1),
    tf.uint32: ("uint32_val", 0, 2**32 - 1),
    tf.int64: ("int64_val", -(2**63), 2**63 - 1),
    tf.uint64: ("uint64_val", 0, 2**64 - 1),
}
# dtype: (field, bits of the mantissa)
_FLOATS = {tf.float32: ("float_val", 24), tf.float64: ("double_val", 53)}
_MOST_DIMENSIONS = 254
_JSON_TYPES = {
    type(None): "Null",
    dict: "Object",
    list: "Array",
    str: "String",
    int: "Number",
    float: "Number",
}


def fill(document, find_inputs, request):
    """Fill a `PredictRequest` from the JSON document of a :predict call.

    Args:
        document: of `parse`.
        find_inputs: takes the signature's name, "" for the default one; returns `TensorInfo` by
            alias.
        request: its signature name and inputs are filled.

    Returns:
        Whether the document is in row form ("instances").

    Raises:
        StatusError: whatever is wrong with the document.
    """
    name = document.get("signature_name", "")
    if not isinstance(name, str):
        raise status.invalid_argument(
            f"JSON Value: {json_text.text(document)} not formatted correctly. 'signature_name' "
            "key must be a string value."
        )
    request.model_spec.signature_name = name
    dtypes = {alias: tf.dtypes.as_dtype(info.dtype) for alias, info in find_inputs(name).items()}
    if not dtypes:
        raise status.invalid_argument(f"Failed to get input map for signature: {name or 'DEFAULT'}")
    if "instances" in document and "inputs" in document:
        raise status.invalid_argument(
            f"JSON Value: {json_text.text(document)} Not formatted correctly expecting only one "
            "of 'inputs' or 'instances' keys to exist "
        )
    if "instances" in document:
        _check_instances(document)
        inputs = _rows(document["instances"], dtypes)
    elif "inputs" in document:
        inputs = _columns(document["inputs"], dtypes)
    else:
        raise status.invalid_argument("Missing 'inputs' or 'instances' key")
    for alias, tensor in inputs.items():
        request.inputs[alias].CopyFrom(tensor)
    return "instances" in document


def _check_instances(document):
    if not isinstance(document["instances"], list):
        raise status.invalid_argument(
            f"JSON Value: {json_text.text(document)} Expecting 'instances' to be an list/array"
        )
    if not document["instances"]:
        raise status.invalid_argument(
            f"JSON Value: {json_text.text(document)} No values in 'instances' array"
        )


def _rows(instances, dtypes):
    """One element for each row: a value, or an object with all inputs."""
    if not isinstance(instances[0], dict) and len(dtypes) > 1:
        raise status.invalid_argument(
            "instances is a plain list, but expecting list of objects as multiple input tensors "
            "required as per tensorinfo_map"
        )
    named = _is_object(instances[0])
    tensors = {}
    for i, element in enumerate(instances):
        if named != _is_object(element):
            raise status.invalid_argument(
                f"Expecting object but got list at item {i} of input list"
                if named
                else f"Expecting value/list but got object at item {i} of input list"
            )
        if not named:
            _add_row(tensors, next(iter(dtypes)), element, dtypes, f"element: {i}")
            continue
        for alias, value in element.items():
            _add_row(tensors, alias, value, dtypes, f"element: {i} key: {alias}")
        if set(element) != set(dtypes):
            raise status.invalid_argument(
                f"Failed to process element: {i} of 'instances' list. JSON object: "
                f"{json_text.text(element)} keys must be equal to: {','.join(sorted(dtypes))}"
            )
    for tensor in tensors.values():
        tensor.dimensions.insert(0, len(instances))
    return {alias: tensor.proto() for alias, tensor in tensors.items()}


def _add_row(tensors, alias, value, dtypes, where):
    try:
        if alias not in dtypes:
            raise status.invalid_argument(f"JSON object: does not have named input: {alias}")
        row = _Tensor(value, dtypes[alias])
        before = tensors.setdefault(alias, row)
        if before is row:
            before.row_size = len(row.values)
            return
        if before.row_size != len(row.values):
            raise status.invalid_argument(
                f"Expecting tensor size: {before.row_size} but got: {len(row.values)}"
            )
        if before.dimensions != row.dimensions:
            raise status.invalid_argument(
                f"Expecting shape {_shape(before)} but got: {_shape(row)}"
            )
        before.values += row.values
    except status.StatusError as error:
        raise status.invalid_argument(
            f"Failed to process {where} of 'instances' list. Error: {error}"
        ) from error


def _shape(tensor):
    return f"[{','.join(map(str, tensor.dimensions))}]"


def _columns(inputs, dtypes):
    """Whole tensors: an object of them, or the only one."""
    if not _is_object(inputs):
        if len(dtypes) > 1:
            raise status.invalid_argument(
                "inputs is a plain value/list, but expecting an object as multiple input tensors "
                "required as per tensorinfo_map"
            )
        [(alias, dtype)] = dtypes.items()
        return {alias: _Tensor(inputs, dtype).proto()}
    for alias in dtypes:
        if alias not in inputs:
            raise status.invalid_argument(f"Missing named input: {alias} in 'inputs' object.")
    return {alias: _Tensor(inputs[alias], dtype).proto() for alias, dtype in dtypes.items()}


def _is_object(value):
    return isinstance(value, dict) and not _is_base64(value)


def _is_base64(value):
    return isinstance(value, dict) and set(value) == {"b64"} and isinstance(value["b64"], str)


class _Tensor:
    """A tensor read from nested lists: its dimensions, and its values in one list."""

    def __init__(self, value, dtype):
        self.dtype = dtype
        self.dimensions = []
        self.values = []
        self.row_size = None
        inner = value
        while isinstance(inner, list):
            self.dimensions.append(len(inner))
            if not inner:
                break
            inner = inner[0]
        if len(self.dimensions) > _MOST_DIMENSIONS:
            raise status.invalid_argument(
                f"A tensor has at most {_MOST_DIMENSIONS} dimensions, not {len(self.dimensions)}"
            )
        self._fill(value, 0)

    def proto(self):
        proto = tensor_pb2.TensorProto(dtype=self.dtype.as_datatype_enum)
        proto.tensor_shape.SetInParent()
        for size in self.dimensions:
            proto.tensor_shape.dim.add(size=size)
        getattr(proto, _field(self.dtype)).extend(self.values)
        return proto

    def _fill(self, value, level):
        rank = len(self.dimensions)
        if not isinstance(value, list):
            if level != rank:
                raise status.invalid_argument(
                    f"JSON Value: {json_text.shown(value)} found at incorrect level: {level + 1} "
                    f"in the JSON DOM. Expected at level: {rank}"
                )
            self.values.append(_element(value, self.dtype))
            return
        if level >= rank:
            raise status.invalid_argument(
                f"Encountered list at unexpected level: {level} expected < {rank}"
            )
        if len(value) != self.dimensions[level]:
            raise status.invalid_argument(
                f"Encountered list at unexpected size: {len(value)} at level: {level} expected "
                f"size: {self.dimensions[level]}"
            )
        for element in value:
            self._fill(element, level + 1)


def _field(dtype):
    if dtype in _INTEGERS:
        return _INTEGERS[dtype][0]
    if dtype in _FLOATS:
        return _FLOATS[dtype][0]
    return {tf.bool: "bool_val", tf.string: "string_val"}[dtype]


def _element(value, dtype):
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if dtype == tf.string and isinstance(value, dict):
        return _decoded(value)
    if dtype in _FLOATS and is_number:
        return _float(value, dtype)
    if dtype in _INTEGERS and isinstance(value, int) and is_number:
        _, smallest, largest = _INTEGERS[dtype]
        if smallest <= value <= largest:
            return value
    if dtype == tf.bool and isinstance(value, bool):
        return value
    if dtype == tf.string and isinstance(value, str):
        return value.encode()
    if dtype not in (*_FLOATS, *_INTEGERS, tf.bool, tf.string):
        raise status.unimplemented(
            f"Conversion of JSON Value: {json_text.shown(value)} to type: "
            f"{tensor_codec.type_name(dtype)}"
        )
    kind = str(value) if isinstance(value, bool) else _JSON_TYPES[type(value)]
    raise status.invalid_argument(
        f"JSON Value: {json_text.shown(value)} Type: {kind} is not of expected type: "
        f"{tensor_codec.type_name(dtype)}"
    )


def _float(value, dtype):
    exact = abs(value) < 2 ** _FLOATS[dtype][1]
    if isinstance(value, float):
        exact = not math.isfinite(value) or abs(value) <= float(dtype.max)
    if not exact:
        raise status.invalid_argument(
            f"Cannot convert JSON value: {json_text.shown(value)} to "
            f"{tensor_codec.type_name(dtype)} without loss of precision."
        )
    return value


def _decoded(value):
    if not _is_base64(value):
        raise status.invalid_argument(
            f"JSON Value: {json_text.text(value)} not formatted correctly for base64 data"
        )
    try:
        return base64.b64decode(value["b64"], validate=True)
    except binascii.Error as error:
        raise status.invalid_argument("Unable to base64 decode") from error
