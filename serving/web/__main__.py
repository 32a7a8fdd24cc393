"""Build a page that paints photos in the browser, with TFLite files of the zoo.

    python -m serving.web --models=FILE.tflite,FILE.tflite --output=SITE
    python -m http.server --directory=SITE 8000

SITE is static: any web server serves it (https, or localhost, for its service worker). LiteRT.js
comes from the npm registry. Once loaded, the page works offline.
"""

import json
import os
import secrets
import shutil
import subprocess
import tempfile
from pathlib import Path

from absl import flags

from zoo import program
from zoo.errors import UserError
from zoo.tflite import metadata

SOURCE = Path(__file__).parent
PAGE = ("index.html", "page.js", "offline.js")


def build(models, output):
    """Write the page.

    Args:
        models: paths of TFLite files for one size; the page fits photos into it.
        output: directory; must not exist.

    Raises:
        UserError: a file is not for the page, `output` exists, npm is missing or fails.
    """
    output = Path(output)
    if output.exists():
        raise UserError(f"{output} exists: give another --output")
    listed = [_entry(Path(model)) for model in models]
    output.parent.mkdir(parents=True, exist_ok=True)
    partial = output.with_name(f".{output.name}.{secrets.token_hex(4)}.partial")
    try:
        (partial / "models").mkdir(parents=True)
        for name in PAGE:
            shutil.copy(SOURCE / name, partial)
        for model in models:
            shutil.copy(model, partial / "models")
        (partial / "models" / "models.json").write_text(json.dumps(listed, indent=2) + "\n")
        _add_runtime(partial / "litert")
        os.rename(partial, output)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _entry(path):
    about = metadata.read(path)
    if about.get("kind") != "style" or not about.get("height"):
        raise UserError(f"{path}: the page takes styles' files of one size (--sizes=512)")
    return {"file": path.name, "name": about["name"], "styles": about["styles"]}


def _add_runtime(directory):
    """Fetch LiteRT.js and lay out what the page imports of it."""
    with tempfile.TemporaryDirectory() as work:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(SOURCE / name, work)
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        try:
            subprocess.run(command, cwd=work, check=True, capture_output=True, text=True)
        except FileNotFoundError as error:
            raise UserError("npm is not installed; it fetches LiteRT.js") from error
        except subprocess.CalledProcessError as error:
            raise UserError(f"npm could not fetch LiteRT.js:\n{error.stderr.strip()}") from error
        packages = Path(work) / "node_modules" / "@litertjs"
        for source, name in (
            (packages / "core" / "dist", "core"),
            (packages / "core" / "wasm", "wasm"),
            (packages / "wasm-utils" / "dist", "wasm-utils"),
        ):
            ignored = shutil.ignore_patterns("*.map", "*.d.ts", "metafile*", "bundle*")
            shutil.copytree(source, directory / name, ignore=ignored)


def define_flags():
    """The program's flags."""
    flags.DEFINE_list("models", None, "TFLite files of styles, for one size.", required=True)
    flags.DEFINE_string("output", None, "Directory to write; must not exist.", required=True)


def main(argv):
    """Run the program; see the module's docstring."""
    build(flags.FLAGS.models, flags.FLAGS.output)
    print(
        f"wrote {flags.FLAGS.output}; see it: python -m http.server "
        f"--directory={flags.FLAGS.output} 8000"
    )


def cli():
    """Console entry point."""
    define_flags()
    program.run(main, "serving.web", only_flags=True)


if __name__ == "__main__":
    cli()
