"""A headless Chromium, driven by the WebDriver protocol over HTTP."""

import base64
import contextlib
import json
import shutil
import subprocess
import tempfile
import urllib.request

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the protocol's own key


def missing():
    """What the machine lacks for a browser, as text; None if nothing."""
    programs = ("chromium", "chromedriver", "npm")
    lacking = [name for name in programs if shutil.which(name) is None]
    return f"not installed: {', '.join(lacking)}" if lacking else None


class Browser:
    """A session at a driver's address."""

    def __init__(self, driver, profile):
        self._driver = driver
        options = {"args": [*FLAGS, f"--user-data-dir={profile}"]}
        answer = self._post(
            "/session", {"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}}
        )
        self._session = f"/session/{answer['sessionId']}"

    def open(self, address):
        self._post(f"{self._session}/url", {"url": address})

    def run(self, script):
        """What a function with this body returns; a promise is awaited."""
        return self._post(f"{self._session}/execute/sync", {"script": script, "args": []})

    def type(self, selector, text):
        found = self._post(f"{self._session}/element", {"using": "css selector", "value": selector})
        self._post(f"{self._session}/element/{found[_ELEMENT]}/value", {"text": text})

    def screenshot(self):
        with urllib.request.urlopen(f"{self._driver}{self._session}/screenshot") as answer:
            return base64.b64decode(json.load(answer)["value"])

    def close(self):
        request = urllib.request.Request(f"{self._driver}{self._session}", method="DELETE")
        urllib.request.urlopen(request).close()

    def _post(self, path, body):
        request = urllib.request.Request(f"{self._driver}{path}", json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=300) as answer:
            return json.load(answer)["value"]


@contextlib.contextmanager
def browser():
    """A `Browser` with a profile of its own."""
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile,
        subprocess.Popen(
            ["chromedriver", "--port=0"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process,
    ):
        try:
            line = next(line for line in process.stdout if "started successfully on port" in line)
            port = line.rstrip(".\n").split()[-1]
            session = Browser(f"http://localhost:{port}", profile)
            try:
                yield session
            finally:
                session.close()
        finally:
            process.terminate()
