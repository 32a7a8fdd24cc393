"""Load on a model server: calls a second, latencies, what the way through the server costs, memory.

    python -m benchmarks.serving                        # the embedded server, started for this
    python -m benchmarks.serving --server=HOST:PORT     # any server of the same model

Markdown tables, in some ten minutes with the flags' defaults. The overhead is measured against the
SavedModel in this process, call by call in turns, so that other work on the machine slows both
alike. Memory, and what batching changes, is told of the embedded server only. Photo: scikit-image's
coffee (CC0).
"""

import contextlib
import functools
import io
import itertools
import random
import statistics
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import psutil
from absl import flags
from PIL import Image

from benchmarks.callers import PERCENTILES, calls_for, calls_of
from benchmarks.optimization import machine
from serving.client import InvalidRequest, ZooClient
from serving.local_server import running_server
from trainers.timing import alternating_seconds
from zoo import catalog, program
from zoo.quiet import import_tensorflow
from zoo.sample_photo import sample_photo

BATCHING = """\
max_batch_size { value: 4 } batch_timeout_micros { value: 2000 }
num_batch_threads { value: 2 } max_enqueued_batches { value: 100 }
"""
ENOUGH_THREADS = "--grpc_max_threads=128"
CALL_SECONDS = 300  # a call's timeout: at 64 callers each waits for 63 others

# The bar of the overhead: the larger of the two.
MOST_OVERHEAD_MS = 8
MOST_OVERHEAD_SHARE = 0.1

# The bar of memory, and what is sent.
MOST_GROWTH = 0.1
MIXED_SIDES = (48, 160)  # pixels
MIXED_CALLERS = 4
MIXED_SEED = 0


# --- What is sent ---


def photo(width, height):
    """The sample photo of that size, uint8 [H, W, 3]."""
    pixels = np.uint8(255 * sample_photo("coffee"))
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.LANCZOS))


