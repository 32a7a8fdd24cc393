import threading
from concurrent import futures
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from serving.embedded import batching
from serving.embedded.batch_scheduler import Scheduler
from serving.embedded.status import StatusError

SECONDS = 20


class Model:
    """y = 2 x, row by row; keeps the inputs of each run."""

    def __init__(self):
        info = SimpleNamespace(name="serving_default_x:0")
        self.signature_defs = {"serving_default": SimpleNamespace(inputs={"x": info})}
        self.runs = []

    def can_run(self, name):
        return True

    def run(self, name, inputs, outputs):
        x = inputs["x"]
        self.runs.append(x.numpy())
        if x.dtype == tf.float64 or (x.dtype == tf.float32 and bool(tf.reduce_any(x < 0))):
            raise StatusError(_code("INVALID_ARGUMENT"), "the model cannot do that")
        return {"y": x + x}


def _code(name):
    import grpc

    return grpc.StatusCode[name]


@pytest.fixture
def batched():
    """`batched(**parameters)` returns (model, the same with batching)."""
    schedulers = []

    def make(threads=1, **parameters):
        scheduler = Scheduler(threads)
        schedulers.append(scheduler)
        model = Model()
        chosen = batching.Parameters(batch_timeout_micros=300_000, **parameters)
        return model, batching.BatchedModel(model, chosen, scheduler)

    yield make
    for scheduler in schedulers:
        scheduler.stop()


def run(model, x):
    tensor = tf.constant(x, x.dtype)
    return model.run("serving_default", {"x": tensor}, ["y"])["y"].numpy().tolist()


def run_together(model, *calls):
    """What each call returns, or the error that it raises."""
    with futures.ThreadPoolExecutor(len(calls)) as pool:
        running = [pool.submit(run, model, x) for x in calls]
        return [call.exception(SECONDS) or call.result() for call in running]


def floats(*rows):
    return np.float32(rows)


def test_calls_share_a_run_and_get_their_own_rows(batched):
    model, both = batched(max_batch_size=3)
    assert run_together(both, floats(1), floats(2, 3)) == [[2], [4, 6]]
    assert [sorted(x.tolist()) for x in model.runs] == [[1, 2, 3]]


def test_a_lone_call_waits_the_timeout_and_a_full_one_does_not(batched):
    model, one = batched(max_batch_size=2)
    call = threading.Thread(target=run, args=(one, floats(1)))
    call.start()
    call.join(0.1)
    assert model.runs == []
    call.join(SECONDS)
    assert len(model.runs) == 1
    assert run(one, floats(1, 2)) == [2, 4]


def test_a_batch_is_padded_to_an_allowed_size_by_its_last_calls_first_row(batched):
    model, one = batched(max_batch_size=8, allowed_batch_sizes=(4, 8))
    assert run(one, floats(5, 6)) == [10, 12]
    assert [x.tolist() for x in model.runs] == [[5, 6, 5, 5]]


def test_a_large_call_is_cut_when_splitting_is_on(batched):
    model, one = batched(
        max_batch_size=8, enable_large_batch_splitting=True, max_execution_batch_size=2
    )
    assert run(one, floats(1, 2, 3, 4, 5)) == [2, 4, 6, 8, 10]
    assert sorted(len(x) for x in model.runs) == [1, 2, 2]


def test_a_full_queue_refuses_at_once(batched):
    _, one = batched(max_batch_size=1, max_enqueued_batches=1)
    with one._scheduler._changed:  # nothing is run meanwhile
        threading.Thread(target=lambda: None).start()
        one._queue("serving_default", ("y",)).add(SimpleNamespace(size=1))
        with pytest.raises(StatusError) as caught:
            one._queue("serving_default", ("y",)).add(SimpleNamespace(size=1))
    assert str(caught.value) == (
        "UNAVAILABLE: The batch scheduling queue to which this task was submitted is full; "
        "currently 1 batches enqueued and max_enqueued_batches is 1"
    )


ODD = np.zeros([1, 3], np.float32)


