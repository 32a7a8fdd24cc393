"""Write the files that TensorFlow Serving takes, for the models of the catalogue.

    python -m serving.configure --output=models.config
    python -m serving.configure --output=serving/deploy/config/models.config --base_path=/models
    python -m serving.configure --label=starry-night:stable=1 --label=starry-night:canary=2

Besides models.config, each version's directory gets the batching parameters of its kind of model,
which --enable_per_model_batching_parameters reads. With --certificates, ssl.config appears beside
models.config: server.crt, server.key and ca.crt of a directory, for TLS with client certificates.
"""

import contextlib
import json
import os
import re
from pathlib import Path

from absl import flags

from serving import batching_parameters
from zoo import catalog, program
from zoo.errors import UserError


def models_config(models, base_path=None, labels=None):
    """A ModelServerConfig in text form.

    Without labels, a model is served in its newest version, and a newer one replaces it as soon as
    it appears. With labels, in exactly the versions that carry one.

    Args:
        models: `zoo.catalog.Model`s.
        base_path: directory that holds the models where the server runs; None: where they are here.
        labels: {model's name: {label: version}}.
    """
    entries = []
    for model in models:
        folder = f"{base_path}/{model.name}" if base_path else str(model.path.resolve().parent)
        fields = [
            f"name: {_quoted(model.name)}",
            f"base_path: {_quoted(folder)}",
            'model_platform: "tensorflow"',
            *_version_fields((labels or {}).get(model.name, {})),
        ]
        entries.append(f"  config {{ {' '.join(fields)} }}")
    return "\n".join(["model_config_list {", *entries, "}"]) + "\n"


def _version_fields(labels):
    if not labels:
        return
    versions = " ".join(f"versions: {version}" for version in sorted(set(labels.values())))
    yield f"model_version_policy {{ specific {{ {versions} }} }}"
    for label, version in labels.items():
        yield f"version_labels {{ key: {_quoted(label)} value: {version} }}"


def parse_labels(texts, models):
    """Labels of "NAME:LABEL=VERSION" texts, as {model's name: {label: version}}.

    Raises:
        UserError: a text that does not read so, or a version that is not there.
    """
    by_name = {model.name: model for model in models}
    labels = {}
    for text in texts:
        matched = re.fullmatch(r"([^:]+):([^=]+)=(\d+)", text)
        if not matched:
            raise UserError(f"--label={text}: should read NAME:LABEL=VERSION")
        name, label, version = matched.groups()
        if name not in by_name:
            raise UserError(f"--label={text}: no model {name!r}; there are {', '.join(by_name)}")
        directory = by_name[name].path.parent / version
        if not (directory / "saved_model.pb").is_file():
            raise UserError(f"--label={text}: {directory} holds no model")
        labels.setdefault(name, {})[label] = int(version)
    return labels


def write_batching_parameters(models):
    """Write each version's batching parameters, by its kind; of unknown kinds none."""
    for model in models:
        text = batching_parameters.BY_KIND.get(model.kind)
        for saved_model in model.path.parent.glob("*/saved_model.pb") if text else ():
            _write(saved_model.with_name(batching_parameters.FILE), text)


def ssl_config(certificates):
    """An SSLConfig in text form, which wants client certificates.

    Args:
        certificates: directory with server.key, server.crt and ca.crt, in PEM.

    Raises:
        UserError: one of them is missing.
    """
    fields = {"server_key": "server.key", "server_cert": "server.crt", "custom_ca": "ca.crt"}
    lines = []
    for field, file in fields.items():
        try:
            lines.append(f"{field}: {_quoted((Path(certificates) / file).read_text())}")
        except OSError as error:
            raise UserError(f"{error.filename}: {error.strerror}") from error
    return "\n".join([*lines, "client_verify: true"]) + "\n"


def _quoted(text):
    return json.dumps(text)  # protobuf's text form quotes as JSON does


def _write(path, text, mode=0o644):
    """Replace a file at once: servers read it while they run."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(partial, "w", opener=lambda *args: os.open(*args, mode=mode)) as file:
            file.write(text)
        partial.replace(path)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}") from error
    finally:
        with contextlib.suppress(FileNotFoundError):
            partial.unlink()


def define_flags():
    """The program's flags."""
    flags.DEFINE_string("output", "models.config", "File to write.")
    flags.DEFINE_string("saved_models", str(catalog.SAVED_MODELS), "Directory of the models.")
    flags.DEFINE_string(
        "base_path", None, "That directory where the server runs, such as /models in a container."
    )
    flags.DEFINE_multi_string(
        "label", [], "NAME:LABEL=VERSION: serve the model's labelled versions, and only these."
    )
    flags.DEFINE_string(
        "certificates",
        None,
        "Directory with server.crt, server.key and ca.crt: write ssl.config too.",
    )


def main(argv):
    """Run the program; see the module's docstring."""
    values = flags.FLAGS
    models = catalog.models(values.saved_models)
    if not models:
        raise UserError(f"no models in {values.saved_models}")
    config = models_config(models, values.base_path, parse_labels(values.label, models))
    ssl = ssl_config(values.certificates) if values.certificates else None
    output = Path(values.output)
    output.parent.mkdir(parents=True, exist_ok=True)
    write_batching_parameters(models)
    _write(output, config)
    print(f"{len(models)} models in {output}")
    if ssl:
        file = output.with_name("ssl.config")
        _write(file, ssl, mode=0o600)
        print(f"certificates and the private key in {file}")


def cli():
    """Console entry point."""
    define_flags()
    program.run(main, "serving.configure", only_flags=True)


if __name__ == "__main__":
    cli()
