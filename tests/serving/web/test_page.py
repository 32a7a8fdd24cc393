import contextlib
import functools
import http.server
import threading

import numpy as np
import pytest

from serving.web.__main__ import build
from tests.serving.web.browser import browser, missing
from zoo import images
from zoo.errors import UserError
from zoo.sample_photo import sample_photo
from zoo.tflite import metadata
from zoo.tflite.parity import psnr
from zoo.tflite.runtime import LiteRTModel

SIZE = 64
_WAIT = """
  return (async () => {
    const end = Date.now() + 240000;
    while (!(%s)) {
      if (Date.now() > end) throw new Error('waited: ' + document.body.innerText);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  })();
"""
_PIXELS = """
  const canvas = document.getElementById('picture');
  const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  return [canvas.width, canvas.height, ...data];
"""


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Two files of untrained networks: float32 with one style, uint8 with two."""
    import keras

    from zoo.architectures import NETWORKS
    from zoo.networks import StyleNetwork
    from zoo.tflite.convert import convert

    keras.utils.set_random_seed(1)
    one = StyleNetwork(**NETWORKS["quarter64"], width=0.1)
    weights = keras.Input((2,), name="style_weights")
    image = keras.Input((None, None, 3), name="image")
    share = keras.layers.Reshape((1, 1, 2))(weights)[..., :1]
    several = keras.Model([image, weights], image * share + (1 - image) * (1 - share))
    directory = tmp_path_factory.mktemp("models")
    paths = []
    about = {"kind": "style", "height": SIZE, "width": SIZE, "factor": 1}
    for name, network, pixels, styles in (
        ("one", one, "float32", None),
        ("several", several, "uint8", ["plain", "inverted"]),
    ):
        file = convert(network, (SIZE, SIZE), pixels)
        paths.append(directory / f"{name}.tflite")
        paths[-1].write_bytes(
            metadata.with_metadata(file, {"name": name, "styles": styles, **about})
        )
    return paths


@contextlib.contextmanager
def served(directory):
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = functools.partial(Quiet, directory=str(directory))
    server = http.server.ThreadingHTTPServer(("localhost", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://localhost:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def painted(page, style):
    """The canvas, float [H, W, 3], once the status tells of a picture in a style."""
    page.run(
        _WAIT
        % f"/^{style}: .* pixels in [0-9]+ ms$/.test(status.textContent)".replace(
            "status.", "document.getElementById('status')."
        )
    )
    width, height, *rgba = page.run(_PIXELS)
    return np.reshape(rgba, (height, width, 4))[..., :3] / 255


def chosen(page, style):
    page.run(
        "const select = document.getElementById('style');"
        f"select.value = '{style}'; select.dispatchEvent(new Event('change'));"
    )


@pytest.mark.skipif(missing() is not None, reason=str(missing()))
def test_a_photo_is_painted_in_the_browser_online_and_offline(models, tmp_path):
    photo = sample_photo()[100 : 100 + SIZE, 100 : 100 + SIZE]
    images.write(photo, tmp_path / "cat.png")
    photo = images.read(tmp_path / "cat.png").rgb
    build(models, tmp_path / "site")
    expected = LiteRTModel(models[0]).transform(photo)
    with browser() as page:
        with served(tmp_path / "site") as address:
            page.open(address)
            page.run(_WAIT % "document.body.dataset.ready")
            names = page.run("return [...document.getElementById('style')].map((o) => o.value)")
            assert names == ["one", "plain", "inverted"]
            page.type("#photo", str(tmp_path / "cat.png"))
            assert psnr(painted(page, "one"), expected) > 40
            chosen(page, "inverted")
            assert psnr(painted(page, "inverted"), 1 - photo) > 40
        page.open(address)  # the server is away
        page.run(_WAIT % "document.body.dataset.ready")
        page.type("#photo", str(tmp_path / "cat.png"))
        assert psnr(painted(page, "one"), expected) > 40


def test_files_that_are_not_for_the_page_are_refused(models, tmp_path):
    other = tmp_path / "sr.tflite"
    about = {"kind": "superres", "name": "sr", "styles": None, "height": SIZE}
    other.write_bytes(metadata.with_metadata(models[0].read_bytes(), about))
    with pytest.raises(UserError, match=r"sr\.tflite: the page takes styles' files of one size"):
        build([other], tmp_path / "site")
    with pytest.raises(UserError, match="exists: give another --output"):
        build(models, tmp_path)
    assert not (tmp_path / "site").exists()