def test_a_neighbour_of_an_odd_shape_fails_nobody(batched):
    _, both = batched(max_batch_size=2)
    assert run_together(both, np.ones([1, 2], np.float32), ODD) == [[[2, 2]], [[0, 0, 0]]]


def test_a_neighbour_of_an_odd_dtype_fails_alone(batched):
    _, both = batched(max_batch_size=2)
    good, bad = run_together(both, floats(1), np.float64([1]))
    assert good == [2]
    assert str(bad) == "INVALID_ARGUMENT: the model cannot do that"


def test_a_neighbour_that_the_model_refuses_fails_alone(batched):
    _, both = batched(max_batch_size=2)
    good, bad = run_together(both, floats(1), floats(-1))
    assert good == [2]
    assert str(bad) == "INVALID_ARGUMENT: the model cannot do that"


@pytest.mark.parametrize(
    ("neighbour", "message"),
    [
        (
            ODD,
            "FAILED_PRECONDITION: Tensors with name 'serving_default_x:0' from different tasks "
            "have different shapes and padding is turned off.",
        ),
        (np.ones([1, 2], np.float64), "INTERNAL: Tensor concat operation failed: "),
        (-np.ones([1, 2], np.float32), "INVALID_ARGUMENT: the model cannot do that"),
    ],
)
def test_together_the_calls_of_a_batch_fail_as_one(batched, neighbour, message):
    _, both = batched(max_batch_size=2, together=True)
    errors = run_together(both, np.ones([1, 2], np.float32), neighbour)
    assert len({id(error) for error in errors}) == 1
    assert str(errors[0]).startswith(message)


def test_variable_length_inputs_are_padded_by_their_first_element(batched):
    model, both = batched(max_batch_size=2, pad_variable_length_inputs=True)
    run_together(both, np.full([1, 2], 7, np.float32), np.full([1, 3], 5, np.float32))
    assert sorted(model.runs[0].tolist()) == [[5, 5, 5], [7, 7, 7]]


def test_an_empty_call_is_answered_at_once(batched):
    _, one = batched(max_batch_size=2)
    assert run(one, floats()) == []


def test_together_an_empty_call_waits_for_rows(batched):
    model, one = batched(max_batch_size=1, together=True)
    waiting = futures.ThreadPoolExecutor(1).submit(run, one, floats())
    with pytest.raises(futures.TimeoutError):
        waiting.result(0.5)
    assert run(one, floats(4)) == [8]
    assert waiting.result(SECONDS) == []
    assert len(model.runs) == 1


def test_calls_that_wait_are_told_of_the_end(batched):
    _, one = batched(max_batch_size=2, together=True)
    waiting = futures.ThreadPoolExecutor(1).submit(run, one, floats())
    while not one._scheduler._waiting:
        pass
    one._scheduler.stop()
    assert str(waiting.exception(SECONDS)) == "UNAVAILABLE: The server is shutting down."


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (
            {"allowed_batch_sizes": (4,), "max_batch_size": 8},
            "Last entry in allowed_batch_sizes must match max_batch_size; last entry was 4; "
            "expected 8",
        ),
        (
            {"allowed_batch_sizes": (8, 4), "max_batch_size": 4},
            "allowed_batch_sizes entries must be monotonically increasing",
        ),
    ],
)
def test_sizes_that_contradict_each_other_keep_a_model_out(batched, parameters, message):
    with pytest.raises(StatusError) as caught:
        batched(**parameters)
    assert caught.value.message == message


def test_parameters_are_read_from_a_file(tmp_path):
    file = tmp_path / "batching.config"
    file.write_text(
        "max_batch_size { value: 32 } batch_timeout_micros { value: 5000 } "
        "num_batch_threads { value: 3 } allowed_batch_sizes: 8 allowed_batch_sizes: 32 "
        'pad_variable_length_inputs: true thread_pool_name { value: "pool" }'
    )
    assert batching.read(file) == batching.Parameters(
        max_batch_size=32,
        batch_timeout_micros=5000,
        num_batch_threads=3,
        allowed_batch_sizes=(8, 32),
        pad_variable_length_inputs=True,
        thread_pool_name="pool",
    )
