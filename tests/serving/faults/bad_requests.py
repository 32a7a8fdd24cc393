"""Requests that no model can answer, generated: of every kind, alike for the same seed."""

import itertools
import json
import random
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from PIL import Image
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    predict_pb2,
)

from tests.serving.tiny_models import MOST_PIXELS
from tests.zoo.encoded_files import encoded, png

PREDICT = "/tensorflow.serving.PredictionService/Predict"
METADATA = "/tensorflow.serving.PredictionService/GetModelMetadata"
STATUS = "/tensorflow.serving.ModelService/GetModelStatus"


@dataclass(frozen=True)
class BadRequest:
    """One request.

    Attributes:
        kind: what is wrong with it.
        place: method of gRPC, or path of REST.
        content: bytes of the message, or of the body.
        codes: names of gRPC's codes, or HTTP's numbers, that it may be answered with.
    """

    kind: str
    place: str
    content: bytes
    codes: tuple = ("INVALID_ARGUMENT",)


def bad_requests(model, seed, count, with_repetition):
    """`count` requests, each kind as often as any other.

    Args:
        model: name of a model of the zoo.
        seed: of what is random about them.
        count: how many.
        with_repetition: whether some hold few values that stand for more than fits into memory.
    """
    make = _Generator(model, random.Random(seed))
    kinds = [name for name in sorted(vars(_Generator)) if not name.startswith("_")]
    if not with_repetition:
        kinds.remove("few_values_for_many")
    return [getattr(make, name)(name) for name in itertools.islice(itertools.cycle(kinds), count)]


