"""How the project's command-line programs start and fail."""

import sys

from absl import app, flags

from zoo.errors import UserError


def _parse_flags(argv):
    try:
        return flags.FLAGS(argv)
    except flags.Error as error:
        _fail(argv[0], error, code=2, hint="--help shows the flags.")


def _fail(program, message, code, hint=""):
    print(f"{program}: {message}", file=sys.stderr)
    if hint:
        print(hint, file=sys.stderr)
    sys.exit(code)


def _show_in_help(module):
    # absl's help is of the file that was started, which for a console script is pip's.
    sys.modules["__main__"].__doc__ = sys.modules[module].__doc__
    for flag in flags.FLAGS.get_key_flags_for_module(module):
        flags.FLAGS.register_key_flag_for_module(sys.argv[0], flag)


def run(main, name, only_flags=False):
    """Run `main(argv)` as an absl program.

    Args:
        main: callable that takes the positional arguments, program name first, and returns an
            exit code or None.
        name: what the program is called in its messages, for instance "zoo.apply".
        only_flags: whether positional arguments are refused, as wrong flags are.

    Exit codes: 0, or what `main` returns; 1 after a `UserError`, 2 for wrong flags
    (`app.UsageError` included), 130 after Ctrl-C. None of these shows a traceback.
    """

    def guarded(argv):
        try:
            if only_flags and len(argv) > 1:
                raise app.UsageError(f"unexpected argument {argv[1]!r}: all arguments are flags")
            return main(argv)
        except UserError as error:
            _fail(name, error, code=1)
        except app.UsageError as error:
            _fail(name, error, code=2, hint="--help shows the flags.")
        except KeyboardInterrupt:
            _fail(name, "interrupted", code=130)

    if main.__module__ != "__main__":
        _show_in_help(main.__module__)
    app.run(guarded, argv=[name, *sys.argv[1:]], flags_parser=_parse_flags)
