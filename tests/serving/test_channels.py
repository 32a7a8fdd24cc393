"""Addresses, TLS and compression of either client."""

import contextlib
import socket
import threading
from collections import Counter

import grpc
import numpy as np
import pytest
import trustme

from serving import client
from serving.client import VersionStatus, tls
from tests.serving.fake_server import FakeServer, start
from zoo.errors import UserError

INPUT = {"image": np.zeros((1, 64, 64, 3), np.float32)}
IMPATIENT = client.Retries(away_seconds=0)


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def secure(fake, authority):
    """Start the fake behind TLS; returns its address."""
    running = []

    def serve(verify_client=False):
        own = authority.issue_cert("127.0.0.1")
        pair = (own.private_key_pem.bytes(), own.cert_chain_pems[0].bytes())
        trusted = authority.cert_pem.bytes() if verify_client else None
        server, port = start(
            fake, credentials=grpc.ssl_server_credentials([pair], trusted, verify_client)
        )
        running.append(server)
        return f"127.0.0.1:{port}"

    yield serve
    for server in running:
        server.stop(0).wait()


@pytest.fixture
def files(tmp_path, authority):
    """PEM files: ca, certificate, key."""
    own = authority.issue_cert("client.example")
    contents = {
        "ca": authority.cert_pem,
        "certificate": own.cert_chain_pems[0],
        "key": own.private_key_pem,
    }
    for name, content in contents.items():
        content.write_to_path(tmp_path / f"{name}.pem")
    return {name: tmp_path / f"{name}.pem" for name in contents}


def assert_unavailable(zoo):
    with pytest.raises(client.Unavailable, match="wants TLS"):
        zoo.status("inverter")


def test_tls_is_spoken_with_those_whose_authority_is_trusted(connect, secure, files):
    address = secure()
    with connect(address, credentials=tls(ca=files["ca"])) as zoo:
        assert zoo.status("inverter") == [VersionStatus(1, "AVAILABLE")]
    for credentials in (tls(), None):
        with (
            connect(address, credentials=credentials, retries=IMPATIENT) as zoo,
            pytest.raises(client.Unavailable, match="wants TLS"),
        ):
            zoo.status("inverter")


def test_mutual_tls_shows_the_clients_own_certificate(connect, secure, files):
    address = secure(verify_client=True)
    with connect(address, credentials=tls(**files)) as zoo:
        assert zoo.status("inverter") == [VersionStatus(1, "AVAILABLE")]
    with (
        connect(address, credentials=tls(ca=files["ca"]), retries=IMPATIENT) as zoo,
        pytest.raises(client.Unavailable),
    ):
        zoo.status("inverter")


def test_files_of_tls_that_cannot_be_read_are_named(files, tmp_path):
    with pytest.raises(UserError, match=r"the ca .*missing\.pem cannot be read: No such file"):
        tls(ca=tmp_path / "missing.pem")
    with pytest.raises(UserError, match="a certificate without its key"):
        tls(certificate=files["certificate"])


@pytest.fixture
def several():
    """Three running fakes by address."""
    servers, fakes = [], {}
    for _ in range(3):
        fake = FakeServer()
        server, port = start(fake)
        servers.append(server)
        fakes[f"127.0.0.1:{port}"] = fake
    yield fakes
    for server in servers:
        server.stop(0).wait()


def test_several_addresses_take_turns(connect, several):
    with connect(list(several), timeout=20) as zoo:
        for _ in range(9):
            zoo.status("inverter")
    assert [len(fake.others) for fake in several.values()] == [3, 3, 3]


def test_the_other_addresses_answer_for_one_that_is_away(connect, several):
    with socket.create_server(("127.0.0.1", 0)) as free:
        nobody = f"127.0.0.1:{free.getsockname()[1]}"
    with connect([nobody, *several], timeout=20) as zoo:
        for _ in range(8):
            assert zoo.predict("inverter", INPUT)["image"].min() == 1
    assert sum(len(fake.predicts) for fake in several.values()) == 8


def test_every_address_is_waited_for_and_reloaded(connect, several):
    with connect(list(several), timeout=20) as zoo:
        zoo.wait_ready("inverter")
        zoo.reload("model_config_list {}")
    for fake in several.values():
        kinds = Counter(type(request).__name__ for request in fake.others)
        assert kinds == {"GetModelStatusRequest": 1, "ReloadConfigRequest": 1}


def test_no_address_is_refused(connect):
    with pytest.raises(UserError, match="no address"):
        connect([])


class CountingProxy:
    """Passes one connection on to a server, and counts the bytes that go there."""

    def __init__(self, target):
        self.count = 0
        self._target = target
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        near, _ = self._listening.accept()
        host, _, port = self._target.partition(":")
        far = socket.create_connection((host, int(port)))
        threading.Thread(target=self._pass, args=(far, near, 0), daemon=True).start()
        self._pass(near, far, 1)

    def _pass(self, source, destination, counted):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self.count += counted * len(data)
                destination.sendall(data)
        for each in (source, destination):
            each.close()


@pytest.mark.parametrize(
    ("compression", "least", "most"),
    [(None, 240_000, 260_000), ("gzip", 300, 20_000), ("deflate", 300, 20_000)],
)
def test_what_is_sent_is_compressed_when_asked(connect, target, compression, least, most):
    proxy = CountingProxy(target)
    with connect(proxy.address, timeout=20, compression=compression) as zoo:
        image = {"image": np.zeros((1, 144, 144, 3), np.float32)}  # 249 kB
        np.testing.assert_array_equal(zoo.predict("inverter", image)["image"], 1)
    assert least < proxy.count < most


def test_an_unknown_compression_is_refused(connect, target):
    with pytest.raises(UserError, match="'zip' is none of None, 'gzip', 'deflate'"):
        connect(target, compression="zip")
