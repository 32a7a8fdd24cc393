"""Either client against a server that speaks TensorFlow Serving's own messages."""

import inspect
import socket
import subprocess
import sys
import time
from collections import deque
from concurrent import futures
from pathlib import Path

import grpc
import numpy as np
import PIL.Image
import pytest

from serving import client
from serving.client import AsyncZooClient, Signature, TensorSpec, VersionStatus, ZooClient
from tests.serving.fake_server import BUSY, Model, file_of, start
from zoo.errors import UserError
from zoo.images import ImageError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def nobody():
    """An address that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return f"127.0.0.1:{free.getsockname()[1]}"


def negative_of(image):
    return 255 - np.asarray(image)


def sent_file(fake):
    [file] = fake.predicts[-1].inputs["image_bytes"].string_val
    return file


# --- Pictures ---


def test_a_picture_of_any_kind_comes_back_stylised_without_a_loss(zoo, cat, tmp_path):
    cat.save(tmp_path / "cat.png")
    for picture in (tmp_path / "cat.png", str(tmp_path / "cat.png"), file_of(cat), cat,
                    np.asarray(cat), np.asarray(cat) / 255):  # fmt: skip
        stylised = zoo.stylize(picture, model="inverter")
        assert stylised.mode == "RGB"
        np.testing.assert_array_equal(np.asarray(stylised), negative_of(cat))


def test_a_plain_jpeg_is_sent_as_it_is(zoo, fake, cat, tmp_path):
    file = file_of(cat, "JPEG")
    (tmp_path / "cat.jpg").write_bytes(file)
    for picture in (file, tmp_path / "cat.jpg"):
        stylised = zoo.stylize(picture, "inverter")
        assert sent_file(fake) == file
        assert stylised.size == cat.size


def test_a_rotated_phone_photo_comes_out_upright(zoo, fake, cat):
    exif = PIL.Image.Exif()
    exif[0x0112] = 6  # orientation: to be turned clockwise
    for kind in ("PNG", "JPEG"):
        stylised = zoo.stylize(file_of(cat, kind, exif=exif), model="inverter")
        assert stylised.size == cat.size[::-1]
        assert sent_file(fake).startswith(b"\x89PNG")
        if kind == "PNG":
            upright = cat.transpose(PIL.Image.Transpose.ROTATE_270)
            np.testing.assert_array_equal(np.asarray(stylised), negative_of(upright))


def test_pixels_are_sent_as_tensors_when_asked(zoo, fake, cat):
    stylised = zoo.stylize(cat, "inverter", signature="serving_default")
    np.testing.assert_array_equal(np.asarray(stylised), negative_of(cat))
    assert list(fake.predicts[-1].inputs) == ["image"]


def test_a_signature_that_takes_no_picture_is_refused_before_anything_is_sent(zoo, fake, cat):
    with pytest.raises(client.InvalidRequest, match="Those that do: encoded, serving_default"):
        zoo.stylize(cat, "inverter", signature="encodde")
    assert not fake.predicts


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
    assert [request.model_spec.name for request in fake.predicts] == ["sr-x2", "doubler"]


@pytest.mark.parametrize(("model", "sent"), [("sr-x2", 0), ("doubler", 1)])
def test_a_model_of_another_factor_is_refused(zoo, fake, cat, model, sent):
    with pytest.raises(client.InvalidRequest, match=f"'{model}' enlarges 2 times, not 4"):
        zoo.upscale(cat, factor=4, model=model)
    assert len(fake.predicts) == sent  # what a model tells of itself is known before


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_damaged_file_is_refused_before_the_server_is_asked(zoo, fake, cat, kind):
    with pytest.raises(ImageError):
        zoo.stylize(file_of(cat, kind)[:5000], model="inverter")
    assert not fake.predicts
    assert not fake.others


def test_colours_are_kept_when_asked(zoo, cat):
    kept = zoo.stylize(cat, "inverter", preserve_color=True)
    luma, photo = (np.asarray(each.convert("L"), float) for each in (kept, cat))
    fits = np.abs(photo - 127) < 40  # further out, the other's colours do not fit in 0..255
    assert np.abs(luma + photo - 255)[fits].mean() < 4
    chroma = [np.asarray(each.convert("YCbCr"), float)[..., 1:] for each in (kept, cat)]
    assert np.abs(chroma[0] - chroma[1])[fits].mean() < 3


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"style": "scream"}, [0, 1, 0]),
        ({"style": {"wave": 3, "scream": 1}}, [0.75, 0.25, 0]),
        ({"style": "wave", "strength": 0.25}, [0.25, 0, 0.75]),
    ],
)
def test_styles_and_strength_become_weights(zoo, fake, cat, options, expected):
    zoo.stylize(cat, "painters", **options)
    [request] = fake.predicts
    tensor = request.inputs["style_weights"]
    np.testing.assert_allclose(np.frombuffer(tensor.tensor_content, np.float32), expected)
    assert [dim.size for dim in tensor.tensor_shape.dim] == [1, 3]


@pytest.mark.parametrize(
    ("model", "options", "words"),
    [
        ("painters", {}, "no style is asked for.*\nGive one of wave, scream, photo"),
        ("painters", {"style": "screem"}, "no style 'screem'; did you mean 'scream'"),
        ("painters", {"style": "wave", "strength": 1.5}, "strength 1.5"),
        ("inverter", {"style": "wave"}, "one style only"),
        ("inverter", {"strength": 0.5}, "one style only"),
    ],
)
def test_styles_that_a_model_does_not_have_are_refused_unsent(
    zoo, fake, cat, model, options, words
):
    with pytest.raises(client.InvalidRequest, match=words):
        zoo.stylize(cat, model, **options)
    assert not fake.predicts


# --- Any model ---


def test_predict_gives_the_outputs_as_arrays(zoo):
    image = np.random.default_rng(0).random((2, 5, 7, 3), np.float32)
    outputs = zoo.predict("inverter", {"image": image})
    assert list(outputs) == ["image"]
    np.testing.assert_array_equal(outputs["image"], 1 - image)


def test_messages_of_many_megabytes_pass_both_ways(zoo):
    image = np.full((1, 700, 700, 3), 0.25, np.float32)  # 6 MB
    np.testing.assert_array_equal(zoo.predict("inverter", {"image": image})["image"], 1 - image)


def test_the_version_or_the_label_that_is_asked_for_reaches_the_server(zoo, fake, cat):
    fake.models["inverter"] = Model(versions=(0, 3))

    def asked():
        spec = fake.predicts[-1].model_spec
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
    assert zoo.metadata("inverter", version=0).version == 0


def test_metadata_tells_the_version_and_names_dtypes_and_shapes(zoo):
    metadata = zoo.metadata("inverter")
    assert metadata.version == 1
    image = TensorSpec("float32", (None, None, None, 3))
    assert metadata.signatures["serving_default"] == Signature({"image": image}, {})


def test_a_model_tells_what_it_is(zoo):
    said = zoo.about("painters")
    assert (said.name, said.version, said.kind) == ("painters", 1, "style")
    assert said.styles == ("wave", "scream", "photo")
    assert zoo.about("sr-x2").factor == 2
    with pytest.raises(client.InvalidRequest, match="Export it again"):
        zoo.about("inverter")


def test_what_a_model_is_is_asked_once_until_its_version_changes(zoo, fake, cat):
    for _ in range(3):
        zoo.stylize(cat, "painters", style="wave")
    assert len(fake.others) == 2  # metadata and about
    fake.models["painters"] = Model(styles=("scream", "photo"), tells=True, versions=(1, 2))
    zoo.stylize(cat, "painters", style="wave")  # of the styles that it had
    with pytest.raises(client.InvalidRequest, match="no style 'wave'"):
        zoo.stylize(cat, "painters", style="wave")


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"image": np.zeros((2, 2, 3), np.float32)}, r"shape \[2, 2, 3\].*array\[None\]"),
        ({"image": np.zeros((1, 2, 2, 4), np.float32)}, r"\[None, None, None, 3\]"),
        ({"image": np.zeros((1, 2, 2, 3))}, r"float64.*float32.*\n.*astype\('float32'\)"),
        ({"picture": np.zeros((1, 2, 2, 3))}, "no input 'picture'.*\nIt takes: image"),
    ],
)  # fmt: skip
def test_inputs_that_do_not_fit_are_refused_before_they_are_sent(zoo, fake, inputs, words):
    with pytest.raises(client.InvalidRequest, match=f"(?s){words}"):
        zoo.predict("inverter", inputs)
    assert not fake.predicts


def test_a_batch_larger_than_the_servers_limit_is_split(zoo, fake):
    fake.max_batch_size = 2
    image = np.random.default_rng(0).random((5, 4, 4, 3), np.float32)
    for _ in range(2):
        outputs = zoo.predict("inverter", {"image": image})
        np.testing.assert_array_equal(outputs["image"], 1 - image)
    rows = [request.inputs["image"].tensor_shape.dim[0].size for request in fake.predicts]
    assert rows[0] == 5  # refused; from then on the limit is known
    assert sorted(rows[1:]) == [1, 1, 2, 2, 2, 2]


# --- Errors ---


@pytest.mark.parametrize(
    ("code", "words", "expected"),
    [
        ("INVALID_ARGUMENT", "Expects arg[0] to be float", client.InvalidRequest),
        ("FAILED_PRECONDITION", "Could not find variable", client.InvalidRequest),
        ("NOT_FOUND", "no such file", client.NotFound),
        ("INTERNAL", "broken", client.ServerError),
        ("UNIMPLEMENTED", "", client.ServerError),
        ("RESOURCE_EXHAUSTED", "OOM when allocating tensor with shape[9]", client.ServerError),
        ("RESOURCE_EXHAUSTED", "SERVER: Received message larger than max (6000046 vs. 4194304)",
         client.MessageTooLarge),
    ],
)  # fmt: skip
def test_a_refusal_carries_the_servers_words_and_is_not_asked_again(
    zoo, fake, target, code, words, expected
):
    code = grpc.StatusCode[code]
    fake.failures.append((code, words))
    with pytest.raises(expected) as caught:
        zoo.predict("inverter", {"image": np.zeros((1, 2, 2, 3), np.float32)})
    assert type(caught.value) is expected
    assert isinstance(caught.value, client.ZooError)
    assert isinstance(caught.value, UserError)
    assert caught.value.code is code
    assert caught.value.details == words
    assert (caught.value.model, caught.value.signature) == ("inverter", "serving_default")
    for word in ("'inverter'", "'serving_default'", target, code.name, words, expected.advice):
        assert word in str(caught.value)
    assert len(fake.predicts) == 1


def test_a_name_that_is_not_served_is_told_with_those_that_are_alike(zoo, fake, cat):
    fake.models["starry-night"] = Model()
    for name in ("starry_night", "Starry Night"):
        with pytest.raises(client.UnknownModel, match="The server has: starry-night") as caught:
            zoo.stylize(cat, name)
        assert caught.value.nearest == ["starry-night"]
    zoo.stylize(cat, "inverter")
    with pytest.raises(client.UnknownModel, match="inverter"):  # known to this client by now
        zoo.status("invertor")
    with pytest.raises(client.UnknownModel, match="spelling") as caught:
        zoo.stylize(cat, "zzz")
    assert caught.value.nearest == []


@pytest.mark.parametrize("choice", [{"version": 7}, {"label": "canary"}])
def test_a_version_that_is_gone_is_told_with_those_that_are_there(zoo, fake, cat, choice):
    fake.models["inverter"] = Model(versions=(2, 3))
    with pytest.raises(client.VersionGone, match="The server has: version 3 AVAILABLE") as caught:
        zoo.stylize(cat, "inverter", **choice)
    assert [each.version for each in caught.value.versions] == [3, 2]
    assert isinstance(caught.value, client.NotFound)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("UNAVAILABLE", BUSY),
        ("UNAVAILABLE", "Socket closed"),
        ("RESOURCE_EXHAUSTED", "Server Threadpool Exhausted"),
    ],
)
def test_a_busy_server_is_asked_again_even_with_a_large_picture(zoo, fake, code, words):
    image = np.zeros((1, 300, 300, 3), np.float32)  # 1 MB
    fake.failures.extend([(grpc.StatusCode[code], words)] * 2)
    np.testing.assert_array_equal(zoo.predict("inverter", {"image": image})["image"], 1 - image)
    assert len(fake.predicts) == 3


def test_a_server_that_stays_busy_is_overloaded_at_the_end_of_the_time(connect, target, fake, cat):
    fake.failures.extend([(grpc.StatusCode.UNAVAILABLE, BUSY)] * 1000)
    with connect(target) as zoo, pytest.raises(client.Overloaded, match=BUSY):
        zoo.stylize(cat, "inverter", timeout=1.5)
    assert len(fake.predicts) > 2


def test_nothing_is_sent_again_without_retries(connect, target, fake, cat):
    fake.failures.append((grpc.StatusCode.UNAVAILABLE, BUSY))
    with connect(target, retries=None) as zoo, pytest.raises(client.Overloaded):
        zoo.stylize(cat, "inverter")
    assert len(fake.predicts) == 1


def test_an_address_where_nobody_listens_is_unavailable(connect, nobody, cat):
    patience = client.Retries(away_seconds=0.5)
    with connect(nobody, retries=patience) as zoo:
        with pytest.raises(client.Unavailable, match=nobody) as caught:
            zoo.stylize(cat, "inverter")
        assert caught.value.code is grpc.StatusCode.UNAVAILABLE


def test_a_call_ends_at_its_own_deadline_or_the_clients(connect, target):
    with connect(target, timeout=0.5) as zoo:
        with pytest.raises(client.DeadlineExceeded, match=r"within 0\.5 s"):
            zoo.predict("sleeper", {})
        with pytest.raises(client.DeadlineExceeded, match=r"within 0\.3 s"):
            zoo.predict("sleeper", {}, timeout=0.3)


# --- Waiting ---


def test_waiting_ends_when_a_version_becomes_available(zoo, fake):
    fake.failures.append((grpc.StatusCode.NOT_FOUND, "Could not find any versions of model x"))
    fake.states = deque(
        [[(2, "START", {})], [(2, "LOADING", {})], [(2, "AVAILABLE", {}), (1, "END", {})]]
    )
    zoo.wait_ready("inverter", timeout=20)
    assert len(fake.others) == 4


def test_waiting_outlasts_a_server_that_starts_late(connect, fake, nobody):
    with connect(nobody) as zoo, futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(zoo.wait_ready, "inverter", timeout=30)
        time.sleep(1)
        assert not waiting.done()
        server, _ = start(fake, nobody)
        waiting.result()
        server.stop(0).wait()


def test_waiting_in_vain_tells_the_last_state(zoo, fake):
    broken = {"error_code": "FAILED_PRECONDITION", "error_message": "Could not find variable"}
    fake.states.append([(3, "END", broken)])
    with pytest.raises(client.NotReady, match=r"version 3 END.*Could not find variable") as caught:
        zoo.wait_ready("inverter", timeout=0.5)
    assert caught.value.versions == [
        VersionStatus(3, "END", "FAILED_PRECONDITION: Could not find variable")
    ]
    assert caught.value.model == "inverter"


def test_waiting_in_vain_tells_the_last_error(connect, nobody):
    with connect(nobody) as zoo:
        with pytest.raises(client.NotReady, match="refused") as caught:
            zoo.wait_ready("inverter", timeout=2)
        assert caught.value.code is grpc.StatusCode.UNAVAILABLE
        assert caught.value.versions == []


def test_waiting_does_not_hide_an_error_that_time_will_not_cure(zoo, fake):
    fake.failures.append((grpc.StatusCode.UNIMPLEMENTED, ""))
    with pytest.raises(client.ServerError, match="UNIMPLEMENTED"):
        zoo.wait_ready("inverter")


# --- Reload ---

MODELS_CONFIG = """
model_config_list { config { name: "m" base_path: "/models/m" model_platform: "tensorflow"
  model_version_policy { specific { versions: 1 versions: 2 } }
  version_labels { key: "stable" value: 1 } } }
