"""Send pictures to a model server, and ask it about its models.

    zoo-client stylize --server=HOST:8500 --model=starry-night PHOTOS ... -o OUT
    zoo-client upscale --server=HOST:8500 --factor=4 SMALL ... -o OUT
    zoo-client status --server=HOST:8500 MODEL ...
    zoo-client models --server=HOST:8500 [MODEL ...]

Pictures are files, directories or globs; OUT is a directory, or a file's name for one picture.
Files whose result is there are left, so the same command goes on after it was stopped. A file that
cannot be read is named and skipped; the exit code is then 1. "-" is stdin, and -o - is stdout.

`status` ends with 1 unless each model has a version that answers. TensorFlow Serving does not list
its models: without names, `models` asks for those of the zoo on this machine.
"""

import sys

from absl import app, flags

from serving import many_files, near_names
from serving.client import InvalidRequest, NotFound, ZooClient, tls
from zoo import images, program
from zoo.destinations import destinations
from zoo.errors import UserError
from zoo.style_weights import parse_style

_STANDARD = "-"  # input or output


def define_flags():
    """The program's flags."""
    flags.DEFINE_list("server", ["localhost:8500"], "Addresses, which take turns.")
    flags.DEFINE_float("timeout", 60, "Seconds for a call, and 20 more a megapixel.", 0)
    flags.DEFINE_enum("compression", None, ["gzip", "deflate"], "Of what is sent.")
    flags.DEFINE_boolean("tls", False, "Speak TLS; the three flags below imply it.")
    flags.DEFINE_string("ca", None, "PEM file of the authorities to trust.")
    flags.DEFINE_string("certificate", None, "PEM file of this client's certificate.")
    flags.DEFINE_string("key", None, "PEM file of its private key.")

    flags.DEFINE_string("model", None, "The model; sr-x4 and so on if upscale is given none.")
    flags.DEFINE_integer("model_version", None, "Its version; the newest if not given.", 0)
    flags.DEFINE_string("label", None, "Label of the version, in place of its number.")
    flags.DEFINE_string("style", None, "Of a model of several: NAME, or NAME:WEIGHT,NAME:WEIGHT.")
    flags.DEFINE_float("strength", 1, "Of the style, from 0 (the photo) to 1.", 0, 1)
    flags.DEFINE_boolean("preserve_color", False, "Keep the photo's colours.")
    flags.DEFINE_integer("factor", 4, "How many times upscale enlarges.", 2)
    flags.DEFINE_string("tile", "auto", "Side of tiles in pixels; auto: as needed; off: none.")

    flags.DEFINE_string("output", None, "Directory, a picture's file, or -.", short_name="o")
    flags.DEFINE_integer("in_flight", 4, "Pictures on the way at once.", 1)
    flags.DEFINE_boolean("overwrite", False, "Make results that are there again.")


def _client():
    values = flags.FLAGS
    secure = values.tls or values.ca or values.certificate or values.key
    return ZooClient(
        values.server,
        timeout=values.timeout,
        credentials=tls(values.ca, values.certificate, values.key) if secure else None,
        compression=values.compression,
    )


def _tile(text):
    if text in ("auto", "off"):
        return text
    if text.isdecimal() and int(text):
        return int(text)
    raise app.UsageError(f"--tile={text}: give auto, off or a number of pixels", exitcode=2)


def _stylize(zoo):
    if not flags.FLAGS.model:
        raise app.UsageError("stylize needs --model", exitcode=2)
    options = {
        "style": flags.FLAGS.style and parse_style(flags.FLAGS.style),
        "strength": flags.FLAGS.strength,
        "preserve_color": flags.FLAGS.preserve_color,
        **_choice(),
    }
    return lambda picture: zoo.stylize(picture, flags.FLAGS.model, **options)


def _upscale(zoo):
    options = _choice()
    return lambda picture: zoo.upscale(picture, flags.FLAGS.factor, flags.FLAGS.model, **options)


def _choice():
    return {
        "version": flags.FLAGS.model_version,
        "label": flags.FLAGS.label,
        "tile": _tile(flags.FLAGS.tile),
    }


def _transform(transform, inputs):
    """Send pictures; returns the exit code."""
    output = flags.FLAGS.output
    if not inputs or not output:
        raise app.UsageError("give pictures, and -o for where the results go", exitcode=2)
    if _STANDARD in (*inputs, output):
        return _transform_one(transform, inputs, output)
    sources = images.find(inputs)
    pairs = list(zip(sources, destinations(sources, output), strict=True))
    outcome = many_files.transform_files(
        transform, pairs, flags.FLAGS.in_flight, flags.FLAGS.overwrite
    )
    there = f", {len(outcome.there)} were there" if outcome.there else ""
    print(f"{len(outcome.written)} of {len(pairs)} pictures written to {output}{there}")
    return 1 if outcome.failed else 0


def _transform_one(transform, inputs, output):
    if len(inputs) > 1:
        raise app.UsageError(f"{_STANDARD} goes with one picture only", exitcode=2)
    [source] = inputs
    result = transform(sys.stdin.buffer.read() if source == _STANDARD else source)
    if output == _STANDARD:
        sys.stdout.buffer.write(images.encode(result))
        sys.stdout.buffer.flush()
    else:
        images.write(result, output)
    return 0


def _status(zoo, names):
    """Print how versions fare; returns the exit code."""
    if not names:
        raise app.UsageError("give names of models", exitcode=2)
    ready = True
    for name in names:
        try:
            versions = zoo.status(name)
        except NotFound as error:
            versions = []
            print(f"{name}: not served. {str(error).splitlines()[-1]}")
        for version in versions:
            print(f"{name}: {version}")
        ready &= any(version.state == "AVAILABLE" for version in versions)
    return 0 if ready else 1


def _models(zoo, names):
    """Print what models are; returns the exit code."""
    found = 0
    for name in names or near_names.catalogue():
        try:
            metadata = zoo.metadata(name)
        except NotFound:
            if names:
                print(f"{name}: not served")
            continue
        found += 1
        print(f"{name}: version {metadata.version}, {_described(zoo, name, metadata)}")
    if not found and not names:
        raise UserError("none of the zoo's models on this machine is served: give names")
    return 0 if found and found >= len(names) else 1


def _described(zoo, name, metadata):
    try:
        about = zoo.about(name)
    except InvalidRequest:  # of another origin, or older
        return f"signatures {', '.join(metadata.signatures)}"
    if about.kind == "superres":
        return f"enlarges {about.factor} times"
    return f"styles {', '.join(about.styles)}" if about.styles else "one style"


def main(argv):
    """Run the program; see the module's docstring."""
    command, *arguments = argv[1:] or [""]
    transforms = {"stylize": _stylize, "upscale": _upscale}
    questions = {"status": _status, "models": _models}
    if command not in {**transforms, **questions}:
        known = ", ".join([*transforms, *questions])
        raise app.UsageError(f"command {command!r} is none of {known}", exitcode=2)
    with _client() as zoo:
        if command in questions:
            return questions[command](zoo, arguments)
        return _transform(transforms[command](zoo), arguments)


def cli():
    """Console entry point."""
    define_flags()
    program.run(main, "zoo-client")


if __name__ == "__main__":
    cli()
