"""The embedded server answers as TensorFlow Serving did when it was recorded; see recordings.py.

Where there is a real tensorflow_model_server (on the PATH, or named by TENSORFLOW_MODEL_SERVER), it
is asked the same.
"""

import pytest

from tests.conformance import models as tiny_models
from tests.conformance import recordings, servers
from tests.conformance.asking import Client, Place


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("conformance_models")
    tiny_models.write(folder)
    return folder


def prepared(configuration, models, work, pace):
    place = Place(models, work, pace)
    for name, text in configuration.get("files", {}).items():
        place.write(name, text)
    for action in configuration.get("before", []):
        place.act(action)
    return place


@pytest.fixture(scope="module")
def asked(request, models, tmp_path_factory):
    """(place, client) of a running server; the parameter is (kind of server, configuration)."""
    kind, name = request.param
    configuration = recordings.CONFIGURATIONS[name]
    work = tmp_path_factory.mktemp(name)
    place = prepared(configuration, models, work, servers.KINDS[kind].pace)
    server = servers.KINDS[kind](name, place.expand(configuration["flags"]))
    client = Client(server.grpc_address, server.rest_address)
    yield place, client
    client.close()
    server.stop()


# They wait for polls, or for what never comes; `-m "not waits"` leaves them out.
WAITING = ("hot", "polled_config", "reload_blocked")


def grouped(*, start):
    groups = {}
    for case in recordings.CASES:
        if (case["service"] == "start") == start:
            groups.setdefault((case["config"], recordings.group(case)), []).append(case)
    return [
        pytest.param(
            (kind, configuration),
            cases,
            id=f"{kind}-{name}",
            marks=[pytest.mark.waits] if configuration in WAITING else [],
        )
        for kind in servers.KINDS
        for (configuration, name), cases in groups.items()
    ]


def answers(cases, place, client):
    """Yields (case, answer), having done what comes before it."""
    for case in cases:
        for action in case.get("before", []):
            place.act(action, client)
        answer = client.answer(case, place.expand(case["request"]))
        yield case, place.shorten(answer)


def is_refusal(answer):
    """Whether the call is refused as one that is not served, in a sentence that says what is."""
    if "status" in answer:
        return answer["status"] == 501 and "Predict" in answer["body"]["error"]
    return answer["code"] == "UNIMPLEMENTED" and "Predict" in answer["message"]


@pytest.mark.parametrize(("asked", "cases"), grouped(start=False), indirect=["asked"])
def test_the_answers_are_those_of_the_real_server(request, asked, cases):
    kind, _ = request.node.callspec.params["asked"]
    wrong = {}
    for case, answer in answers(cases, *asked):
        if kind == "embedded" and recordings.is_over_examples(case):
            found = [] if is_refusal(answer) else [f"not refused: {answer}"]
        else:
            found = recordings.differences(case, answer)
        if found:
            wrong[case["name"]] = found[:3]
    assert wrong == {}


@pytest.mark.parametrize(("server", "cases"), grouped(start=True))
def test_what_cannot_start_ends_in_the_words_of_the_real_server(server, cases, models, tmp_path):
    kind, name = server
    place = prepared(recordings.CONFIGURATIONS[name], models, tmp_path, servers.KINDS[kind].pace)
    wrong = {}
    for case in cases:
        flags = place.expand(case["request"]["flags"])
        code, text = servers.KINDS[kind].failed_start(flags, tmp_path / "start.log")
        message = recordings.message_answer(servers.start_failure(text), case)
        answer = place.shorten({"exit_code": code, "message": message})
        found = recordings.differences(case, answer)
        if found:
            wrong[case["name"]] = found
    assert wrong == {}