"""


def test_reload_sends_the_whole_configuration(zoo, fake, tmp_path):
    (tmp_path / "models.config").write_text(MODELS_CONFIG)
    for given in (MODELS_CONFIG, tmp_path / "models.config"):
        zoo.reload(given)
        [config] = fake.others[-1].config.model_config_list.config
        assert (config.name, config.base_path) == ("m", "/models/m")
        assert list(config.model_version_policy.specific.versions) == [1, 2]
        assert dict(config.version_labels) == {"stable": 1}


def test_reload_refuses_what_is_no_configuration(zoo, fake, tmp_path):
    with pytest.raises(UserError, match=r"no ModelServerConfig.*1:1.*modell"):
        zoo.reload("modell_config_list {}")
    with pytest.raises(UserError, match="cannot be read"):
        zoo.reload(tmp_path / "missing.config")
    assert not fake.others


# --- Twins ---


def test_the_twins_have_the_same_methods_with_the_same_signatures_and_texts():
    names = [name for name in vars(ZooClient) if not name.startswith("_")]
    assert len(names) == 9
    for name in [*names, "__init__"]:
        blocking, asyncio = getattr(ZooClient, name), getattr(AsyncZooClient, name)
        assert inspect.signature(blocking) == inspect.signature(asyncio)
        assert name == "close" or inspect.getdoc(blocking) == inspect.getdoc(asyncio)


def test_nothing_can_be_asked_after_the_end_of_the_with_block(connect, target):
    with connect(target) as zoo:
        zoo.status("inverter")
        zoo.close()
        with pytest.raises(ValueError, match="closed"):
            zoo.status("inverter")


WITHOUT_TENSORFLOW = """
import sys
for name in ("tensorflow", "keras", "tensorflow_serving", "absl", "tqdm", "skimage"):
    sys.modules[name] = None  # importing it raises ImportError from now on

from serving.client import ZooClient

with ZooClient(sys.argv[1]) as zoo:
    zoo.wait_ready("inverter")
    zoo.stylize(sys.argv[2], model="inverter").save(sys.argv[3])
"""


def test_the_client_works_where_tensorflow_is_not_installed(target, cat, tmp_path):
    cat.save(tmp_path / "cat.png")
    out = tmp_path / "out.png"
    arguments = [sys.executable, "-c", WITHOUT_TENSORFLOW, target, tmp_path / "cat.png", out]
    subprocess.run(arguments, cwd=ROOT, check=True)
    np.testing.assert_array_equal(np.asarray(PIL.Image.open(out)), negative_of(cat))
