"""TLS with and without client certificates, and the health service behind its flag."""

import grpc
import pytest
import trustme
from grpc_health.v1 import health_pb2, health_pb2_grpc

from serving.protocol import server_files_pb2
from tests.serving.embedded.asking import SECONDS, answer, connect, failure, request


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


def ssl_flag(folder, authority, client_verify):
    certificate = authority.issue_cert("localhost")
    config = server_files_pb2.SSLConfig(
        server_key=certificate.private_key_pem.bytes().decode(),
        server_cert=certificate.cert_chain_pems[0].bytes().decode(),
        custom_ca=authority.cert_pem.bytes().decode(),
        client_verify=client_verify,
    )
    file = folder / "ssl.config"
    file.write_text(str(config))
    return f"--ssl_config_file={file}"


def plus(models):
    return ["--model_name=plus", f"--model_base_path={models / 'plus'}"]


def test_gRPC_by_TLS_answers_those_who_know_the_authority(  # noqa: N802
    models, serve, tmp_path, authority
):
    port = serve(*plus(models), ssl_flag(tmp_path, authority, client_verify=False))
    known = grpc.ssl_channel_credentials(authority.cert_pem.bytes())
    assert answer(connect(port, known).predict(request("plus"), timeout=SECONDS)) == [3.0]
    assert failure(connect(port).predict, request("plus"))[0] == "UNAVAILABLE"
    stranger = grpc.ssl_channel_credentials(trustme.CA().cert_pem.bytes())
    assert failure(connect(port, stranger).predict, request("plus"))[0] == "UNAVAILABLE"


def test_client_verification_wants_a_certificate_of_the_authority(
    models, serve, tmp_path, authority
):
    port = serve(*plus(models), ssl_flag(tmp_path, authority, client_verify=True))
    own = authority.issue_cert("client.example")
    verified = grpc.ssl_channel_credentials(
        authority.cert_pem.bytes(),
        own.private_key_pem.bytes(),
        own.cert_chain_pems[0].bytes(),
    )
    assert answer(connect(port, verified).predict(request("plus"), timeout=SECONDS)) == [3.0]
    nameless = grpc.ssl_channel_credentials(authority.cert_pem.bytes())
    assert failure(connect(port, nameless).predict, request("plus"))[0] == "UNAVAILABLE"


def test_the_health_service_can_be_watched(models, serve):
    port = serve(*plus(models), "--enable_grpc_healthcheck_service")
    stub = health_pb2_grpc.HealthStub(connect(port).channel)
    watched = stub.Watch(health_pb2.HealthCheckRequest(), timeout=SECONDS)
    assert next(watched).status == health_pb2.HealthCheckResponse.SERVING
    watched.cancel()
