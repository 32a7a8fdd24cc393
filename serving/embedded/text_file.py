"""Configuration files in protobuf's text form, as tensorflow_model_server reads them."""

from google.protobuf import text_format

from serving.embedded import status


def read(path, message):
    """Fill `message` from the file and return it.

    Raises:
        StatusError: NOT_FOUND without such a file; INVALID_ARGUMENT for one that does not parse
            (the exception's cause tells the line).
    """
    try:
        with open(path, "rb") as file:
            text = file.read()
    except OSError as error:
        raise status.not_found(f"{path}; {error.strerror}") from error
    return parse(text, message, path)


def parse(text, message, path):
    """As `read`, of text (str or UTF-8 bytes); `path` is for the message only."""
    try:
        return text_format.Parse(text, message)
    except (text_format.ParseError, UnicodeDecodeError) as error:
        raise status.invalid_argument(f"Invalid protobuf file: '{path}'") from error
