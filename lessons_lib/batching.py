"""One worker a network and process: the requests of all sessions that share a model go through it as one batch.

A walk asks for one step at a time and waits, so taking one request of each in the order of arrival gives every session
its fair turn. A session that goes away simply asks no more.
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

WAIT = 0.003  # seconds to wait for others once there is something to do
MAX_BATCH = 32  # pictures in one pass through the network


@dataclass(eq=False)
class _Request:
    xt: Tensor
    t: Tensor
    condition: Tensor
    done: threading.Event = field(default_factory=threading.Event)
    answer: Prediction | None = None
    error: BaseException | None = None


class Batched:
    """A Network that many threads may call at once; what arrives within WAIT runs as one batch.

    Args: network: called by the worker's thread alone.
    Raises (on calling): whatever the network raises, in the thread that asked.
    """

    def __init__(self, network: Network):
        self.network = network
        self._requests: queue.SimpleQueue[_Request | None] = queue.SimpleQueue()
        self._started = threading.Lock()
        self._worker: threading.Thread | None = None

    def __call__(self, xt: Tensor, t: Tensor, condition: Tensor) -> Prediction:
        if self._worker is None:
            with self._started:
                if self._worker is None:
                    self._worker = threading.Thread(target=self._work, name="batch worker", daemon=True)
                    self._worker.start()
                    atexit.register(self._end)
        request = _Request(xt, t, condition)
        self._requests.put(request)
        request.done.wait()
        if request.error is not None:
            raise request.error
        return request.answer

    def _end(self) -> None:
        """At the end of the process: let the worker leave torch before torch is taken down."""
        self._requests.put(None)
        self._worker.join(timeout=2)

    def _work(self) -> None:
        held: _Request | None = None
        while True:
            first = held or self._requests.get()
            if first is None:
                return
            batch = [first]
            held, size = None, len(first.xt)
            deadline = time.monotonic() + WAIT
            while size < MAX_BATCH:
                try:
                    following = self._requests.get(timeout=max(deadline - time.monotonic(), 0))
                except queue.Empty:
                    break
                if following is None:
                    self._requests.put(None)
                    break
                alike = following.xt.shape[1:] == batch[0].xt.shape[1:] and following.xt.dtype == batch[0].xt.dtype
                if not alike or size + len(following.xt) > MAX_BATCH:
                    held = following  # first in the next batch
                    break
                batch.append(following)
                size += len(following.xt)
            self._answer(batch)

    @torch.inference_mode()
    def _answer(self, batch: list[_Request]) -> None:
        try:
            parts = (torch.cat([getattr(r, name) for r in batch]) for name in ("xt", "t", "condition"))
            eps, variance = self.network(*parts)
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
