"""Where networks and trainings compute: in this process, or on a cluster that it has joined. Without torch.

Unset, DIFFUSION_CLUSTER leaves everything here: nothing is joined, installed or asked for. Set, it is what ray.init() takes as an
address: "auto" for the cluster that this machine belongs to. A module of lessons_lib/cluster then says begin(), and whoever asks
a network from there on waits until the cluster is joined, or hears in one sentence why it cannot be.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from lessons_lib.errors import LessonsError

SETTING = "DIFFUSION_CLUSTER"
PATIENCE = 180  # seconds that somebody waits for the cluster to be joined; 40 are usual on a busy machine

Recipe = tuple[str | int, ...]
"""A network's name for other machines, such as ("model", "emoji"): they open it themselves, from their own files."""


class Networks(Protocol):
    """A cluster's networks. What a Network and a Stage are, models/ knows."""

    def network(self, recipe: Recipe, patience: float) -> Any:
        """The network of that name, wherever it computes. patience: seconds for one answer."""

    def stage(self, name: str, number: int, where: str) -> Any:
        """A stage of DeepFloyd IF from the hub or a folder of the node's, on a GPU of the cluster (deepfloyd.Stage)."""


class Trainings(Protocol):
    """A cluster's trainings, to runs.py, in whose folders all that counts stands."""

    def at_once(self) -> int:
        """How many may train at the same time, counted now."""

    def lives(self, folder: Path) -> bool:
        """True while the run in that folder is at work, or waits for a node that was given to it."""

    def start(self, folder: Path) -> None:
        """Place the run on a node. One that lives already is left alone."""


@dataclass(frozen=True)
class Engine:
    """A cluster that was joined, to those who ask it. Both raise LessonsError in one sentence if it does not answer."""

    networks: Networks
    trainings: Trainings


@dataclass(frozen=True)
class Place:
    """Where an answer was computed. node: its name. waiting: requests that waited there at that moment, this one not counted."""

    node: str
    waiting: int


_joining: Future | None = None
_choosing = threading.Lock()
_lists: ContextVar[tuple[list[Place], ...]] = ContextVar("places", default=())


def wanted() -> str:
    """The cluster's address, "auto" for the one this machine belongs to; "" for none."""
    return os.environ.get(SETTING, "").strip()


def begin(join: Callable[[], Engine]) -> None:
    """Join in the background, once for the process. After a failure the next call tries again; calls between do nothing."""
    global _joining
    with _choosing:
        if _joining is not None and not (_joining.done() and _joining.exception() is not None):
            return
        _joining = future = Future()

    def work() -> None:
        try:
            future.set_result(join())
        except BaseException as e:
            future.set_exception(e)

    threading.Thread(target=work, daemon=True, name="joining the cluster").start()


def end() -> None:
    """Compute here again. For tests; the cluster itself is left as it is."""
    global _joining
    _joining = None


def current() -> Engine | None:
    """The cluster, waited for while it is being joined; None where everything computes here.

    Raises: LessonsError in one sentence if it cannot be joined.
    """
    joining = _joining
    if joining is None:
        return None
    try:
        return joining.result(PATIENCE)
    except LessonsError as e:
        raise LessonsError(str(e)) from e
    except TimeoutError as e:
        raise LessonsError(f"The cluster was not joined within {PATIENCE} seconds: look at it with `ray status`.") from e
    except Exception as e:
        why = (str(e).strip() or type(e).__name__).splitlines()[0][:200]
        raise LessonsError(
            f"The cluster that {SETTING} names cannot be joined ({why}): start it (docs/ray.md), or unset {SETTING}."
        ) from e


def note(place: Place) -> None:
    """An answer came from there, in this thread; every list that is open takes it down."""
    for places in _lists.get():
        places.append(place)


@contextmanager
def noting() -> Iterator[list[Place]]:
    """Where what is asked in the body was computed, in order; nothing where it was here."""
    places: list[Place] = []
    before = _lists.get()
    _lists.set((*before, places))
    try:
        yield places
    finally:
        _lists.set(before)
