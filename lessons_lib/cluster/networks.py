"""Networks as replicas of Ray Serve on any node of a cluster, and the Network that asks them.

A replica is a process with our own batch worker (models/batching.py), which computes what many sessions ask at once as one batch;
any replica opens any network of the app, by its recipe, from the files of its own node. The project lies at the same path on
every node. A step is a pure function of what it is asked, so an answer that does not come is asked for again elsewhere.

Serve's own @serve.batch forms a batch before it waits for the one under way: nothing gathers while a network computes. And of its own
accord it sends a replica five requests at a time, which would cap a batch at five.
"""

from __future__ import annotations

import logging
import os
import platform
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cache
from typing import NamedTuple

import numpy as np
import ray
import torch
from ray import serve
from ray.exceptions import RayError, RayTaskError
from ray.serve.exceptions import RayServeException
from torch import Tensor

from lessons_lib import engine, places, serving
from lessons_lib.engine import Place, Recipe
from lessons_lib.errors import LessonsError
from lessons_lib.files.lock import holding
from lessons_lib.lessons._digits import shared
from lessons_lib.maths.denoisers import Condition, Prediction
from lessons_lib.models.batching import Batched
from lessons_lib.models.deepfloyd import NEEDS_GB, PATIENCE, Stage, open_stage
from lessons_lib.models.opening import open_model

log = logging.getLogger(__name__)

NAMESPACE = "diffusion"
APP = "networks"
TRIES = 3
PAUSES = (0.5, 3.0)  # seconds before the second try and the third: Serve needs some to see that a replica is gone
ONGOING = 256  # requests that a replica may hold; more than a class that presses Run at once
CORES = 2  # of a replica, where every node has that many
FREE = 60  # seconds within which a GPU is free, or is said not to be
OPENING = 900  # seconds for DeepFloyd to be opened from a node's disk
LOST = (RayError, RayServeException, TimeoutError, ConnectionError)  # no answer came; RayTaskError is one, and is none of these


class Answer(NamedTuple):
    """What a replica says. node, waiting: see engine.Place."""

    eps: np.ndarray
    variance: np.ndarray | None
    node: str
    waiting: int


class Replica:
    """A process that answers for every network by its recipe; Serve calls it from as many threads as it holds requests."""

    def __init__(self):
        serving.begin()
        context = ray.get_runtime_context()
        self._node = f"{platform.node()} ({context.get_node_id()[:6]})"
        self._opening, self._counting = threading.Lock(), threading.Lock()
        self._networks: dict[Recipe, Batched] = {}
        self._asked = 0

    def answer(self, recipe: Recipe, xt: np.ndarray, t: np.ndarray, condition) -> Answer | str:
        """One step; a sentence where there is a LessonsError. Whatever else a network raises, Ray hands to who asked."""
        with self._counting:
            waiting, self._asked = self._asked, self._asked + 1
        try:
            eps, variance = self._network(tuple(recipe))(_tensors(xt), _tensors(t), _tensors(condition))
            return Answer(eps.numpy(), None if variance is None else variance.numpy(), self._node, waiting)
        except LessonsError as e:
            return str(e)
        finally:
            with self._counting:
                self._asked -= 1

    def about(self, name: str, number: int, where: str) -> dict | str:
        """What a stage of DeepFloyd says of itself, all but its network; a sentence where it cannot be opened."""
        try:
            with self._opening:
                stage = _stage(name, number, where)
        except LessonsError as e:
            return str(e)
        return {f.name: getattr(stage, f.name) for f in fields(stage) if f.name != "network"}

    def _network(self, recipe: Recipe) -> Batched:
        with self._opening:
            if recipe not in self._networks:
                self._networks[recipe] = opened(recipe)
            return self._networks[recipe]


def opened(recipe: Recipe) -> Batched:
    """The network of that name, in this process. Raises LessonsError if its weights are not on this node."""
    kind, name, *more = recipe
    if kind == "digits":
        return shared(name, *more)[0]
    if kind == "stage":
        return _stage(name, *more).network
    model = open_model(name)
    model.warm()
    if kind == "upscaler" and (upscaler := model.upscaler()) is not None:
        return upscaler.denoiser(torch.zeros(1, *model.shape), "").network
    if kind == "model":
        return model.denoiser("").network
    raise LessonsError(f"This node knows no network {recipe}: is the project there of the same version?")


