import io
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from concurrent import futures
from pathlib import Path

import grpc
import numpy as np
import PIL.Image
import pytest
import skimage.data
import tensorflow as tf
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from serving import client
from serving.client import Signature, TensorSpec, VersionStatus, ZooClient
from zoo.errors import UserError
from zoo.images import ImageError

ROOT = Path(__file__).parents[2]
MODELS = {"inverter": 1, "doubler": 2, "sr-x2": 2}  # by their factor of enlargement
BUSY = "The batch scheduling queue to which this task was submitted is full"


class FakeServer(
    prediction_service_pb2_grpc.PredictionServiceServicer,
    model_service_pb2_grpc.ModelServiceServicer,
):
    """Speaks TensorFlow Serving's own messages; its models turn pictures into negatives."""

    def __init__(self):
        self.requests = []  # every one that arrived
        self.failures = deque()  # (code, words) of the next answers
        self.states = deque([[(1, "AVAILABLE", {})]])  # of the next status answers; the last stays
        self.released = threading.Event()  # a call of model "sleeper" waits for it

    def Predict(self, request, context):  # noqa: N802
        self._receive(request, context)
        spec, response = request.model_spec, predict_pb2.PredictResponse()
        if spec.name == "sleeper":
            self.released.wait(20)
        elif spec.name not in MODELS:
            context.abort(
                grpc.StatusCode.NOT_FOUND, f"Servable not found for request: Latest({spec.name})"
            )
        elif spec.signature_name == "encoded":
            files = tf.make_ndarray(request.inputs["image_bytes"])
            negatives = [negative_file(each, MODELS[spec.name]) for each in files]
            response.outputs["image_bytes"].CopyFrom(tf.make_tensor_proto(negatives))
        else:
            negative = 1 - tf.make_ndarray(request.inputs["image"])
            output = response.outputs["image"]
            output.CopyFrom(tf.make_tensor_proto(negative))
            output.tensor_content = b""
            output.float_val.extend(negative.ravel())  # as TensorFlow Serving does by default
        return response

    def GetModelMetadata(self, request, context):  # noqa: N802
        self._receive(request, context)
        definitions = get_model_metadata_pb2.SignatureDefMap()
        infos = definitions.signature_def["serving_default"].inputs
        infos["image"].dtype = tf.float32.as_datatype_enum
        infos["image"].tensor_shape.CopyFrom(tf.TensorShape([None, None, None, 3]).as_proto())
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        response.metadata["signature_def"].Pack(definitions)
        return response

    def GetModelStatus(self, request, context):  # noqa: N802
        self._receive(request, context)
        states = self.states.popleft() if len(self.states) > 1 else self.states[0]
        response = get_model_status_pb2.GetModelStatusResponse()
        for version, state, status in states:
            response.model_version_status.add(version=version, state=state, status=status)
        return response

    def _receive(self, request, context):
        self.requests.append(request)
        if self.failures:
            context.abort(*self.failures.popleft())


def negative_file(file, factor):
    image = PIL.Image.open(io.BytesIO(file))
    assert (image.format, image.mode) == ("PNG", "RGB")
    negative = 255 - np.asarray(image).repeat(factor, 0).repeat(factor, 1)
    return file_of(PIL.Image.fromarray(negative))