class _Generator:
    """Each public method is one kind of request."""

    def __init__(self, model, rng):
        self._model = model
        self._random = rng

    # --- Tensors ---

    def wrong_rank(self, kind):
        rank = self._random.choice([0, 1, 2, 3, 5, 6])
        return self._image(kind, np.full(self._sizes(rank), 0.5, np.float32))

    def wrong_channels(self, kind):
        return self._image(kind, self._pixels(channels=self._random.choice([1, 2, 4, 5])))

    def no_pixels(self, kind):
        height, width = self._random.choice([(0, 0), (0, 7), (7, 0)])
        return self._image(kind, np.zeros((self._random.randrange(3), height, width, 3), "float32"))

    def too_many_pixels(self, kind):
        height = self._random.randrange(1, MOST_PIXELS)
        width = MOST_PIXELS // height + 1
        return self._image(kind, np.zeros((1, height, width, 3), np.float32))

    def not_finite(self, kind):
        pixels = self._pixels()
        at = tuple(self._random.randrange(size) for size in pixels.shape)
        pixels[at] = self._random.choice([np.nan, np.inf, -np.inf])
        return self._image(kind, pixels)

    def wrong_dtype(self, kind):
        dtypes = [np.float64, np.float16, np.uint8, np.int64, np.bool_, np.complex64, np.bytes_]
        return self._image(kind, self._pixels().astype(self._random.choice(dtypes)))

    def content_of_another_size(self, kind):
        request = self._request(image=self._pixels())
        tensor = request.inputs["image"]
        cut = self._random.randrange(1, len(tensor.tensor_content))
        tensor.tensor_content = tensor.tensor_content[:-cut]
        return self._predict(kind, request)

    def impossible_sizes(self, kind):
        request = self._request(image=self._pixels())
        sizes = [self._random.choice([-1, -(2**63), 2**62, 2**40]) for _ in range(4)]
        self._declare(request.inputs["image"], sizes)
        return self._predict(kind, request)

    def few_values_for_many(self, kind):
        request = self._request(image=np.float32(0.5))
        tensor = request.inputs["image"]
        tensor.ClearField("tensor_content")
        tensor.float_val.append(0.5)
        side = self._random.randrange(5_000, 500_000)
        self._declare(tensor, [1, side, side, 3])
        return self._predict(kind, request)

    # --- Files ---

    def no_image_file(self, kind):
        return self._files(kind, self._random.randbytes(self._random.randrange(3000)))

    def cut_file(self, kind):
        file = self._file()
        return self._files(kind, file[: self._random.randrange(len(file) * 9 // 10)])

    def one_bad_file_among_good_ones(self, kind):
        files = [self._file() for _ in range(3)]
        files[self._random.randrange(3)] = b"no image"
        return self._files(kind, *files)

    def bomb(self, kind):
        width, height = (self._random.randrange(2**9, 2**31) for _ in range(2))
        return self._files(kind, png(width, height, 8, 2, [b""]))

    def files_of_wrong_rank(self, kind):
        files = np.full(self._sizes(self._random.choice([0, 2, 3])), self._file(), object)
        return self._predict(kind, self._request("encoded", image_bytes=files))

    def pixels_as_files(self, kind):
        return self._predict(kind, self._request("encoded", image_bytes=self._pixels()))

    # --- Names ---

    def wrong_input_name(self, kind):
        return self._predict(kind, self._request(**{self._word(): self._pixels()}))

    def no_input(self, kind):
        return self._predict(kind, self._request())

    def one_input_more(self, kind):
        return self._predict(kind, self._request(image=self._pixels(), **{self._word(): 1.0}))

    def unknown_output(self, kind):
        request = self._request(image=self._pixels())
        request.output_filter.append(self._word())
        return self._predict(kind, request)

    def unknown_signature(self, kind):
        request = self._request(self._word(), image=self._pixels())
        return self._predict(kind, request, "FAILED_PRECONDITION")

    def unknown_model(self, kind):
        request = self._request(image=self._pixels())
        request.model_spec.name = self._word()
        return self._predict(kind, request, "NOT_FOUND")

    def unknown_version(self, kind):
        request = self._request(image=self._pixels())
        request.model_spec.version.value = self._random.choice([-1, 0, 99, 2**63 - 1])
        return self._predict(kind, request, "NOT_FOUND")

    def unknown_label(self, kind):
        request = self._request(image=self._pixels())
        request.model_spec.version_label = self._word()
        return self._predict(kind, request)

    def no_model(self, kind):
        return BadRequest(kind, PREDICT, b"")

    def unknown_metadata(self, kind):
        request = get_model_metadata_pb2.GetModelMetadataRequest()
        request.model_spec.name = self._model
        request.metadata_field.append(self._word())
        return BadRequest(kind, METADATA, request.SerializeToString())

    def status_of_an_unknown_model(self, kind):
        request = get_model_status_pb2.GetModelStatusRequest()
        request.model_spec.name = self._word()
        return BadRequest(kind, STATUS, request.SerializeToString(), ("NOT_FOUND",))

    # --- Bytes ---

    def unknown_method(self, kind):
        place = f"/tensorflow.serving.PredictionService/{self._word()}"
        return BadRequest(kind, place, self._random.randbytes(99), ("UNIMPLEMENTED",))

    def message_cut_short(self, kind):
        message = self._request(image=self._pixels()).SerializeToString()
        # The input is the last field: it lacks its end.
        cut = message[: -self._random.randrange(1, 99)]
        return BadRequest(kind, PREDICT, cut, ("INTERNAL",))

    def noise(self, kind):
        # A first byte that is the key of no field.
        content = b"\x07" + self._random.randbytes(self._random.randrange(3000))
        return BadRequest(kind, PREDICT, content, ("INTERNAL",))

    # --- REST ---

    def json_cut_short(self, kind):
        body = json.dumps({"instances": self._pixels()[0].tolist()})
        return self._rest(kind, body[: self._random.randrange(len(body) - 1)])

    def deep_json(self, kind):
        depth = self._random.randrange(200, 100_000)
        return self._rest(kind, '{"instances": ' + "[" * depth + "]" * depth + "}")

    def ragged_json(self, kind):
        rows = self._pixels().tolist()
        rows[0][self._random.randrange(len(rows[0]))].append([0.5, 0.5, 0.5])
        return self._rest(kind, json.dumps({"instances": rows}))

    def json_of_another_kind(self, kind):
        return self._rest(kind, json.dumps(self._random.choice([None, 1, "text", [], {}, [{}]])))

    def words_for_pixels(self, kind):
        return self._rest(kind, json.dumps({"inputs": {"image": [[[[self._word()] * 3]]]}}))

    def no_base64(self, kind):
        value = {"b64": self._word() + "*"}
        body = {"signature_name": "encoded", "instances": [value]}
        return self._rest(kind, json.dumps(body))

    def unknown_path(self, kind):
        return BadRequest(kind, f"/v1/models/{self._word()}:predict", b"{}", (404,))

    # --- Parts ---

    def _sizes(self, rank):
        return [self._random.randrange(1, 6) for _ in range(rank)]

    def _pixels(self, channels=3):
        sizes = [1, *(self._random.randrange(4, 33) for _ in range(2)), channels]
        values = [self._random.random() for _ in range(np.prod(sizes))]
        return np.float32(values).reshape(sizes)

    def _file(self):
        pixels = Image.fromarray(np.uint8(255 * self._pixels()[0]))
        return encoded(pixels, self._random.choice(["PNG", "JPEG", "BMP", "WEBP"]))

    def _word(self):
        return "".join(self._random.choices("abcdefghijklmnopqrstuvwxyz", k=8))

    def _declare(self, tensor, sizes):
        del tensor.tensor_shape.dim[:]
        for size in sizes:
            tensor.tensor_shape.dim.add(size=size)

    def _request(self, signature="", **inputs):
        request = predict_pb2.PredictRequest()
        request.model_spec.name = self._model
        request.model_spec.signature_name = signature
        for alias, value in inputs.items():
            request.inputs[alias].CopyFrom(tf.make_tensor_proto(value))
        return request

    def _predict(self, kind, request, *codes):
        content = request.SerializeToString()
        return BadRequest(kind, PREDICT, content, codes or ("INVALID_ARGUMENT",))

    def _image(self, kind, pixels):
        return self._predict(kind, self._request(image=pixels))

    def _files(self, kind, *files):
        return self._predict(kind, self._request("encoded", image_bytes=list(files)))

    def _rest(self, kind, body):
        return BadRequest(kind, f"/v1/models/{self._model}:predict", body.encode(), (400,))
