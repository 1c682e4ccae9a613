"""The app on a cluster of Ray: three nodes on this machine, one of them thin, and what happens when replicas and nodes are killed.

The first node has no processor to give, as a machine that only serves pages; the two others compute. They are real nodes with
processes of their own, so that a killed one is a killed machine, but for the network between them.
"""

import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch

from lessons_lib import engine
from lessons_lib.errors import LessonsError
from lessons_lib.files.checkpoints import checkpoint_files
from lessons_lib.files.lock import is_held
from lessons_lib.lessons import _digits
from lessons_lib.lessons._common import from_noise, noise
from lessons_lib.lessons.sampling import upscale
from lessons_lib.maths.samplers import Step
from lessons_lib.mnist import Digits
from lessons_lib.models.digits import COURSE, last_epoch
from lessons_lib.models.opening import open_model
from lessons_lib.training import runs
from lessons_lib.training.own_pictures import Pictures

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install -r requirements-cluster.txt")
cluster_utils = pytest.importorskip("ray.cluster_utils")

from lessons_lib.cluster import networks, trainings  # noqa: E402, they need ray

pytestmark = pytest.mark.slow
PATIENCE = 240  # seconds; a busy machine may need them
SESSIONS = 12
NODE = {"object_store_memory": 80 * 2**20}  # the least that Ray takes is 75 MB
WATCHED = replace(COURSE["one_step"], num_hiddens=8, batch_size=50, epochs=20, num_digits=500)  # 200 steps, a checkpoint every 10


def wait_until(true, what, seconds=PATIENCE):
    end = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.1)
    return found


@pytest.fixture(scope="module")
def runs_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("shared") / "runs"


def add(cluster, **node):
    """Another node. Where a machine has much else to do, one that is not up within Ray's own 15 seconds gives up: then once more."""
    for left in (2, 1, 0):
        try:
            return cluster.add_node(**node, **NODE)
        except Exception:
            if not left:
                raise


@pytest.fixture(scope="module")
def cluster(runs_folder):
    """A thin node and two that compute, this process joined to it. All of its processes are gone afterwards."""
    busy = {"RAY_agent_register_timeout_ms": "120000"}  # it may be long until a node's agent is up
    os.environ.update({"RAY_USAGE_STATS_ENABLED": "0", **busy})
    made = cluster_utils.Cluster()
    try:
        add(made, num_cpus=0, include_dashboard=False)
        for _ in range(2):
            add(made, num_cpus=1)
        engine.begin(lambda: trainings.join(made.address, runs_folder))
        engine.current()
        engine.end()
        yield made
    finally:
        engine.end()
        ray.shutdown()
        made.shutdown()


@pytest.fixture
def joined(cluster, runs_folder, monkeypatch):
    """This test's process asks the cluster."""
    monkeypatch.setattr(runs, "FOLDER", runs_folder)
    engine.begin(lambda: trainings.join(cluster.address, runs_folder))
    yield cluster
    engine.end()


def replicas() -> list:
    """Serve's own record of the replicas that run: pid and node_id."""
    from ray.serve.context import _get_global_client

    details = _get_global_client().get_serve_details()["applications"][networks.APP]["deployments"][networks.APP]
    return [r for r in details["replicas"] if r["state"] == "RUNNING"]


def digits_steps(seed: int) -> Iterator[Step]:
    model = open_model("mnist")
    timesteps = model.schedule.spaced_timesteps(6)
    return from_noise(model, str(seed % 10), [seed], guidance_scale=3.0, timesteps=timesteps)


def digits_walk(seed: int) -> torch.Tensor:
    *_, last = digits_steps(seed)
    return last.x_prev


def flow_walk() -> torch.Tensor:
    network, settings = _digits.shared("flow_matching", last_epoch("flow_matching"))
    xt, _ = noise(_digits.SHAPE, [1, 2, 3])
    *_, last = settings.objective.walk(_digits.of_digits(network, [3, 8, 5], 2.0), xt, 5)
    return last.x_prev


def emoji_walk() -> torch.Tensor:
    model = open_model("emoji")
    *_, small = from_noise(model, "a pear", [1, 2, 3], timesteps=[990, 600, 300, 0])
    upscaler = model.upscaler()
    *_, large = upscale(upscaler, small.x_prev.clamp(-1, 1), "a pear", [1, 2, 3], timesteps=[800, 400, 0])
    return large.x_prev


@pytest.mark.parametrize("walk", [lambda: digits_walk(7), flow_walk, emoji_walk], ids=["digits", "flow", "both stages"])
def test_the_same_walk_bit_for_bit_here_and_on_the_cluster(cluster, runs_folder, walk):
    here = walk()
    engine.begin(lambda: trainings.join(cluster.address, runs_folder))
    try:
        with engine.noting() as places:
            there = walk()
    finally:
        engine.end()
    assert places
    assert torch.equal(here, there)


