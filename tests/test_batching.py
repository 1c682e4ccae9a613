"""Many sessions, one network: each gets its own answer, its own error, and its turn."""

import ctypes
import subprocess
import sys
import threading
import time

import pytest
import torch

from lessons_lib.errors import LessonsError
from lessons_lib.maths.denoisers import Conditioned, Prediction, guided
from lessons_lib.maths.samplers import sample
from lessons_lib.maths.schedule import Schedule
from lessons_lib.models import batching
from lessons_lib.models.batching import MAX_BATCH, Batched
from lessons_lib.models.precision import autocast_dtype

pytestmark = pytest.mark.alone


class Network:
    """eps = xt * condition + t, and a note of every batch. A condition of 13 is an error; 99 takes a while."""

    def __init__(self, variance=False, seconds=0.0):
        self.batches, self.variance, self.seconds = [], variance, seconds

    def __call__(self, xt, t, condition):
        self.batches.append(condition.flatten().tolist())
        time.sleep(self.seconds)
        if (condition == 13).any():
            raise RuntimeError("13 brings bad luck")
        eps = xt * condition.view(-1, 1, 1, 1) + t.view(-1, 1, 1, 1)
        return Prediction(eps, -eps if self.variance else None)


def request(value, n=1, size=4, dtype=torch.float32):
    xt = torch.randn(n, 1, size, size, generator=torch.Generator().manual_seed(int(value) + n), dtype=dtype)
    return xt, torch.full((n,), int(value) * 10), torch.full((n,), float(value))


