"""What requests get that could crash, hang or exhaust a server: the table of docs/deploy.md."""

import io
import re
import struct
import threading
from pathlib import Path
from types import SimpleNamespace

import grpc
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorflow.core.framework import tensor_pb2, tensor_shape_pb2
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from tests.serving.deploy.conftest import DEPLOY
from tests.serving.embedded.asking import SECONDS, free_port
from tests.zoo.encoded_files import encoded, png

PAGE = Path(DEPLOY).parents[1] / "docs/deploy.md"
BLACK = np.zeros((8, 9, 3), np.uint8)
FILE = encoded(BLACK, "PNG")


def images(*shape, value=0.0):
    return tf.make_tensor_proto(np.full(shape, value, np.float32))


def without_data(*shape):
    """Values that are not sent are zeros."""
    sizes = [tensor_shape_pb2.TensorShapeProto.Dim(size=size) for size in shape]
    return tensor_pb2.TensorProto(
        dtype=tf.float32.as_datatype_enum,
        tensor_shape=tensor_shape_pb2.TensorShapeProto(dim=sizes),
    )


def files(*contents):
    return tf.make_tensor_proto(list(contents), tf.string, [len(contents)])


def gif(frame_side, frames=1):
    frame = Image.new("L", (frame_side, frame_side))
    more = [Image.new("L", (frame_side, frame_side), 1 + i % 255) for i in range(frames - 1)]
    return encoded(frame, "GIF", save_all=True, append_images=more)


def small_screen(file):
    return file[:6] + b"\1\0\1\0" + file[10:]


def bmp(width, height):
    file = bytearray(encoded(BLACK, "BMP"))
    file[18:26] = struct.pack("<ii", width, height)
    return bytes(file)


def webp(**options):
    return encoded(Image.new("RGB", (9, 8)), "WEBP", lossless=True, **options)


HUGE = 100_000
REQUESTS = {
    "serving_default": {
        "one number (rank 0)": images(),
        "no batch dimension (rank 3)": images(8, 9, 3),
        "a dimension too many (rank 5)": images(1, 1, 8, 9, 3),
        "grey": images(1, 8, 9, 1),
        "with alpha": images(1, 8, 9, 4),
        "float64": tf.make_tensor_proto(np.zeros((1, 8, 9, 3))),
        "uint8": tf.make_tensor_proto(np.zeros((1, 8, 9, 3), np.uint8)),
        "no image (N = 0)": images(0, 8, 9, 3),
        "no image, of a size beyond int64": without_data(0, 2**20, 2**44, 3),
        "0 pixels high": images(1, 0, 9, 3),
        "0 pixels wide": images(1, 8, 0, 3),
        "1 pixel": images(1, 1, 1, 3),
        "NaN": images(1, 8, 9, 3, value=np.nan),
        "infinity": images(1, 8, 9, 3, value=np.inf),
        "far out of range": images(1, 8, 9, 3, value=1e30),
        "4100x4100, no data sent": without_data(1, 4100, 4100, 3),
        "100000x100000, no data sent": without_data(1, HUGE, HUGE, 3),
        "1 pixel high, 1000000 wide": without_data(1, 1, 10**6, 3),
        "4000 images of 1 pixel": images(4000, 1, 1, 3),
        "a negative size": without_data(1, -8, 9, 3),
    },
    "encoded": {
        "one string (rank 0)": tf.make_tensor_proto(FILE),
        "rank 2": tf.make_tensor_proto([[FILE]]),
        "numbers": images(1),
        "no file (N = 0)": files(),
        "an empty file": files(b""),
        "text": files(b"Dear diary, this is no photo."),
        "a truncated PNG": files(encoded(np.zeros((64, 64, 3), np.uint8), "PNG")[:-40]),
        "a truncated JPEG": files(encoded(np.zeros((64, 64, 3), np.uint8), "JPEG")[:60]),
        "a PNG of 1 pixel": files(encoded(BLACK[:1, :1], "PNG")),
        "a PNG of 0 pixels": files(png(0, 0, 8, 2, [b""])),
        "a PNG that declares 50000x50000": files(png(50_000, 50_000, 8, 2, [b""])),
        "a BMP that declares 0 pixels": files(bmp(0, 0)),
        "a BMP that declares a negative width": files(bmp(-9, 8)),
        "a BMP that declares more than it has": files(bmp(3000, 3000)),
        "a GIF that is larger than it declares": files(small_screen(gif(5000))),
        "a GIF of 300 frames": files(gif(100, 300)),
        "an animated WebP": files(
            webp(save_all=True, append_images=[Image.new("RGB", (9, 8), "white")])
        ),
        "a JPEG in CMYK": files(encoded(BLACK, "JPEG", mode="CMYK")),
        "a TIFF": files(encoded(BLACK, "TIFF")),
        "a good file beside a bad one": files(FILE, b"bad"),
        "33 files": files(*[FILE] * 33),
    },
    "tile": {
        "a thumbnail of rank 3": (images(1, 8, 9, 3), images(8, 9, 3)),
        "two thumbnails for three tiles": (images(3, 8, 9, 3), images(2, 8, 9, 3)),
        "no tile (N = 0)": (images(0, 8, 9, 3), images(1, 8, 9, 3)),
        "a thumbnail of 0 pixels": (images(1, 8, 9, 3), images(1, 0, 0, 3)),
        "NaN in the thumbnail": (images(1, 8, 9, 3), images(1, 8, 9, 3, value=np.nan)),
        "a thumbnail of 4100x4100": (images(1, 8, 9, 3), without_data(1, 4100, 4100, 3)),
    },
}
ALIASES = {"serving_default": ["image"], "encoded": ["image_bytes"], "tile": ["tile", "thumbnail"]}
CASES = [(signature, name) for signature, named in REQUESTS.items() for name in named]


