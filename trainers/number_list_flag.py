"""A flag of numbers separated by commas."""

from absl import flags

flags.disclaim_key_flags()  # they are the calling program's, whose --help shows them


class _NumbersParser(flags.ListParser):
    def __init__(self, kind):
        super().__init__()
        self.kind = kind

    def parse(self, argument):
        return [self.kind(each) for each in super().parse(argument)]


def define(name, default, kind, text, lower_bound, one_for_each):
    """Define a flag of one number, or of one for each value of another flag.

    Args:
        name: of the flag.
        default: a list, or None.
        kind: int or float.
        text: the help.
        lower_bound: of each number.
        one_for_each: name of the other flag, a list.
    """
    flags.DEFINE(_NumbersParser(kind), name, default, text, serializer=flags.CsvListSerializer(","))
    flags.register_multi_flags_validator(
        [name, one_for_each],
        lambda values: (
            values[name] is None
            or (
                len(values[name]) in (1, len(values[one_for_each] or ()))
                and min(values[name]) >= lower_bound
            )
        ),
        f"--{name}: give one number of at least {lower_bound}, or one for each --{one_for_each}",
    )
