"""One worker a process: the requests of all sessions that share a network go through it as one batch.

A walk asks for one step at a time and waits, so serving requests in the order of arrival gives every session its fair turn.
A session that goes away simply asks no more. One thread computes for all networks, and it alone has all the cores: a second
one that computes in parallel, be it a prompt or an enlarged picture, would keep threads of its own in OpenMP, which then lets
every thread sleep between two layers, even when the second is idle. That doubled the time of a step.

A batch is made even, by asking its last picture twice: two cores share an odd one by cutting a picture in two, which rounds it
otherwise. So a picture comes out the same to the bit whatever others are asked beside it.
"""

from __future__ import annotations

import atexit
import queue
import threading
import time
from dataclasses import dataclass, field

import torch
from torch import Tensor

from lessons_lib.denoisers import Network, Prediction
from lessons_lib.models.precision import autocast

WAIT = 0.003  # seconds to wait for those who asked a moment ago and will probably ask again
RECENTLY = 0.3  # seconds that "a moment ago" lasts
MAX_BATCH = 32  # pictures in one pass through the network


@dataclass(eq=False)
class _Request:
    network: Batched
    xt: Tensor
    t: Tensor
    condition: Tensor
    done: threading.Event = field(default_factory=threading.Event)
    answer: Prediction | None = None
    error: BaseException | None = None

    def alike(self, other: _Request) -> bool:
        """True if both can go through the network together."""
        return (self.network, self.xt.shape[1:], self.xt.dtype) == (other.network, other.xt.shape[1:], other.xt.dtype)


class Batched:
    """A Network that many threads may call at once; what is asked at the same time runs as one batch.

    Args: network: called by the worker's thread alone.
    Raises (on calling): whatever the network raises, in the thread that asked.
    """

    def __init__(self, network: Network):
        self.network = network
        self.asked: dict[int, float] = {}  # thread -> when it last asked
        _worker.start()  # before any other thread computes

    def __call__(self, xt: Tensor, t: Tensor, condition: Tensor) -> Prediction:
        request = _Request(self, xt, t, condition)
        _worker.put(request)
        request.done.wait()
        if request.error is not None:
            raise request.error
        return request.answer

    def sessions(self) -> int:
        """How many threads asked a moment ago."""
        now = time.monotonic()
        self.asked = {thread: when for thread, when in self.asked.items() if now - when < RECENTLY}
        return len(self.asked)


class _Worker:
    def __init__(self):
        self._requests: queue.SimpleQueue[_Request | None] = queue.SimpleQueue()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._has_cores = threading.Event()

    def start(self) -> None:
        """Once: the worker takes the cores, and this thread and all to come are left one each."""
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="batch worker", daemon=True)
                self._thread.start()
                atexit.register(self._end)
                self._has_cores.wait()
                torch.set_num_threads(1)

    def put(self, request: _Request) -> None:
        request.network.asked[threading.get_ident()] = time.monotonic()
        self._requests.put(request)

    def _end(self) -> None:
        """At the end of the process: let the worker leave torch before torch is taken down."""
        self._requests.put(None)
        self._thread.join(timeout=2)

    def _work(self) -> None:
        torch.set_num_threads(torch.get_num_threads())  # for this thread, whatever becomes of the others
        self._has_cores.set()
        waiting: list[_Request] = []  # in the order of arrival
        while True:
            if not waiting:
                waiting.append(self._requests.get())
            deadline = time.monotonic() + WAIT
            while None not in waiting:
                first = waiting[0]
                batch = [r for r in waiting if r.alike(first)]
                enough = len(batch) >= first.network.sessions() or sum(len(r.xt) for r in batch) >= MAX_BATCH
                try:
                    waiting.append(self._requests.get(timeout=0 if enough else max(deadline - time.monotonic(), 0)))
                except queue.Empty:
                    break
            if None in waiting:
                return
            batch, size = [], 0
            for request in waiting:
                if request.alike(first) and (not batch or size + len(request.xt) <= MAX_BATCH):
                    batch.append(request)
                    size += len(request.xt)
            waiting = [r for r in waiting if r not in batch]
            self._answer(batch)

    @torch.inference_mode()
    def _answer(self, batch: list[_Request]) -> None:
        try:
            parts = [torch.cat([getattr(r, name) for r in batch]) for name in ("xt", "t", "condition")]
            odd = len(parts[0]) % 2 == 1
            if odd:
                parts = [torch.cat([part, part[-1:]]) for part in parts]
            with autocast():
                eps, variance = batch[0].network.network(*parts)
            if odd:
                eps, variance = eps[:-1], variance[:-1] if variance is not None else None
            if eps.dtype == torch.bfloat16:  # what a network did last may be a convolution
                eps = eps.float()
            sizes = [len(r.xt) for r in batch]
            each_eps = eps.split(sizes)  # raises if the network answered more or less than it was asked
            each_variance = variance.split(sizes) if variance is not None else [None] * len(batch)
        except BaseException as e:  # handed to those who asked; the worker lives on
            if len(batch) > 1:  # one bad request must not fail its neighbours
                for request in batch:
                    self._answer([request])
                return
            batch[0].error = e
            batch[0].done.set()
            return
        for request, e, v in zip(batch, each_eps, each_variance, strict=True):
            request.answer = Prediction(e, v)
            request.done.set()


_worker = _Worker()
