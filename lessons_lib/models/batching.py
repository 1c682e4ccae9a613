"""One worker a process: the requests of all sessions that share a network go through it as one batch.

A walk asks for one step at a time and waits, so serving requests in the order of arrival gives every session its fair turn.
A session that goes away simply asks no more. One thread computes for all networks, and it alone has all the cores: a second
one that computes in parallel, be it a prompt or an enlarged picture, would keep threads of its own in OpenMP, which then lets
every thread sleep between two layers, even when the second is idle. That doubled the time of a step. A server therefore leaves
its other threads one core each: serving.begin(). A notebook keeps its own.

A batch is made even, by asking its last picture twice: two cores share an odd one by cutting a picture in two, which rounds it
otherwise. So a picture comes out the same to the bit whatever others are asked beside it.

Who asks gets an answer or an error, whatever happens. The worker survives what a network raises; should its thread end all the
same, those who wait start another. Nobody waits longer than a network's patience while nothing at all is answered.
"""

from __future__ import annotations

import atexit
import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from lessons_lib import engine, serving
from lessons_lib.errors import LessonsError
from lessons_lib.maths.denoisers import Condition, Network, Prediction, joined, shape_of
from lessons_lib.models import used
from lessons_lib.models.precision import autocast

log = logging.getLogger(__name__)

WAIT = 0.003  # seconds to wait for those who asked a moment ago and will probably ask again
RECENTLY = 0.3  # seconds that "a moment ago" lasts
MAX_BATCH = 32  # pictures in one pass through the network
MAX_WAITING = 200  # requests; each session has one at a time
PATIENCE = 120.0  # seconds without any progress after which those who wait are told
LOOK = 1.0  # seconds between two looks, by those who wait, at whether the worker is alive


@dataclass(eq=False)
class _Request:
    network: Batched
    xt: Tensor
    t: Tensor
    condition: Condition
    done: threading.Event = field(default_factory=threading.Event)
    answer: Prediction | None = None
    error: Exception | None = None

    def __post_init__(self):
        self.kind = self.network, self.xt.shape[1:], self.xt.dtype, shape_of(self.condition)

    def alike(self, other: _Request) -> bool:
        """True if both can go through the network together."""
        return self.kind == other.kind

    def fail(self, error: BaseException) -> None:
        """Hand over why there is no answer, unless there is one already."""
        if not self.done.is_set():
            self.error = error if isinstance(error, Exception) else LessonsError(STOPPED)
            self.done.set()


STOPPED = "The network's worker stopped while it computed this step: press Run again. The server's log says why."


class Batched:
    """A Network that many threads may call at once; what is asked at the same time runs as one batch.

    Args:
        network: called by the worker's thread alone.
        patience: seconds that one pass may take; a caller waits no longer while nothing is answered.
        weights: the files it was read from, noted as used by whoever asks.
        recipe: its name for other machines. Where a cluster was joined, it computes what has a name (engine.py); the rest is computed here.
    Raises (on calling): whatever the network raises, in the thread that asked; LessonsError if too many ask at once, or if
        patience ran out.
    """

    def __init__(self, network: Network, patience: float | None = None, weights: Sequence[Path] = (), recipe: engine.Recipe = ()):
        self.network, self.weights, self.recipe = network, tuple(weights), recipe
        self.patience = PATIENCE if patience is None else patience
        self.asked: dict[int, float] = {}  # thread -> when it last asked; the worker's lock guards it
        _worker.start()  # before any other thread computes

    def __call__(self, xt: Tensor, t: Tensor, condition: Condition) -> Prediction:
        used.note(*self.weights)
        if self.recipe and (cluster := engine.current()) is not None:
            return cluster.networks.network(self.recipe, self.patience)(xt, t, condition)
        request = _Request(self, xt, t, condition)
        _worker.ask(request)
        if request.error is not None:
            raise request.error
        return request.answer


