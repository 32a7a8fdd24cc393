"""Names of models that somebody may have meant.

TensorFlow Serving has no call that lists its models: it can only be asked about names.
"""

import difflib

_MOST = 8  # names that are worth asking about
_ALIKE = 0.5  # of difflib's ratio


def candidates(name, known) -> list[str]:
    """Names to ask the server about, the most alike first.

    Args:
        name: what was asked for.
        known: names that the server has had, or may have.

    Returns:
        Some of `known`, and `name` in other spellings; without `name` itself.
    """
    spellings = {name.lower(), name.strip(), name.lower().strip().replace("_", "-")}
    spellings |= {spelling.replace(" ", "-") for spelling in spellings}
    possible = (spellings | set(known)) - {name, ""}
    return difflib.get_close_matches(name, sorted(possible), n=_MOST, cutoff=_ALIKE)


def catalogue() -> list[str]:
    """Names of the zoo's models on this machine, which its servers often have too."""
    from zoo import catalog  # only for an error's sake
    from zoo.errors import UserError

    try:
        return [model.name for model in catalog.models()]
    except (OSError, UserError):
        return []