_stage = cache(open_stage)


@dataclass(frozen=True, eq=False)
class Asked:
    """A Network whose answers come from replicas.

    handle: Serve's, of the replicas. patience: seconds that one answer may take.
    Raises (on calling): LessonsError if no answer came in TRIES tries, or the replica has a sentence to say; what the network raises.
    """

    handle: serve.handle.DeploymentHandle
    recipe: Recipe
    patience: float

    def __call__(self, xt: Tensor, t: Tensor, condition: Condition) -> Prediction:
        answer = self._answer(xt, t, condition)
        if isinstance(answer, str):
            raise LessonsError(answer)
        engine.note(Place(answer.node, answer.waiting))
        return Prediction(*(None if x is None else torch.tensor(x) for x in answer[:2]))

    def _answer(self, xt: Tensor, t: Tensor, condition: Condition) -> Answer | str:
        asked = _arrays(xt), _arrays(t), _arrays(condition)
        for pause in (*PAUSES, None):
            try:
                return self.handle.answer.remote(self.recipe, *asked).result(timeout_s=self.patience + 10)
            except RayTaskError:
                raise
            except LOST as e:
                why = (str(e).strip() or type(e).__name__).splitlines()[0][:200]
                log.warning("no answer from a replica of %s (%s: %s)", self.recipe, type(e).__name__, why)
                if pause is None:
                    raise LessonsError(
                        f"The cluster did not answer in {TRIES} tries ({type(e).__name__}): press Run again in a while."
                    ) from e
            time.sleep(pause)


def _arrays(part: Condition):
    return {k: v.numpy() for k, v in part.items()} if isinstance(part, dict) else part.numpy()


def _tensors(part):
    """Copies: what Ray hands over cannot be written."""
    return {k: torch.tensor(v) for k, v in part.items()} if isinstance(part, dict) else torch.tensor(part)


class Networks:
    """The cluster's networks by name; see engine.Networks."""

    def __init__(self):
        self._handle = start()

    def network(self, recipe: Recipe, patience: float) -> Asked:
        return Asked(self._handle, recipe, patience)

    def stage(self, name: str, number: int, where: str) -> Stage:
        """Both stages of a DeepFloyd share a replica, which is placed at the first call, once its GPU was seen to have the memory."""
        handle = _start_on_gpu(name)
        try:
            about = handle.about.remote(name, number, where).result(timeout_s=OPENING)
        except LOST as e:
            raise LessonsError(
                f"{name} was not opened on the cluster ({type(e).__name__}): look at `ray status`, then try again."
            ) from e
        if isinstance(about, str):
            raise LessonsError(about)
        return Stage(Asked(handle, ("stage", name, number, where), PATIENCE["cuda"]), **about)


def connect(address: str = "auto") -> None:
    """Make this process one of the cluster's.

    Raises: LessonsError for an address that cannot be; ConnectionError if no cluster runs there.
    """
    if address.startswith("ray://"):
        raise LessonsError(
            f"{engine.SETTING}={address[:60]} is a Ray client's address: join this machine to the cluster and say auto."
        )
    if not ray.is_initialized():
        ray.init(address, namespace=NAMESPACE, runtime_env=environment(), log_to_driver=False, logging_level=logging.WARNING)
    logging.getLogger("ray.serve").setLevel(logging.WARNING)


def environment() -> dict:
    """What every process on the cluster is told: where the project and the runs lie, and threads that do not spin."""
    path = os.pathsep.join(filter(None, [str(places.ROOT), os.environ.get("PYTHONPATH")]))
    told = {"PYTHONPATH": path, "OMP_WAIT_POLICY": os.environ.get("OMP_WAIT_POLICY", "passive")}
    told |= {
        name: os.environ[name] for name in ("DIFFUSION_RUNS", "DEEPFLOYD_OFFLOAD", "HF_HOME", "HF_TOKEN") if name in os.environ
    }
    return {"env_vars": told}