class _Worker:
    """The thread that computes, and the queue before it. Every attribute is guarded by _lock."""

    def __init__(self):
        self._lock = threading.Condition()
        self._thread: threading.Thread | None = None
        self._waiting: list[_Request] = []  # in the order of arrival
        self._batch: list[_Request] = []  # what is computed now
        self._progress = 0.0  # when a batch was last begun or done
        self._ending = False
        self._cores: int | None = None  # all of the process's, counted before other threads were left one

    def start(self) -> None:
        """Make sure that the thread lives. On a server it takes the cores, and all other threads are left one each."""
        with self._lock:
            if self._ending or (self._thread is not None and self._thread.is_alive()):
                return
            if self._thread is None:
                atexit.register(self._end)
                self._cores = torch.get_num_threads()
            else:
                log.error("the batch worker's thread has ended; another takes its place")
            lost, self._batch = self._batch, []
            for request in lost:
                request.fail(LessonsError(STOPPED))
            has_cores = threading.Event()
            self._progress = time.monotonic()
            self._thread = threading.Thread(target=self._work, args=(has_cores,), name="batch worker", daemon=True)
            self._thread.start()
        has_cores.wait(10)
        if serving.many_sessions():
            torch.set_num_threads(1)

    def ask(self, request: _Request) -> None:
        """Wait until the request is answered or has failed."""
        asked = time.monotonic()
        with self._lock:
            if self._ending:
                raise LessonsError(STOPPED)
            if len(self._waiting) >= MAX_WAITING:
                raise LessonsError(f"{len(self._waiting)} steps are waiting for this network already: try again in a moment.")
            request.network.asked[threading.get_ident()] = asked
            self._waiting.append(request)
            self._lock.notify()
        self.start()
        while not request.done.wait(LOOK):
            self.start()  # if it has died
            self._give_up_if_stuck(request, asked)

    def _give_up_if_stuck(self, request: _Request, asked: float) -> None:
        with self._lock:
            patience = max([request.network.patience, *(r.network.patience for r in self._batch)])
            idle = time.monotonic() - max(self._progress, asked)
            if idle < patience or request.done.is_set():
                return
            if request in self._waiting:
                self._waiting.remove(request)
            request.fail(LessonsError(f"The network has answered nobody for {idle:.0f} seconds: press Run again in a while."))
        log.error("nothing was answered for %.0f s; a request for %d pictures gave up", idle, len(request.xt))

    def _end(self) -> None:
        """At the end of the process: let the worker leave torch before torch is taken down."""
        with self._lock:
            self._ending = True
            for request in self._waiting:
                request.fail(LessonsError(STOPPED))
            self._waiting = []
            self._lock.notify()
        self._thread.join(timeout=2)

    def _work(self, has_cores: threading.Event) -> None:
        torch.get_num_threads()  # a thread takes the process's number when it first asks: from now on it has its own
        torch.set_num_threads(self._cores)
        has_cores.set()
        while not self._ending:
            try:
                self._answer(self._next())
            except BaseException as e:
                log.error("the batch worker goes on after an error of its own", exc_info=e)
                self._fail_first(e)
            with self._lock:
                self._batch, self._progress = [], time.monotonic()

    def _next(self) -> list[_Request]:
        """The next batch, once somebody has asked; empty when the process ends, or if all gave up meanwhile."""
        with self._lock:
            while not self._waiting and not self._ending:
                self._lock.wait()
            deadline = time.monotonic() + WAIT
            while self._waiting and not self._ending and not self._enough() and (left := deadline - time.monotonic()) > 0:
                self._lock.wait(left)
            size = 0
            for request in self._waiting:
                if not self._batch or (request.alike(self._batch[0]) and size + len(request.xt) <= MAX_BATCH):
                    self._batch.append(request)
                    size += len(request.xt)
            self._waiting = [r for r in self._waiting if r not in self._batch]
            self._progress = time.monotonic()
            return list(self._batch)

    def _enough(self) -> bool:
        """True if all who asked the first one's network a moment ago ask again, or the batch is full."""
        first = self._waiting[0]
        together = [r for r in self._waiting if r.alike(first)]
        return len(together) >= self._sessions(first.network) or sum(len(r.xt) for r in together) >= MAX_BATCH

    def _sessions(self, network: Batched) -> int:
        """How many threads asked this network a moment ago."""
        now = time.monotonic()
        network.asked = {thread: when for thread, when in network.asked.items() if now - when < RECENTLY}
        return len(network.asked)

    def _fail_first(self, error: BaseException) -> None:
        """Hand an error between or within batches to those whose turn it was, so that the others get theirs."""
        with self._lock:
            for request in self._batch or self._waiting[:1]:
                request.fail(error)
            self._waiting = [r for r in self._waiting if not r.done.is_set()]

    @torch.inference_mode()
    def _answer(self, batch: list[_Request]) -> None:
        if not batch:
            return
        try:
            answers = _computed(batch)
        except Exception as e:  # handed to those who asked; the worker lives on
            if len(batch) > 1:  # one bad request must not fail its neighbours
                for request in batch:
                    self._answer([request])
                return
            log.warning("a network failed on %d pictures of %s", len(batch[0].xt), tuple(batch[0].xt.shape[1:]), exc_info=e)
            batch[0].fail(e)
            return
        for request, answer in zip(batch, answers, strict=True):
            request.answer = answer
            request.done.set()


def _computed(batch: list[_Request]) -> list[Prediction]:
    """Each request's answer, from one pass of their network."""
    xt, t, condition = (joined([getattr(r, name) for r in batch]) for name in ("xt", "t", "condition"))
    odd = len(xt) % 2 == 1
    if odd:
        xt, t, condition = (joined([part, _last(part)]) for part in (xt, t, condition))
    with autocast():
        eps, variance = batch[0].network.network(xt, t, condition)
    if odd:
        eps, variance = eps[:-1], variance[:-1] if variance is not None else None
    if eps.dtype == torch.bfloat16:  # what a network did last may be a convolution
        eps = eps.float()
    sizes = [len(r.xt) for r in batch]
    each_eps = eps.split(sizes)  # raises if the network answered more or less than it was asked
    each_variance = variance.split(sizes) if variance is not None else [None] * len(batch)
    return [Prediction(e, v) for e, v in zip(each_eps, each_variance, strict=True)]


def _last(part: Condition) -> Condition:
    return {k: v[-1:] for k, v in part.items()} if isinstance(part, dict) else part[-1:]


_worker = _Worker()