def jpeg(pixels):
    """The pixels as a JPEG file of quality 90, bytes."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=90)
    return file.getvalue()


def payloads(pixels):
    """The same picture in both forms: {what it is called: (signature, inputs)}."""
    return {
        "bytes": ("encoded", {"image_bytes": [jpeg(pixels)]}),
        "tensors": ("serving_default", {"image": np.float32(pixels[None]) / 255}),
    }


# --- Overhead ---


def overheads(zoo, model, pixels, calls):
    """Seconds of calls in this process and through the server, in turns.

    Args:
        zoo: a `ZooClient`.
        model: the `zoo.catalog.Model` that it serves too.
        pixels: uint8 [H, W, 3].
        calls: of each kind.

    Returns:
        {payload: {"in process": seconds, "served": seconds}}, lists of floats.
    """
    tf = import_tensorflow()
    # The object owns the variables: a signature alone would lose them.
    loaded = tf.saved_model.load(str(model.path))
    results = {}
    for name, (signature, inputs) in payloads(pixels).items():

        def in_process(inputs, signature=signature):
            tensors = {alias: tf.constant(value) for alias, value in inputs.items()}
            outputs = loaded.signatures[signature](**tensors)
            return {alias: tensor.numpy() for alias, tensor in outputs.items()}

        functions = {
            "in process": in_process,
            "served": functools.partial(zoo.predict, model.name, signature=signature),
        }
        results[name] = alternating_seconds(functions, inputs, blocks=calls, calls=1)
    return results


def overhead_rows(results):
    """Lines of a Markdown table of `overheads`."""
    rows = [
        "| sent as | in process, median ms | served, median ms | overhead, median of the "
        "differences | least in process | least served | overhead, of the least | bar |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, seconds in results.items():
        alone, served = (1e3 * np.array(seconds[key]) for key in ("in process", "served"))
        differences = statistics.median(served - alone)
        bar = max(MOST_OVERHEAD_MS, MOST_OVERHEAD_SHARE * np.median(alone))
        figures = (
            *(np.median(alone), np.median(served), differences),
            *(alone.min(), served.min(), served.min() - alone.min(), bar),
        )
        rows.append(f"| {name} | " + " | ".join(f"{figure:.1f}" for figure in figures) + " |")
    return rows


# --- Load ---


def servings(directory):
    """How the embedded server is started: {what it is called: flags}; writes a batching file.

    The last one refuses calls beyond four for each core, as TensorFlow Serving does too by default:
    the client has to send them again.
    """
    batching = directory / "batching.config"
    batching.write_text(BATCHING)
    return {
        "no": [ENOUGH_THREADS],
        "yes": [ENOUGH_THREADS, "--enable_batching", f"--batching_parameters_file={batching}"],
        "no, default threads": [],
    }


LOAD_HEADER = [
    "| batching | sent as | callers | calls | a second | "
    + " | ".join(f"p{percentile} ms" for percentile in PERCENTILES)
    + " | failed |",
    "| --- | --- | --- | --- | --- |" + " --- |" * len(PERCENTILES) + " --- |",
]


def load_row(batching, sent_as, callers, outcome):
    """A line of the table of load."""
    figures = [f"{outcome.milliseconds(percentile):.0f}" for percentile in PERCENTILES]
    kinds = Counter(type(failure).__name__ for failure in outcome.failures)
    failed = ", ".join(f"{count} {kind}" for kind, count in kinds.items()) or "0"
    cells = [batching, sent_as, callers, len(outcome.seconds), f"{outcome.per_second:.1f}"]
    return "| " + " | ".join(map(str, [*cells, *figures, failed])) + " |"


def load_rows(zoo, name, pixels, concurrencies, seconds, batching):
    """Yields a line for each payload and number of callers, as soon as it is measured."""
    for sent_as, (signature, inputs) in payloads(pixels).items():
        call = functools.partial(zoo.predict, name, inputs, signature)
        call()
        for callers in concurrencies:
            outcome = calls_for(seconds, call, callers)
            yield load_row(batching, sent_as, callers, outcome)


# --- Memory ---


def mixed_requests(zoo, name, count, seed=MIXED_SEED):
    """Yields `count` functions: images of many sizes in both forms, questions, and bad requests."""
    rng = random.Random(seed)
    for _ in range(count):
        pixels = photo(rng.randint(*MIXED_SIDES), rng.randint(*MIXED_SIDES))
        match rng.randrange(10):
            case 0:
                yield functools.partial(zoo.status, name)
            case 1:
                yield functools.partial(_refused, zoo, name, jpeg(pixels)[:200])
            case _:
                signature, inputs = rng.choice(list(payloads(pixels).values()))
                yield functools.partial(zoo.predict, name, inputs, signature)


def _refused(zoo, name, file):
    with contextlib.suppress(InvalidRequest):
        zoo.predict(name, {"image_bytes": [file]}, "encoded")


def memory_rows(zoo, pid, name, count, parts=4):
    """Yields lines of a Markdown table: the server's memory after each part of mixed requests.

    Growth counts from the end of a part that comes before, in which the server reserves what it
    needs for such sizes.

    Args:
        zoo: a `ZooClient`.
        pid: of the server's process.
        name: the model's.
        count: requests after the first part.
        parts: lines after the first one.
    """
    yield "| mixed requests | resident MB | growth | failed |"
    yield "| --- | --- | --- | --- |"
    size, server = count // parts, psutil.Process(pid)
    requests = mixed_requests(zoo, name, size * (parts + 1))
    first = None
    for part in range(parts + 1):
        outcome = calls_of(itertools.islice(requests, size), MIXED_CALLERS)
        resident = server.memory_info().rss
        first = first or resident
        growth = f"{resident / first - 1:+.1%}"
        yield f"| {part * size} | {resident / 1e6:.0f} | {growth} | {len(outcome.failures)} |"


# --- The program ---


def define_flags():
    """The program's flags."""
    flags.DEFINE_string("server", None, "HOST:PORT of a running server of the model.")
    flags.DEFINE_string("model", "starry-night", "Name of the model.")
    flags.DEFINE_string("saved_models", str(catalog.SAVED_MODELS), "Directory of the models.")
    flags.DEFINE_integer("size", 512, "Side of the photo in pixels.", lower_bound=1)
    flags.DEFINE_list("concurrency", ["1", "4", "16", "64"], "Callers at once.")
    flags.DEFINE_float("seconds", 15, "Of each row of load; calls that run then end.", 0)
    flags.DEFINE_integer("overhead_calls", 40, "Of each kind, in turns.", lower_bound=1)
    flags.DEFINE_integer("mixed_requests", 2000, "Over which memory is watched; 0 for none.", 0)
    flags.register_validator(
        "concurrency",
        lambda texts: bool(texts) and all(text.isdigit() and int(text) for text in texts),
        "give positive integers",
    )


def main(argv):
    """Run the program; see the module's docstring."""
    values = flags.FLAGS
    model = catalog.find(values.model, values.saved_models)
    pixels = photo(values.size, values.size)
    print(f"{model.name} {model.version}, {values.size}x{values.size} pixels; {machine()}")

    def tell(title, rows):
        print(f"\n{title}\n")
        for row in rows:
            print(row, flush=True)

    def overhead(zoo):
        results = overheads(zoo, model, pixels, values.overhead_calls)
        tell("Overhead of a call", overhead_rows(results))

    def load(zoo, batching, concurrencies):
        rows = load_rows(zoo, model.name, pixels, concurrencies, values.seconds, batching)
        tell(f"Load; batching: {batching}", itertools.chain(LOAD_HEADER, rows))

    concurrencies = [int(text) for text in values.concurrency]
    if values.server:
        with ZooClient(values.server, timeout=CALL_SECONDS) as zoo:
            zoo.wait_ready(model.name)
            overhead(zoo)
            load(zoo, "as the server has it", concurrencies)
        return
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        for batching, options in servings(directory).items():
            with (
                running_server([model], directory, options) as server,
                ZooClient(server.address, timeout=CALL_SECONDS) as zoo,
            ):
                if batching == "no":
                    overhead(zoo)
                    if values.mixed_requests:
                        rows = memory_rows(zoo, server.pid, model.name, values.mixed_requests)
                        tell("Memory of the server", rows)
                load(zoo, batching, concurrencies if options else concurrencies[-1:])


if __name__ == "__main__":
    define_flags()
    program.run(main, "benchmarks.serving", only_flags=True)
