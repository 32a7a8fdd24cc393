"""Measure models on pictures that they were not trained on.

    python -m trainers.evaluate style --model=NAME --style_image=PAINTING --content=DIR --output=OUT
    python -m trainers.evaluate superres --set=DIR --models=runs/NAME,sr-x4

Each kind of model is a command, with flags of its own: trainers.evaluate COMMAND --help.
"""

import sys

from trainers import evaluate_style, evaluate_superres
from zoo import program

COMMANDS = {"style": evaluate_style, "superres": evaluate_superres}


def cli():
    """Console entry point."""
    name = sys.argv[1] if len(sys.argv) > 1 else None
    if name not in COMMANDS:
        print(
            f"trainers.evaluate: {'no command' if name is None else f'unknown command {name!r}'}: "
            f"give one of {', '.join(COMMANDS)}, then its flags",
            file=sys.stderr,
        )
        sys.exit(2)
    del sys.argv[1]
    COMMANDS[name].define_flags()
    program.run(COMMANDS[name].main, f"trainers.evaluate {name}", only_flags=True)


if __name__ == "__main__":
    cli()