def request(signature, tensors):
    asked = predict_pb2.PredictRequest()
    asked.model_spec.name = "tiny"
    asked.model_spec.signature_name = signature
    for alias, tensor in zip(
        ALIASES[signature], tensors if isinstance(tensors, tuple) else [tensors], strict=True
    ):
        asked.inputs[alias].CopyFrom(tensor)
    return asked


@pytest.fixture(scope="module")
def model_server(tiny_model):
    from serving import server

    port = free_port()
    flags = ["--model_name=tiny", f"--model_base_path={tiny_model.parent}", f"--port={port}"]
    running = server.start(server.parse(flags))
    options = [("grpc.max_receive_message_length", -1)]
    with grpc.insecure_channel(f"127.0.0.1:{port}", options) as channel:
        predict = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict
        yield SimpleNamespace(predict=predict)
    running.stop(grace_seconds=1)


def answer_of(predict, signature, name):
    """What the table says of a request: "OK: the outputs", or the code and the words."""
    try:
        outputs = predict(request(signature, REQUESTS[signature][name]), timeout=SECONDS).outputs
    except grpc.RpcError as error:
        return error.code().name, re.sub(r"\s+", " ", error.details())
    (output,) = outputs.values()
    shape = "x".join(str(dim.size) for dim in output.tensor_shape.dim)
    return "OK", f"{tf.dtypes.as_dtype(output.dtype).name} [{shape}]"


def told():
    """{(signature, request): (code, words)} of the page."""
    cells = r"^\| `(\w+)` \| (.+?) \| ([A-Z_]+) \| (.+?) \|$"
    rows = re.findall(cells, PAGE.read_text(), re.MULTILINE)
    return {(signature, name): (code, words) for signature, name, code, words in rows}


TOLD = told()


def test_the_page_tells_every_request():
    assert list(TOLD) == CASES


@pytest.mark.parametrize(("signature", "name"), CASES)
def test_it_is_answered_as_told_and_a_good_one_after_it(model_server, signature, name):
    code, words = answer_of(model_server.predict, signature, name)
    expected_code, expected_words = TOLD[signature, name]
    assert code == expected_code
    assert expected_words in words
    good = model_server.predict(request("encoded", files(FILE)), timeout=SECONDS)
    (picture,) = good.outputs["image_bytes"].string_val
    assert Image.open(io.BytesIO(picture)).size == (9, 8)


def test_bad_requests_from_many_callers_fail_alone(model_server):
    good, wrong = [], []

    def ask(signature, name):
        code, words = answer_of(model_server.predict, signature, name)
        if TOLD[signature, name][0] != code:
            wrong.append((signature, name, code, words))

    def ask_well():
        good.append(model_server.predict(request("encoded", files(FILE)), timeout=SECONDS))

    threads = [threading.Thread(target=ask, args=case) for case in CASES[::12]]
    threads += [threading.Thread(target=ask_well) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(good) == 3
