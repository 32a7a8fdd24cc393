"""What the real server was asked (cases.json) and what it answered (answers.json).

Recorded from tensorflow_model_server, built from the tensorflow/serving sources of 2025-12-17
against TensorFlow 2.21.0 (Linux x86-64, CPU, oneDNN on). Everything was asked twice, and both runs
agreed on every case. Add a case only with an answer that somebody observed on the real server.

`configurations` maps a name to the server's flags, the files to write and the actions to do before
it starts; a case is name, config, service, method, request, and possibly `before` actions.
`{models}` and `{work}` stand for the models' folder and for a scratch folder.
"""

import json
import pathlib
import re

# Two operations of the graph fail, and TensorFlow reports the one that was first.
VARYING_WORDS = ("encoded_scalar_string",)

_FOLDER = pathlib.Path(__file__).parent
_RECORDED = json.loads((_FOLDER / "cases.json").read_text())

CONFIGURATIONS = _RECORDED["configurations"]
CASES = _RECORDED["cases"]
ANSWERS = json.loads((_FOLDER / "answers.json").read_text())

# Calls over tf.train.Example, which no model of images has a signature for.
EXAMPLE_METHODS = ("Classify", "Regress", "MultiInference")
_EXAMPLE_PATH = re.compile(r":(classify|regress)$")

# What follows here in a message depends on the build or on the run.
_VARIABLE_TEXT = re.compile(r"\s*\[\[\{\{|goo\.gle/debug")


def is_over_examples(case):
    return case["method"] in EXAMPLE_METHODS or bool(
        case["service"] == "rest" and _EXAMPLE_PATH.search(case["request"]["path"])
    )


def group(case):
    """Cases that are asked together: a whole configuration, for `default` each kind of call.

    Those of other configurations are sequences: later ones need the effects of earlier ones.
    """
    if case["config"] != "default":
        return case["config"]
    is_named = case["service"] in ("prediction", "model")
    return f"default-{case['method'] if is_named else case['service']}"


def message_answer(text, case):
    """A message, cut where it stops being the same for every build."""
    cuts = [found.start() for found in [_VARIABLE_TEXT.search(text)] if found]
    until = case.get("message_until")
    if until is not None and until in text:
        cuts.append(text.index(until) + len(until))
    return text[: min(cuts)] if cuts else text


def differences(case, answer):
    """["PATH: expected ..., answered ..."] for each place that is not as it was recorded."""
    expected = ANSWERS[case["name"]]
    if case["name"] in VARYING_WORDS:
        expected = expected | {"message": answer.get("message")}
    is_prefix = expected.get("message_match") == "prefix"
    return list(_differences(expected, answer, case.get("tolerance", 0), is_prefix, ""))


def _differences(expected, given, tolerance, is_prefix, path):
    if isinstance(expected, dict) and isinstance(given, dict):
        for key in sorted((expected.keys() | given.keys()) - {"message_match", "message_from"}):
            here = f"{path}.{key}" if path else key
            if key not in expected or key not in given:
                yield _difference(here, expected.get(key, "(none)"), given.get(key, "(none)"))
            else:
                yield from _differences(expected[key], given[key], tolerance, is_prefix, here)
    elif isinstance(expected, list) and isinstance(given, list) and len(expected) == len(given):
        for i, (one, other) in enumerate(zip(expected, given, strict=True)):
            yield from _differences(one, other, tolerance, is_prefix, f"{path}[{i}]")
    elif _is_number(expected) and _is_number(given):
        whole = isinstance(expected, int) and isinstance(given, int)
        allowed = tolerance if whole else max(tolerance, 1e-6 * abs(expected), 1e-12)
        if abs(expected - given) > allowed:
            yield _difference(path, expected, given)
    elif is_prefix and path in ("message", "body.error"):
        if not str(given).startswith(expected):
            yield _difference(path, expected, given)
    elif expected != given or type(expected) is not type(given):
        yield _difference(path, expected, given)


def _difference(path, expected, given):
    return f"{path}: expected {expected!r}, answered {given!r}"


def _is_number(value):
    return isinstance(value, int | float) and not isinstance(value, bool)