class Sessions:
    """Twelve people who walk again and again, each a thread; every walk is held against the same one computed here before."""

    def __init__(self, right: dict[int, torch.Tensor]):
        self.right, self.over = right, threading.Event()
        self.walks, self.answers, self.wrong, self.lost, self.slowest = [0] * SESSIONS, 0, [], [], 0.0
        self.threads = [threading.Thread(target=self._walk, args=(i,)) for i in range(SESSIONS)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *error):
        self.over.set()
        for thread in self.threads:
            thread.join(PATIENCE)

    def _walk(self, i: int) -> None:
        while not self.over.is_set():
            began = time.monotonic()
            try:
                for step in digits_steps(i):
                    self.answers += 1
                    self.slowest = max(self.slowest, time.monotonic() - began)
                    began, last = time.monotonic(), step.x_prev
            except Exception as e:
                self.lost.append(repr(e))
                return
            if not torch.equal(last, self.right[i]):
                self.wrong.append(i)
            self.walks[i] += 1

    def each_walks_again(self, times: int) -> None:
        before = list(self.walks)
        wait_until(lambda: self.lost or all(n >= b + times for n, b in zip(self.walks, before, strict=True)), "all to walk again")


def test_a_replica_and_then_a_node_are_killed_under_twelve_sessions(cluster, runs_folder, request, capsys):
    right = {i: digits_walk(i) for i in range(SESSIONS)}
    joined = request.getfixturevalue("joined")
    wait_until(lambda: len(replicas()) == 2, "two replicas")
    with Sessions(right) as sessions:
        sessions.each_walks_again(2)
        calm, sessions.slowest = sessions.slowest, 0.0
        os.kill(replicas()[0]["pid"], signal.SIGKILL)
        sessions.each_walks_again(3)
        wait_until(lambda: len(replicas()) == 2, "the replica to be back")
        replica_died, sessions.slowest = sessions.slowest, 0.0
        node = replicas()[-1]["node_id"]
        joined.remove_node(next(n for n in joined.worker_nodes if n.node_id == node), allow_graceful=False)
        sessions.each_walks_again(3)
        node_died = sessions.slowest
    add(joined, num_cpus=1)
    assert not sessions.lost
    assert not sessions.wrong
    assert min(sessions.walks) >= 8
    with capsys.disabled():
        print(
            f"\n{sessions.answers} answers to {SESSIONS} sessions, none lost, none wrong; the slowest {calm:.1f} s before, "
            f"{replica_died:.1f} s when a replica was killed, {node_died:.1f} s when a node was"
        )


def test_what_a_network_raises_is_told_and_is_not_asked_again(joined, monkeypatch):
    asked = engine.current().networks.network(("digits", "rabcdef0", 3), 60)
    x = torch.zeros(1, 1, 28, 28)
    with pytest.raises(LessonsError, match="rabcdef0 is not on this machine"):
        asked(x, torch.zeros(1, dtype=torch.long), torch.zeros(1, 10))
    asked = engine.current().networks.network(("model", "mnist"), 60)
    monkeypatch.setattr(networks, "PAUSES", (PATIENCE, PATIENCE))
    with pytest.raises(RuntimeError):
        asked(x, torch.zeros(1, dtype=torch.long), torch.zeros(1, 3))


def test_a_training_survives_its_nodes_death(joined):
    g = torch.Generator().manual_seed(0)
    pictures = torch.randint(0, 256, (500, 1, 28, 28), generator=g, dtype=torch.uint8)
    own = Pictures(Digits(pictures, torch.arange(500) % 10, "made-up digits"), tuple("0123456789"), ())
    wait_until(lambda: sum(networks.processors()) == 2, "two nodes that compute")
    run = runs.start(WATCHED, pictures=own)
    folder = runs.folder_of(run)
    wait_until(lambda: checkpoint_files(folder), "a first checkpoint")
    assert runs.watch(run).status == "running"
    node = (folder / "node").read_text()
    joined.remove_node(next(n for n in joined.worker_nodes if n.node_id == node), allow_graceful=False)
    wait_until(lambda: not is_held(folder / "lock"), "the worker to be gone with its node")
    left = max(int(p.stem.split("-")[1]) for p in checkpoint_files(folder))
    add(joined, num_cpus=1)
    wait_until(lambda: runs.watch(run).status == "finished", "the training to be done")  # no page is open: nobody tends it
    assert 10 <= left < 200
    steps = [int(line.split(",")[0]) for line in (folder / "losses.csv").read_text().splitlines()[1:]]
    assert steps == list(range(1, 201))
    assert (folder / "node").read_text() != node
