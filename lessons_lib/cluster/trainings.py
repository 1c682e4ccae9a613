"""Trainings as tasks of Ray on any node of a cluster; and join(), by which a process of the app becomes part of it.

What counts stands in the runs' shared folder, as it does without a cluster (training/runs.py): the queue, what people want, progress,
checkpoints. The keeper, an actor without a processor of its own, places the tasks and knows which live. When one ends, or
is lost with its node, the keeper tends the queue, so that a run goes on from its last checkpoint though no page is open. It is itself
started again elsewhere when its node is lost; the tasks that it had placed end with it, and are placed anew.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path

import ray
import torch
from ray.exceptions import RayError

from lessons_lib import engine
from lessons_lib.cluster import networks
from lessons_lib.errors import LessonsError
from lessons_lib.files.checkpoints import write_atomically
from lessons_lib.log import set_up
from lessons_lib.training import runs, worker

log = logging.getLogger(__name__)

LOOK = 2.0  # seconds between two looks at tasks and queue by the keeper
FRESH = 0.3  # seconds for which an answer of the keeper's serves all pages of a process
ANSWER = 30  # seconds within which the keeper answers, even while it moves to another node
GPU = 0.25  # of a GPU, for a training of digits: four share one


@ray.remote(max_retries=0, max_calls=1)  # a process of its own: it stands back for others for good
def _train(folder: str, cores: int) -> None:
    """Train one run until it is done, or something else is wanted; see worker.main."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    set_up()
    with suppress(OSError, AttributeError):  # Windows has neither
        os.setsid()  # a session of its own, which stands back alone: the node's replicas are in the one it came from
    worker.give_way()
    with suppress(OSError, AttributeError):
        os.nice(10)  # all of Ray's processes are at 15 by RAY_worker_niceness, replicas too: a training is at 19
    torch.set_num_threads(cores)
    write_atomically(Path(folder) / "node", ray.get_runtime_context().get_node_id().encode())
    worker.main(Path(folder))


@ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1, max_concurrency=8)
class _Keeper:
    """Which runs of one folder live on the cluster. Every attribute is guarded by _lock."""

    def __init__(self, folder: str):
        set_up()
        runs.FOLDER = Path(folder)
        self._lock = threading.Lock()
        self._tasks: dict[str, ray.ObjectRef] = {}
        engine.begin(lambda: engine.Engine(None, self))
        threading.Thread(target=self._tend, daemon=True, name="keeper").start()

    def living(self) -> tuple[int, list[str]]:
        """(how many may train at once, the runs that live)."""
        replicas, _ = networks.plan(networks.processors())  # they claim one half of the processors
        with self._lock:
            return replicas, list(self._tasks)

    def start(self, folder: str | Path) -> None:
        run, (_, cores) = Path(folder).name, networks.plan(networks.processors())
        claim = {"num_cpus": cores / 2}
        if ray.available_resources().get("GPU", 0) >= GPU:
            claim["num_gpus"] = GPU
        with self._lock:
            if run not in self._tasks:
                self._tasks[run] = _train.options(name=f"training {run}", **claim).remote(str(folder), max(1, cores // 2))

    def at_once(self) -> int:
        return self.living()[0]

    def lives(self, folder: Path) -> bool:
        with self._lock:
            return folder.name in self._tasks

    def _tend(self) -> None:
        while True:
            try:
                with self._lock:
                    tasks = dict(self._tasks)
                if tasks:
                    ray.wait(list(tasks.values()), timeout=LOOK)
                else:
                    time.sleep(LOOK)
                for run, task in tasks.items():
                    if ray.wait([task], timeout=0)[0]:
                        self._ended(run, task)
                runs.tend()
            except Exception as e:
                log.error("the keeper of the trainings goes on after an error", exc_info=e)
                time.sleep(LOOK)

    def _ended(self, run: str, task: ray.ObjectRef) -> None:
        try:
            ray.get(task)
        except RayError as e:
            why = f"{type(e).__name__}: {(str(e).strip() or 'lost').splitlines()[0]}"
            log.warning("training %s was lost: %s", run, why)
            if (runs.FOLDER / run).is_dir():
                write_atomically(runs.FOLDER / run / "errors.txt", why.encode())
        with self._lock:
            del self._tasks[run]


class Trainings:
    """What runs.py asks of the cluster, from a process of the app; see engine.Trainings."""

    def __init__(self, folder: Path | None = None):
        folder = str(runs.FOLDER if folder is None else folder)
        self._keeper = _Keeper.options(
            name=f"trainings in {folder}", namespace=networks.NAMESPACE, lifetime="detached", get_if_exists=True
        ).remote(folder)
        self._lock = threading.Lock()
        self._asked, self._slots, self._runs = 0.0, 0, frozenset()

    def at_once(self) -> int:
        with self._lock:
            self._ask()
            return self._slots

    def lives(self, folder: Path) -> bool:
        with self._lock:
            if time.monotonic() - self._asked > FRESH:
                self._ask()
            return folder.name in self._runs

    def start(self, folder: Path) -> None:
        with self._lock:
            self._told(self._keeper.start.remote(str(folder)))
            self._runs |= {folder.name}

    def _ask(self) -> None:
        slots, names = self._told(self._keeper.living.remote())
        self._asked, self._slots, self._runs = time.monotonic(), slots, frozenset(names)

    def _told(self, answer):
        try:
            return ray.get(answer, timeout=ANSWER)
        except RayError as e:
            raise LessonsError(
                f"The cluster's keeper of trainings does not answer ({type(e).__name__}): look at `ray status`."
            ) from e


def join(address: str = "auto", folder: Path | None = None) -> engine.Engine:
    """Join the cluster: start its replicas and its keeper if nobody has.

    Args: address: as ray.init() takes it. folder: the runs', by default that of the app.
    Raises: LessonsError for an address that cannot be; ConnectionError if no cluster runs there.
    """
    networks.connect(address)
    return engine.Engine(networks.Networks(), Trainings(folder))