def all_at_once(network, requests):
    """Every request from a thread of its own, started together: their answers, or what they raised."""
    answers, barrier = [None] * len(requests), threading.Barrier(len(requests))

    def ask(i):
        barrier.wait()
        try:
            answers[i] = network(*requests[i])
        except Exception as e:
            answers[i] = e

    threads = [threading.Thread(target=ask, args=(i,), daemon=True) for i in range(len(requests))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
        assert not thread.is_alive(), "someone never got an answer"
    return answers


@pytest.fixture
def patient(monkeypatch):
    """Wait long enough for all threads of a test to have asked, however busy the machine."""
    monkeypatch.setattr(batching, "WAIT", 0.5)


@pytest.mark.parametrize("variance", [False, True])
def test_many_threads_get_their_own_answers(variance, patient):
    network = Network(variance)
    requests = [request(i, n=1 + i % 3) for i in range(12)]
    answers = all_at_once(Batched(network), requests)
    for r, answer in zip(requests, answers, strict=True):
        alone = Network(variance)(*r)
        torch.testing.assert_close(answer.eps, alone.eps)
        assert (answer.variance is None) == (not variance)
        if variance:
            torch.testing.assert_close(answer.variance, alone.variance)
    assert len(network.batches) < 6, "they shared passes through the network"


def test_a_real_network_answers_as_if_asked_alone(patient, exact):
    from lessons_lib.models.digits import COURSE, condition_of
    from lessons_lib.models.unet import UNet

    unet = UNet(4, time_conditioned=True, num_classes=10).eval()
    network = COURSE["class_conditioned"].objective.network(unet)
    requests = [(torch.randn(2, 1, 28, 28), torch.full((2,), 30 * i), condition_of([i, 9 - i])) for i in range(8)]
    for r, answer in zip(requests, all_at_once(Batched(network), requests), strict=True):
        with torch.no_grad():
            torch.testing.assert_close(answer.eps, network(*r).eps, rtol=1e-4, atol=1e-5)


def test_networks_compute_in_the_processors_fastest_precision_and_answer_in_float32(patient):
    """The rounding is small, and the same whether a request is alone or among others."""
    seen = []

    def network(xt, t, condition):
        out = torch.nn.functional.conv2d(xt, torch.ones(1, 1, 3, 3) / 9, padding=1)
        seen.append(out.dtype)
        return Prediction(out)

    batched, x = Batched(network), torch.randn(8, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    alone = [batched(x[i : i + 1], torch.zeros(1), torch.zeros(1, 1)).eps for i in range(8)]
    together = all_at_once(batched, [(x[i : i + 1], torch.zeros(1), torch.zeros(1, 1)) for i in range(8)])
    assert set(seen) == {autocast_dtype(torch.device("cpu"))}
    for one, other, picture in zip(alone, together, x, strict=True):
        assert one.dtype == torch.float32
        assert torch.equal(one, other.eps)
        exact = torch.nn.functional.conv2d(picture[None], torch.ones(1, 1, 3, 3) / 9, padding=1)
        torch.testing.assert_close(one, exact, rtol=0.02, atol=0.02)


def test_whole_walks_in_many_threads_are_the_walks_alone():
    schedule = Schedule.linear(300)

    def walk(network, seed):
        g = torch.Generator().manual_seed(seed)
        cond, uncond = (Conditioned(network, torch.tensor([v])) for v in (seed / 100, 0.01))
        xt = torch.randn(1 + seed % 2, 1, 4, 4, generator=g)
        for step in sample(guided(cond, uncond, 2.0), schedule, xt, schedule.timesteps(30), generator=g):
            xt = step.x_prev
        return xt

    class Mild(Network):
        def __call__(self, xt, t, condition):
            return super().__call__(xt, t / 1000, condition)

    shared = Batched(Mild())
    ends = {}
    threads = [threading.Thread(target=lambda s=s: ends.update({s: walk(shared, s)}), daemon=True) for s in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    for seed in range(6):
        torch.testing.assert_close(ends[seed], walk(Mild(), seed))


def test_an_error_reaches_only_who_asked(patient):
    requests = [request(v) for v in (1, 2, 13, 3, 13, 4)]
    answers = all_at_once(Batched(Network()), requests)
    for r, answer in zip(requests, answers, strict=True):
        if r[2] == 13:
            assert isinstance(answer, RuntimeError)
            assert "bad luck" in str(answer)
        else:
            torch.testing.assert_close(answer.eps, Network()(*r).eps)


def test_the_worker_lives_on_after_errors():
    batched = Batched(Network())
    for _ in range(3):
        with pytest.raises(RuntimeError, match="bad luck"):
            batched(*request(13))
        assert batched(*request(2)).eps.shape == (1, 1, 4, 4)


def test_a_network_that_answers_too_little_is_an_error_not_silence():
    def short(xt, t, condition):
        return Prediction(xt[:1] if len(xt) == 2 else xt)

    batched = Batched(short)
    [answer] = all_at_once(batched, [request(1, n=2)])
    assert isinstance(answer, RuntimeError | ValueError)
    assert len(batched(*request(1, n=3)).eps) == 3


def test_pictures_of_other_sizes_and_kinds_do_not_mix(patient):
    requests = [request(1), request(2, size=8), request(3, dtype=torch.float64), request(4), request(5, size=8)]
    for r, answer in zip(requests, all_at_once(Batched(Network()), requests), strict=True):
        assert answer.eps.dtype == r[0].dtype
        torch.testing.assert_close(answer.eps, Network()(*r).eps)


def test_no_batch_is_larger_than_it_may_be_unless_one_asks_for_it(patient):
    network = Network()
    requests = [request(i, n=MAX_BATCH // 2 - 1) for i in range(5)] + [request(9, n=MAX_BATCH + 5)]
    for r, answer in zip(requests, all_at_once(Batched(network), requests), strict=True):
        torch.testing.assert_close(answer.eps, Network()(*r).eps)
    for batch in network.batches:
        assert len(batch) <= MAX_BATCH or set(batch) == {9.0}


def test_turns_are_fair():
    """Sessions of full batches, which cannot share: none is served twice while another waits."""
    network = Network(seconds=0.01)
    batched = Batched(network)

    def session(value):
        for _ in range(5):
            batched(*request(value, n=MAX_BATCH))

    threads = [threading.Thread(target=session, args=(v,), daemon=True) for v in (1, 2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
    order = [batch[0] for batch in network.batches]
    assert sorted(order) == [1.0] * 5 + [2.0] * 5 + [3.0] * 5
    middle = order[3:-3]  # at the ends not all are there
    for i in range(len(middle) - 2):
        assert len(set(middle[i : i + 3])) >= 2, f"one had three turns in a row: {order}"
    assert abs(middle.index(1.0) - middle.index(2.0)) <= 3


def test_a_session_that_goes_away_holds_nobody_up():
    batched = Batched(Network(seconds=0.02))
    gone = threading.Thread(target=lambda: batched(*request(1)), daemon=True)
    gone.start()  # nobody will look at its answer
    started = time.monotonic()
    batched(*request(2))
    assert time.monotonic() - started < 5
    gone.join(timeout=5)


def test_answers_can_be_used_where_gradients_are_on():
    """The worker runs in inference mode; its answers must still mix with tensors that want gradients."""
    answer = Batched(Network())(*request(1)).eps
    assert not answer.requires_grad
    weight = torch.ones(1, requires_grad=True)
    (weight * answer.clone()).sum().backward()
    assert weight.grad is not None


CORES = """
import sys, threading, torch
from lessons_lib import serving
from lessons_lib.models.batching import Batched
from lessons_lib.maths.denoisers import Prediction

torch.set_num_threads(2)
if sys.argv[1] == "app":
    serving.begin()
seen = {}

def network(xt, t, condition):
    seen["worker"] = torch.get_num_threads()
    return Prediction(xt, None)

batched = Batched(network)
batched(torch.zeros(1, 1, 2, 2), torch.zeros(1), torch.zeros(1, 1))
other = threading.Thread(target=lambda: seen.update(other=torch.get_num_threads()))
other.start()
other.join()
print(seen["worker"], seen["other"], torch.get_num_threads())
"""


@pytest.mark.parametrize(("where", "cores"), [("app", "2 1 1"), ("notebook", "2 2 2")])
def test_in_the_app_the_worker_alone_has_more_than_one_core(where, cores):
    """A notebook keeps the threads it had: a constructor of the library does not take them away."""
    said = subprocess.run([sys.executable, "-c", CORES, where], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == cores


# --- several named tensors as a condition --------------------------------------------------------------------------------


class Named:
    """eps = xt * condition["scale"] + condition["level"], as Network's condition in two parts."""

    def __init__(self):
        self.batches = []

    def __call__(self, xt, t, condition):
        self.batches.append(len(xt))
        assert condition["level"].dtype == torch.int64
        return Prediction(xt * condition["scale"].view(-1, 1, 1, 1) + condition["level"].view(-1, 1, 1, 1))


def test_a_condition_of_several_tensors_goes_through_in_one_batch(patient):
    network = Named()
    requests = [(*request(i)[:2], {"scale": torch.tensor([float(i)]), "level": torch.tensor([i * 1000 + 1])}) for i in range(7)]
    for r, answer in zip(requests, all_at_once(Batched(network), requests), strict=True):
        assert torch.equal(answer.eps, Named()(*r).eps)
    assert len(network.batches) < 4
    assert all(n % 2 == 0 for n in network.batches), "made even"


def test_a_condition_of_several_tensors_is_bound_and_guided_as_one_tensor_is():
    """One row for all pictures, or one each."""
    network = Named()
    each = {"scale": torch.tensor([2.0, 3.0]), "level": torch.tensor([5, 7])}
    for_all = {"scale": torch.tensor([1.0]), "level": torch.tensor([0])}
    xt = torch.randn(2, 1, 4, 4)
    answer = guided(Conditioned(network, each), Conditioned(network, for_all), 2.0)(xt, 10)
    torch.testing.assert_close(
        answer.eps, xt + 2 * (xt * each["scale"].view(-1, 1, 1, 1) + torch.tensor([5, 7]).view(-1, 1, 1, 1) - xt)
    )
    assert network.batches == [4], "both branches in one pass"


def test_conditions_of_other_kinds_do_not_mix(patient):
    def network(xt, t, condition):
        return Prediction(xt + (condition["a"] if isinstance(condition, dict) else condition).view(len(xt), -1)[0, 0])

    one, two = torch.full((1, 1), 1.0), torch.full((1, 2), 2.0)
    requests = [(*request(0)[:2], c) for c in (one, two, {"a": one}, {"a": two}, {"a": two, "b": one})]
    for (xt, _, _), answer, added in zip(requests, all_at_once(Batched(network), requests), (1, 2, 1, 2, 2), strict=True):
        torch.testing.assert_close(answer.eps, xt + added)


# --- a worker that can be relied on --------------------------------------------------------------------------------------


@pytest.fixture
def own_worker(monkeypatch):
    """A worker of this test's own, which it may break."""
    monkeypatch.setattr(batching, "LOOK", 0.05)
    worker = batching._Worker()
    monkeypatch.setattr(batching, "_worker", worker)
    yield worker
    worker._end()


def raise_in(thread, error):
    """Raise an error in another thread, wherever it is."""
    assert ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(error)) == 1


def test_a_worker_that_was_killed_is_started_again(own_worker, logged):
    batched = Batched(Network())
    batched(*request(1))
    first = own_worker._thread
    with own_worker._lock:
        own_worker._ending = True  # as if something had ended the thread: it leaves its loop
        own_worker._lock.notify()
    first.join(timeout=5)
    assert not first.is_alive()
    own_worker._ending = False
    requests = [request(i) for i in range(5)]
    for r, answer in zip(requests, all_at_once(batched, requests), strict=True):
        torch.testing.assert_close(answer.eps, Network()(*r).eps)
    assert own_worker._thread is not first
    assert "batch worker's thread has ended" in logged.getvalue()


@pytest.mark.parametrize("times", [1, 2, 5])
def test_killed_in_the_middle_of_a_batch_everyone_hears_of_it(own_worker, times, logged):
    """SystemExit raised in the worker's thread while a network computes, and again while it recovers."""

    class Slow(Network):
        def __call__(self, xt, t, condition):
            for _ in range(20):  # a thread is interrupted between two lines of Python
                time.sleep(0.01)
            return super().__call__(xt, t, condition)

    batched = Batched(Slow())

    def kill():
        for _ in range(times):
            time.sleep(0.08)
            raise_in(own_worker._thread, SystemExit)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    requests = [request(i, n=MAX_BATCH) for i in range(6)]  # each a batch of its own
    answers = all_at_once(batched, requests)
    killer.join()
    failed = [a for a in answers if isinstance(a, Exception)]
    assert all(isinstance(a, LessonsError) and "press Run again" in str(a) for a in failed), failed
    assert len(failed) <= times
    for r, answer in zip(requests, answers, strict=True):
        if not isinstance(answer, Exception):
            torch.testing.assert_close(answer.eps, Network()(*r).eps)
    assert batched(*request(2)).eps.shape == (1, 1, 4, 4)
    assert "SystemExit" in logged.getvalue() or "has ended" in logged.getvalue()


def test_an_error_between_batches_fails_one_and_the_rest_are_answered(own_worker, monkeypatch, logged):
    trouble = iter([RuntimeError("between batches"), MemoryError()])
    enough = batching._Worker._enough

    def breaks(self):
        for error in trouble:
            raise error
        return enough(self)

    monkeypatch.setattr(batching._Worker, "_enough", breaks)
    requests = [request(i) for i in range(8)]
    answers = all_at_once(Batched(Network()), requests)
    failed = [a for a in answers if isinstance(a, Exception)]
    assert sorted(type(a).__name__ for a in failed) == ["MemoryError", "RuntimeError"]
    for r, answer in zip(requests, answers, strict=True):
        if answer not in failed:
            torch.testing.assert_close(answer.eps, Network()(*r).eps)
    assert "goes on after an error of its own" in logged.getvalue()
    assert "between batches" in logged.getvalue()


def test_a_full_queue_refuses_with_one_sentence_and_answers_all_others(own_worker, monkeypatch):
    monkeypatch.setattr(batching, "MAX_WAITING", 5)
    go = threading.Event()

    def network(xt, t, condition):
        go.wait(10)
        return Prediction(xt)

    batched, answers = Batched(network), []

    def ask(i):
        try:
            answers.append(batched(*request(i, n=MAX_BATCH)))
        except LessonsError as e:
            answers.append(e)

    threads = [threading.Thread(target=ask, args=(i,), daemon=True) for i in range(20)]
    for thread in threads:
        thread.start()
    until(lambda: len(answers) == 14)  # one is computed, five wait, the rest are refused at once
    go.set()
    for thread in threads:
        thread.join(timeout=10)
    refused = [a for a in answers if isinstance(a, LessonsError)]
    assert len(refused) == 14
    assert all("5 steps are waiting" in str(a) for a in refused)
    assert len(answers) == 20


def test_nobody_waits_for_ever_for_a_network_that_hangs(own_worker, logged):
    go = threading.Event()

    def hangs(xt, t, condition):
        go.wait(30)
        return Prediction(xt)

    batched = Batched(hangs, patience=0.3)
    started = time.monotonic()
    answers = all_at_once(batched, [request(i, n=MAX_BATCH) for i in range(3)])
    assert time.monotonic() - started < 5
    assert all(isinstance(a, LessonsError) and "answered nobody for" in str(a) for a in answers)
    assert "gave up" in logged.getvalue()
    go.set()
    until(lambda: not own_worker._batch)
    assert len(batched(*request(1)).eps) == 1, "and once it answers again, it serves again"


def test_a_long_queue_is_not_a_network_that_hangs(own_worker):
    """Patience is for no progress at all, not for waiting one's turn."""
    batched = Batched(Network(seconds=0.2), patience=0.5)
    answers = all_at_once(batched, [request(i, n=MAX_BATCH) for i in range(8)])
    assert not [a for a in answers if isinstance(a, Exception)]


def test_who_waits_behind_a_slow_network_has_its_patience(own_worker):
    slow, quick = Batched(Network(seconds=0.8), patience=5), Batched(Network(), patience=0.2)
    first = threading.Thread(target=lambda: slow(*request(1)), daemon=True)
    first.start()
    until(lambda: own_worker._batch)
    assert len(quick(*request(2)).eps) == 1
    first.join()


@pytest.mark.slow
def test_hundreds_of_threads_that_come_and_go(own_worker):
    """Each with a network of several, asking a few times: every one gets its own answers."""
    networks = [Batched(Network()) for _ in range(3)]
    wrong, done = [], []

    def session(i):
        network, g = networks[i % 3], request(i % 7 + 1, n=1 + i % 4)
        for _ in range(10):
            if not torch.equal(network(*g).eps, Network()(*g).eps):
                wrong.append(i)
        done.append(i)

    threads = [threading.Thread(target=session, args=(i,), daemon=True) for i in range(150)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert not wrong
    assert len(done) == 150


def test_at_the_end_of_the_process_nobody_is_left_waiting(own_worker):
    go = threading.Event()

    def network(xt, t, condition):
        go.wait(10)
        return Prediction(xt)

    batched, answers = Batched(network), []

    def ask(i):
        try:
            answers.append(batched(*request(i, n=MAX_BATCH)))
        except LessonsError as e:
            answers.append(e)

    threads = [threading.Thread(target=ask, args=(i,), daemon=True) for i in range(3)]
    for thread in threads:
        thread.start()
    until(lambda: len(own_worker._waiting) == 2)
    ending = threading.Thread(target=own_worker._end)
    ending.start()
    until(lambda: len(answers) == 2)
    go.set()
    ending.join(timeout=5)
    assert sum(isinstance(a, LessonsError) for a in answers) == 2
    with pytest.raises(LessonsError):
        batched(*request(1))


def until(true, seconds=5):
    """Wait until something is true."""
    for _ in range(int(seconds * 200)):
        if true():
            return
        time.sleep(0.005)
    pytest.fail("it did not become true")
