"""JSON text as tensorflow_model_server has it: by RapidJSON, NaN and Infinity included."""

import math
import re

import rapidjson

from serving.embedded import status

_PARSE_ERROR = re.compile(r"Parse error at offset (\d+): (.*)", re.DOTALL)


def parse(body):
    """The JSON object in `body` (bytes).

    Raises:
        StatusError: INVALID_ARGUMENT, with RapidJSON's words and offset.
    """
    if not body:
        raise status.invalid_argument("JSON Parse error: The document is empty")
    try:
        document = rapidjson.loads(body, number_mode=rapidjson.NM_NAN | rapidjson.NM_NATIVE)
    except rapidjson.JSONDecodeError as error:
        found = _PARSE_ERROR.match(str(error))
        text = f"{found[2]} at offset: {found[1]}" if found else str(error)
        raise status.invalid_argument(f"JSON Parse error: {text}") from error
    except (ValueError, RecursionError) as error:
        raise status.invalid_argument(f"JSON Parse error: {error}") from error
    if not isinstance(document, dict):
        raise status.invalid_argument(f"JSON Value: {shown(document)} Is not object")
    return document


def text(value):
    """JSON text, laid out as the real server does."""
    return rapidjson.dumps(
        value, indent=4, write_mode=rapidjson.WM_SINGLE_LINE_ARRAY, ensure_ascii=False
    )


def shown(value):
    """A value in an error message: numbers with six digits where that is exact."""
    if not isinstance(value, float) or not math.isfinite(value):
        return text(value)
    short = f"{value:.6g}"
    digits = short if float(short) == value else f"{value:.17g}"
    return digits if "." in digits or "e" in digits else f"{digits}.0"
