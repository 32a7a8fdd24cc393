"""Many picture files through a server, several at once; what is done already is left."""

from concurrent import futures
from dataclasses import dataclass, field
from pathlib import Path

from serving import errors
from serving.progress import Progress
from zoo import images
from zoo.errors import UserError

# Every other file would meet them too.
_OF_THE_SERVER = (errors.NotFound, errors.Unavailable, errors.Cancelled)


@dataclass
class Outcome:
    """What became of the files.

    Attributes:
        written: paths of the results.
        there: paths of results that were there before.
        failed: reasons by path of the input.
    """

    written: list[Path] = field(default_factory=list)
    there: list[Path] = field(default_factory=list)
    failed: dict[Path, str] = field(default_factory=dict)


def transform_files(transform, pairs, in_flight, overwrite=False) -> Outcome:
    """Transform picture files; a bad one is told and does not stop the others.

    Args:
        transform: from a path to what `zoo.images.write` takes; called in threads.
        pairs: (path of the input, path of the result), all results different.
        in_flight: how many are worked on at once.
        overwrite: whether results that are there are made again.

    Raises:
        ZooError: the server is away or lacks the model, so that no other file would fare better.
    """
    outcome = Outcome()
    waiting = []
    for source, destination in pairs:
        if destination.exists() and not overwrite:
            outcome.there.append(destination)
        else:
            waiting.append((source, destination))

    def work(source, destination):
        if destination.exists() and destination.samefile(source):
            raise UserError("it would be overwritten: give another place for the results")
        images.write(transform(source), destination)

    progress = Progress(len(waiting), "pictures")
    pool = futures.ThreadPoolExecutor(in_flight)
    running = {pool.submit(work, *pair): pair for pair in waiting}
    try:
        for done in futures.as_completed(running):
            source, destination = running[done]
            try:
                done.result()
            except _OF_THE_SERVER:
                raise
            except UserError as error:
                named = str(error).startswith(str(source))
                outcome.failed[source] = str(error)
                progress.advance(f"skipped {error if named else f'{source}: {error}'}")
            else:
                outcome.written.append(destination)
                progress.advance()
    finally:
        # What still runs after a failure ends when the client is closed.
        pool.shutdown(wait=False, cancel_futures=True)
        progress.close()
    return outcome