def start() -> serve.handle.DeploymentHandle:
    """The replicas' handle. They are placed if they are not there, and more of them where nodes have come since."""
    replicas, cores = plan(processors())
    places.LINKS.parent.mkdir(parents=True, exist_ok=True)
    with holding(places.LINKS.with_name("cluster.lock")):  # replicas of the app join at the same moment
        serve.start(proxy_location="Disabled")  # nobody asks by HTTP: no port
        there = serve.status().applications.get(APP)
        if there is None or there.status.value in ("DEPLOY_FAILED", "UNHEALTHY") or _target(there) < replicas:
            serve.run(_deployment(replicas, cores).bind(), name=APP, route_prefix=None)
    return serve.get_app_handle(APP).options(_by_reference=False)


def _start_on_gpu(name: str) -> serve.handle.DeploymentHandle:
    """The handle of the replica that has a GPU for this DeepFloyd, placed if it is not there.

    Raises: LessonsError if no node has a GPU, none is free, or none has the memory.
    """
    with holding(places.LINKS.with_name("cluster.lock")):
        there = serve.status().applications.get(name)
        if there is None or there.status.value == "DEPLOY_FAILED":
            _check_memory(name)
            claim = {"num_cpus": 0, "num_gpus": 1}
            made = serve.deployment(
                Replica, name=name, max_ongoing_requests=ONGOING, graceful_shutdown_timeout_s=5, ray_actor_options=claim
            )
            serve.run(made.bind(), name=name, route_prefix=None)
    return serve.get_app_handle(name).options(_by_reference=False)


def _check_memory(name: str) -> None:
    """Raises LessonsError unless the next free GPU has the memory that this DeepFloyd needs."""
    if not ray.cluster_resources().get("GPU"):
        raise LessonsError(f"{name} needs a GPU, and no node of the cluster has one: choose another model, or add such a node.")
    seen = _free_memory.remote()
    try:
        what, free = ray.get(seen, timeout=FREE)
    except TimeoutError as e:
        ray.cancel(seen)
        raise LessonsError(f"{name} needs a GPU, and all of the cluster's are at work: try again when trainings are done.") from e
    if free < NEEDS_GB[name]:
        raise LessonsError(
            f"{name} needs about {NEEDS_GB[name]} GB of memory, and the {what} of the cluster's free node has {free:.1f}: choose IF-I-M."
        )


@ray.remote(num_cpus=0, num_gpus=1, max_calls=1)
def _free_memory() -> tuple[str, float]:
    """("GPU" or "main memory", its free GB), on a node with a GPU to give; what was declared to Ray as one need not be one."""
    if torch.cuda.is_available():
        return "GPU", torch.cuda.mem_get_info()[0] / 1e9
    return "main memory", os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9


def _target(app) -> int:
    return sum(sum(d.replica_states.values()) for d in app.deployments.values())


def processors() -> list[float]:
    """How many each living node of the cluster gives."""
    return [node["Resources"].get("CPU", 0) for node in ray.nodes() if node["Alive"]]


def plan(cpus: Sequence[float]) -> tuple[int, int]:
    """(replicas, cores of each) for nodes with so many processors; a thin node has none.

    A replica computes on its cores and claims half of them from Ray, since walks come in bursts; trainings claim the other half.
    Raises: LessonsError if there is no processor at all.
    """
    cpus = [int(n) for n in cpus if n >= 1]
    if not cpus:
        raise LessonsError("No node of the cluster has a processor to give: start one without --num-cpus=0 (docs/ray.md).")
    cores = min(CORES, *cpus)
    return sum(n // cores for n in cpus), cores


def _deployment(replicas: int, cores: int) -> serve.Deployment:
    threads = {"env_vars": {"OMP_NUM_THREADS": str(cores)}}
    return serve.deployment(
        Replica,
        name=APP,
        num_replicas=replicas,
        max_ongoing_requests=ONGOING,
        health_check_period_s=2,
        graceful_shutdown_timeout_s=5,
        ray_actor_options={"num_cpus": cores / 2, "runtime_env": threads},
    )
