"""Times side by side on a machine that has other work too."""

import time

BLOCKS = 10
CALLS = 3  # in a block


def alternating_seconds(functions, argument, blocks=BLOCKS, calls=CALLS):
    """Seconds a call of each function, in blocks that take turns.

    Args:
        functions: {name: function of `argument`}.
        argument: for instance an image.
        blocks: of each function.
        calls: in a block.

    Returns:
        {name: a list of `blocks` floats}.
    """
    for function in functions.values():
        function(argument)  # compiles
    seconds = {name: [] for name in functions}
    for _ in range(blocks):
        for name, function in functions.items():
            start = time.perf_counter()
            for _ in range(calls):
                function(argument)
            seconds[name].append((time.perf_counter() - start) / calls)
    return seconds