def file_of(image, kind="PNG", **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def start(fake, address="127.0.0.1:0", credentials=None):
    """Start gRPC's server around the fake; returns it and its port."""
    options = [("grpc.max_receive_message_length", -1), ("grpc.so_reuseport", 0)]
    server = grpc.server(futures.ThreadPoolExecutor(4), options=options)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(fake, server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(fake, server)
    if credentials:
        port = server.add_secure_port(address, credentials)
    else:
        port = server.add_insecure_port(address)
    server.start()
    return server, port


@pytest.fixture
def fake():
    return FakeServer()


@pytest.fixture
def target(fake):
    server, port = start(fake)
    yield f"127.0.0.1:{port}"
    fake.released.set()
    server.stop(0).wait()


@pytest.fixture
def zoo(target):
    with ZooClient(target, timeout=20) as connected:
        yield connected


@pytest.fixture(scope="module")
def cat():
    return PIL.Image.fromarray(skimage.data.chelsea())


@pytest.fixture
def nobody():
    """An address that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return f"127.0.0.1:{free.getsockname()[1]}"


def negative_of(image):
    return 255 - np.asarray(image)


def test_a_picture_of_any_kind_comes_back_stylised_without_a_loss(zoo, cat, tmp_path):
    cat.save(tmp_path / "cat.png")
    for picture in (tmp_path / "cat.png", str(tmp_path / "cat.png"), file_of(cat), cat,
                    np.asarray(cat), np.asarray(cat) / 255):  # fmt: skip
        stylised = zoo.stylize(picture, model="inverter")
        assert stylised.mode == "RGB"
        np.testing.assert_array_equal(np.asarray(stylised), negative_of(cat))


def test_a_rotated_phone_photo_comes_out_upright(zoo, cat):
    exif = PIL.Image.Exif()
    exif[0x0112] = 6  # orientation: to be turned clockwise
    stylised = zoo.stylize(file_of(cat, exif=exif), model="inverter")
    upright = cat.transpose(PIL.Image.Transpose.ROTATE_270)
    np.testing.assert_array_equal(np.asarray(stylised), negative_of(upright))


def test_transparency_is_kept(zoo, cat):
    alpha = PIL.Image.linear_gradient("L").resize(cat.size)
    cut_out = cat.copy()
    cut_out.putalpha(alpha)
    stylised = zoo.stylize(cut_out, model="inverter")
    assert stylised.mode == "RGBA"
    np.testing.assert_array_equal(np.asarray(stylised)[..., 3], np.asarray(alpha))
    np.testing.assert_array_equal(np.asarray(stylised)[..., :3], negative_of(cat))


def test_super_resolution_enlarges_transparency_too(zoo, cat):
    cut_out = cat.copy()
    cut_out.putalpha(128)
    stylised = zoo.stylize(cut_out, model="doubler")
    assert stylised.size == (2 * cat.width, 2 * cat.height)
    assert stylised.getchannel("A").getextrema() == (128, 128)


def test_upscale_asks_the_model_of_the_factor_or_the_one_named(zoo, fake, cat):
    for model in (None, "doubler"):
        enlarged = zoo.upscale(cat, factor=2, model=model)
        assert enlarged.size == (2 * cat.width, 2 * cat.height)
    assert [request.model_spec.name for request in fake.requests] == ["sr-x2", "doubler"]


def test_a_damaged_file_is_refused_before_the_server_is_asked(zoo, fake, cat):
    with pytest.raises(ImageError):
        zoo.stylize(file_of(cat)[:5000], model="inverter")
    assert not fake.requests


def test_predict_gives_the_outputs_as_arrays(zoo):
    image = np.random.default_rng(0).random((2, 5, 7, 3), np.float32)
    outputs = zoo.predict("inverter", {"image": image})
    assert list(outputs) == ["image"]
    np.testing.assert_array_equal(outputs["image"], 1 - image)


def test_messages_of_many_megabytes_pass_both_ways(zoo):
    image = np.full((1, 1500, 1500, 3), 0.25, np.float32)  # 27 MB
    np.testing.assert_array_equal(zoo.predict("inverter", {"image": image})["image"], 1 - image)


def test_the_version_or_the_label_that_is_asked_for_reaches_the_server(zoo, fake, cat):
    def asked():
        spec = fake.requests[-1].model_spec
        return spec.WhichOneof("version_choice"), spec.version.value, spec.version_label

    image = {"image": np.zeros((1, 2, 2, 3), np.float32)}
    zoo.predict("inverter", image)
    assert asked() == (None, 0, "")
    zoo.predict("inverter", image, version=0)
    assert asked() == ("version", 0, "")
    zoo.stylize(cat, "inverter", version=3)
    assert asked() == ("version", 3, "")
    zoo.stylize(cat, "inverter", label="stable")
    assert asked() == ("version_label", 0, "stable")
    zoo.signatures("inverter", version=4)
    assert asked() == ("version", 4, "")


def test_signatures_tell_names_dtypes_and_shapes(zoo):
    image = TensorSpec("float32", (None, None, None, 3))
    assert zoo.signatures("inverter") == {"serving_default": Signature({"image": image}, {})}


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("INVALID_ARGUMENT", client.InvalidRequest),
        ("FAILED_PRECONDITION", client.InvalidRequest),
        ("NOT_FOUND", client.NotFound),
        ("INTERNAL", client.ServerError),
        ("UNIMPLEMENTED", client.ServerError),
    ],
)
def test_a_refusal_carries_the_servers_words_and_is_not_asked_again(
    zoo, fake, target, code, expected
):
    code = grpc.StatusCode[code]
    fake.failures.append((code, "Expects arg[0] to be float but double is provided"))
    with pytest.raises(expected) as caught:
        zoo.predict("inverter", {"image": np.zeros(3)}, signature="special")
    assert isinstance(caught.value, client.ZooError)
    assert isinstance(caught.value, UserError)
    assert caught.value.code is code
    assert caught.value.details == "Expects arg[0] to be float but double is provided"
    assert (caught.value.model, caught.value.signature) == ("inverter", "special")
    for word in ("'inverter'", "'special'", target, code.name, "arg[0] to be float"):
        assert word in str(caught.value)
    assert len(fake.requests) == 1


def test_a_model_that_is_not_served_is_not_found(zoo, cat):
    with pytest.raises(client.NotFound, match=r"Latest\(starry-nihgt\)"):
        zoo.stylize(cat, "starry-nihgt")


@pytest.mark.parametrize("code", ["UNAVAILABLE", "RESOURCE_EXHAUSTED"])
def test_a_busy_server_is_asked_again_even_with_a_large_picture(zoo, fake, code):
    image = np.zeros((1, 1000, 1000, 3), np.float32)
    fake.failures.extend([(grpc.StatusCode[code], BUSY)] * 2)
    np.testing.assert_array_equal(zoo.predict("inverter", {"image": image})["image"], 1 - image)
    assert len(fake.requests) == 3


def test_a_server_that_stays_busy_is_unavailable(zoo, fake, cat):
    fake.failures.extend([(grpc.StatusCode.UNAVAILABLE, BUSY)] * 20)
    with pytest.raises(client.Unavailable, match=BUSY):
        zoo.stylize(cat, "inverter")
    assert len(fake.requests) == 5


def test_a_message_too_large_for_the_server_is_no_matter_of_time(zoo, fake, cat):
    words = "SERVER: Received message larger than max (6000046 vs. 4194304)"
    fake.failures.extend([(grpc.StatusCode.RESOURCE_EXHAUSTED, words)] * 20)
    with pytest.raises(client.InvalidRequest, match="larger than max"):
        zoo.stylize(cat, "inverter")


def test_an_address_where_nobody_listens_is_unavailable(nobody, cat):
    with ZooClient(nobody) as zoo, pytest.raises(client.Unavailable, match=nobody) as caught:
        zoo.stylize(cat, "inverter")
    assert caught.value.code is grpc.StatusCode.UNAVAILABLE


def test_a_call_ends_at_its_own_deadline_or_the_clients(target):
    with ZooClient(target, timeout=0.3) as zoo:
        with pytest.raises(client.DeadlineExceeded, match=r"within 0\.3 s"):
            zoo.predict("sleeper", {})
        with pytest.raises(client.DeadlineExceeded, match=r"within 0\.2 s"):
            zoo.predict("sleeper", {}, timeout=0.2)


def test_waiting_ends_when_a_version_becomes_available(zoo, fake):
    fake.failures.append((grpc.StatusCode.NOT_FOUND, "Could not find any versions of model x"))
    fake.states = deque(
        [[(2, "START", {})], [(2, "LOADING", {})], [(2, "AVAILABLE", {}), (1, "END", {})]]
    )
    zoo.wait_ready("inverter", timeout=20)
    assert len(fake.requests) == 4


def test_waiting_outlasts_a_server_that_starts_late(fake, nobody):
    with ZooClient(nobody) as zoo, futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(zoo.wait_ready, "inverter", timeout=30)
        time.sleep(1)
        assert not waiting.done()
        server, _ = start(fake, nobody)
        waiting.result()
        server.stop(0).wait()


def test_waiting_in_vain_tells_the_last_state(zoo, fake):
    broken = {"error_code": "FAILED_PRECONDITION", "error_message": "Could not find variable"}
    fake.states[0] = [(3, "END", broken)]
    with pytest.raises(client.NotReady, match=r"version 3 END.*Could not find variable") as caught:
        zoo.wait_ready("inverter", timeout=0.5)
    assert caught.value.versions == [
        VersionStatus(3, "END", "FAILED_PRECONDITION: Could not find variable")
    ]
    assert caught.value.model == "inverter"


def test_waiting_in_vain_tells_the_last_error(nobody):
    with ZooClient(nobody) as zoo, pytest.raises(client.NotReady, match="refused") as caught:
        zoo.wait_ready("inverter", timeout=2)
    assert caught.value.code is grpc.StatusCode.UNAVAILABLE
    assert caught.value.versions == []


def test_waiting_does_not_hide_an_error_that_time_will_not_cure(zoo, fake):
    fake.failures.append((grpc.StatusCode.UNIMPLEMENTED, ""))
    with pytest.raises(client.ServerError, match="UNIMPLEMENTED"):
        zoo.wait_ready("inverter")


def test_nothing_can_be_asked_after_the_end_of_the_with_block(target):
    with ZooClient(target) as zoo:
        zoo.status("inverter")
    with pytest.raises(ValueError, match="closed"):
        zoo.status("inverter")


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl makes the certificate")
def test_tls_is_spoken_with_credentials(fake, tmp_path):
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-keyout", "key", "-out", "cert", "-days", "1", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=IP:127.0.0.1"],
        cwd=tmp_path, check=True, capture_output=True,
    )  # fmt: skip
    key, certificate = ((tmp_path / name).read_bytes() for name in ("key", "cert"))
    server, port = start(fake, credentials=grpc.ssl_server_credentials([(key, certificate)]))
    trusting = grpc.ssl_channel_credentials(certificate)
    with ZooClient(f"127.0.0.1:{port}", credentials=trusting) as zoo:
        assert zoo.status("inverter") == [VersionStatus(1, "AVAILABLE")]
    server.stop(0).wait()


WITHOUT_TENSORFLOW = """
import sys
for name in ("tensorflow", "keras", "tensorflow_serving"):
    sys.modules[name] = None  # importing it raises ImportError from now on

from serving.client import ZooClient

with ZooClient(sys.argv[1]) as zoo:
    zoo.wait_ready("inverter")
    zoo.stylize(sys.argv[2], model="inverter").save(sys.argv[3])
"""


def test_the_client_works_where_tensorflow_is_not_installed(target, cat, tmp_path):
    cat.save(tmp_path / "cat.png")
    subprocess.run(
        [
            sys.executable,
            "-c",
            WITHOUT_TENSORFLOW,
            target,
            tmp_path / "cat.png",
            tmp_path / "out.png",
        ],
        cwd=ROOT,
        check=True,
    )
    stylised = np.asarray(PIL.Image.open(tmp_path / "out.png"))
    np.testing.assert_array_equal(stylised, negative_of(cat))
