"""Runs as folders: queue, pause, kill, resume, bad ids."""

import json
import os
import signal
import time
from dataclasses import replace

import pytest

from lessons_lib.errors import LessonsError
from lessons_lib.mnist.train import COURSE
from lessons_lib.runs import runs
from lessons_lib.runs.lock import is_held, take

TINY = replace(COURSE["class_conditioned"], num_hiddens=4, batch_size=20, epochs=60, num_digits=200)


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "FOLDER", tmp_path / "runs")
    yield
    for folder in runs._folders():  # leave no worker behind
        if is_held(folder / "lock"):
            runs.cancel(folder.name)
            wait_for(folder.name, "cancelled", "finished")


def wait_for(run, *statuses, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        state = runs.watch(run)
        if state.status in statuses:
            return state
        time.sleep(0.1)
    raise AssertionError(f"{run} is {state.status} at step {state.step}: {state.said}")


def wait_for_step(run, step, seconds=60):
    end = time.monotonic() + seconds
    while (state := runs.watch(run)).step < step:
        assert time.monotonic() < end, state
        time.sleep(0.1)
    return state


@pytest.mark.parametrize("bad", ["", "8616e633", "../../etc", "r123", "rzzzzzzz", "r1234567", "é" * 300, "r12345678"])
def test_unknown_run_is_one_sentence(bad):
    with pytest.raises(LessonsError, match="run"):
        runs.watch(bad)


def test_lock_is_held_by_one(tmp_path):
    held = take(tmp_path / "lock")
    assert is_held(tmp_path / "lock")
    assert take(tmp_path / "lock") is None
    held.close()
    assert not is_held(tmp_path / "lock")


def test_ids_are_never_numbers(monkeypatch):
    monkeypatch.setattr(runs, "tend", lambda: None)
    for _ in range(20):
        run = runs.start(TINY)
        with pytest.raises(ValueError, match="could not convert"):
            float(run)


def test_others_queue_and_see_their_place(monkeypatch):
    monkeypatch.setattr(runs, "tend", lambda: None)
    first, second, third = (runs.start(TINY) for _ in range(3))
    assert [runs.watch(r).place for r in (first, second, third)] == [1, 2, 3]
    runs.cancel(second)
    assert runs.watch(second).status == "cancelled"
    assert runs.watch(third).place == 2
    runs.pause(first)
    assert runs.watch(first).status == "paused"
    assert runs.watch(third).place == 1


def test_broken_progress_file_is_survived(monkeypatch):
    monkeypatch.setattr(runs, "tend", lambda: None)
    run = runs.start(TINY)
    (runs.folder_of(run) / "progress.json").write_text('{"step": 5, "sta')
    assert runs.watch(run).status == "queued"


def test_only_the_newest_ended_runs_are_kept(monkeypatch):
    monkeypatch.setattr(runs, "tend", lambda: None)
    monkeypatch.setattr(runs, "KEPT", 2)
    made = []
    for _ in range(5):
        made.append(runs.start(TINY))
        (runs.folder_of(made[-1]) / "progress.json").write_text(json.dumps({"status": "finished"}))
    runs.start(TINY)
    assert [r for r in made if (runs.FOLDER / r).exists()] == made[-2:]


def test_a_run_stopped_before_it_began_stays_stopped(monkeypatch):
    monkeypatch.setattr(runs, "tend", lambda: None)
    run = runs.start(TINY)
    runs.cancel(run)
    runs.resume(run)  # from another tab
    assert runs.watch(run).status == "cancelled"


@pytest.mark.slow
def test_many_looks_start_one_worker():
    run = runs.start(TINY)
    for _ in range(10):  # every page that draws tends, while the worker still imports torch
        runs.tend()
    _pid_of(run)
    assert runs.watch(run).status == "running"


@pytest.mark.slow
def test_pause_resume_and_cancel():
    run = runs.start(TINY)
    wait_for_step(run, 20)
    runs.pause(run)
    runs.pause(run)  # from another tab
    paused = wait_for(run, "paused")
    assert "Paused at step" in paused.said
    runs.resume(run)
    runs.resume(run)
    going = wait_for_step(run, paused.step + 10)
    assert going.status == "running"
    assert going.loss is not None
    steps, losses = going.losses
    assert steps == sorted(set(steps)), "no step stands twice after a resume"
    assert len(losses) <= runs.POINTS
    runs.cancel(run)
    assert wait_for(run, "cancelled").samples
    runs.resume(run)  # too late: changes nothing
    assert runs.watch(run).status == "cancelled"


@pytest.mark.slow
def test_killed_worker_goes_on_from_its_checkpoint():
    run = runs.start(replace(TINY, epochs=400))
    wait_for_step(run, 30)
    pid = _pid_of(run)
    os.kill(pid, signal.SIGKILL)
    dead = wait_for(run, "interrupted")
    assert "goes on from its last checkpoint" in dead.said
    last = max(int(p.stem.split("-")[1]) for p in runs.folder_of(run).glob("checkpoint-*.json"))
    runs.tend()
    going = wait_for_step(run, last + 20)
    assert going.status == "running"
    steps = [int(line.split(",")[0]) for line in (runs.folder_of(run) / "losses.csv").read_text().splitlines()[1:]]
    assert steps == sorted(set(steps))


@pytest.mark.slow
def test_checkpoint_cut_short_costs_one_checkpoint_only():
    run = runs.start(replace(TINY, epochs=400))
    wait_for_step(run, 40)
    runs.pause(run)
    wait_for(run, "paused")
    folder = runs.folder_of(run)
    newest = sorted(folder.glob("checkpoint-*.safetensors"))[-1]
    newest.write_bytes(newest.read_bytes()[:100])
    runs.resume(run)
    wait_for_step(run, 60)
    assert runs.watch(run).status == "running"


@pytest.mark.slow
def test_second_run_starts_when_the_first_ends():
    first = runs.start(replace(TINY, epochs=3))
    second = runs.start(replace(TINY, epochs=3))
    assert runs.watch(second).status == "queued"
    wait_for(first, "finished")
    runs.tend()
    assert wait_for(second, "finished").step == 30


def _pid_of(run: str) -> int:
    import subprocess

    found = subprocess.run(["pgrep", "-f", f"runs.worker .*{run}"], capture_output=True, text=True).stdout.split()
    assert len(found) == 1, found
    return int(found[0])
