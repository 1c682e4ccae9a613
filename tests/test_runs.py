"""Runs as folders: queue, pause, kill, resume, bad ids, full disks, broken files, two tabs and two servers at once."""

import errno
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing, suppress
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from lessons_lib.errors import LessonsError
from lessons_lib.files import checkpoints
from lessons_lib.files.lock import is_held, take
from lessons_lib.mnist import Digits
from lessons_lib.models.digits import COURSE
from lessons_lib.training import digits as mnist_train
from lessons_lib.training import runs, worker
from tests.pages import address, opened, press

TINY = replace(COURSE["class_conditioned"], num_hiddens=4, batch_size=20, epochs=60, num_digits=200, T=20)  # small and quick
SHORT = replace(TINY, network="one_step", epochs=3)  # 30 steps, a checkpoint every 10

# a real worker that does not stand back for others: on a machine with much to do it would never have its turn
EAGER = """
import sys
from pathlib import Path
from lessons_lib.training import worker
worker.give_way = lambda: None
worker.process(Path(sys.argv[1]), *map(int, sys.argv[2:]))
"""
# a worker without torch, there within milliseconds: 20 steps a second, a checkpoint every second one
PUPPET = """
import json, os, pathlib, sys, time
folder = pathlib.Path(sys.argv[1])
(folder / "starts").open("a").write(f"{os.getpid()}\\n")
def write(name, text):
    (folder / ".part").write_text(text)
    os.replace(folder / ".part", folder / name)
kept = sorted(folder.glob("checkpoint-*.json"))
step = int(kept[-1].stem.split("-")[1]) if kept else 0
while folder.exists():
    step += 1
    if step % 2 == 0:
        write(f"checkpoint-{step:08d}.json", "{}")
    wanted = (folder / "wanted").read_bytes().decode(errors="replace")
    status = {"pause": "paused", "cancel": "cancelled"}.get(wanted, "running")
    write("progress.json", json.dumps({"status": status, "step": step, "total_steps": 100000}))
    if status != "running":
        break
    time.sleep(0.05)
"""


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "FOLDER", tmp_path / "runs")
    monkeypatch.setattr(runs, "WORKER", (sys.executable, "-c", EAGER))
    yield
    for folder in runs._folders():  # leave no worker behind
        if is_held(folder / "lock"):
            (folder / "wanted").write_text("cancel")
            wait_until(lambda folder=folder: not is_held(folder / "lock"))


@pytest.fixture
def no_worker(monkeypatch):
    monkeypatch.setattr(runs, "_start_waiting", lambda: "")


@pytest.fixture
def puppet(tmp_path, monkeypatch):
    """Workers without torch. Call it to give them another script: puppet("sys.exit(1)")."""

    def use(script: str = PUPPET) -> None:
        (tmp_path / "puppet.py").write_text(script)

    use()
    monkeypatch.setattr(runs, "WORKER", (sys.executable, "-S", str(tmp_path / "puppet.py")))
    return use


@pytest.fixture
def here(monkeypatch):
    """The real worker in a thread of this process, which has torch already. The list counts the workers started."""
    started = []

    def popen(command, **how):
        fd = os.dup(int(command[-1]))
        started.append(threading.Thread(target=worker.main, args=(Path(command[-2]), fd)))
        started[-1].start()

    monkeypatch.setattr(runs, "subprocess", SimpleNamespace(Popen=popen, DEVNULL=subprocess.DEVNULL))
    monkeypatch.setattr(worker, "EVERY", 0)
    monkeypatch.setattr(worker, "GRIDS", 2)
    noise = torch.randint(256, (200, 1, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    digits = Digits(noise, torch.arange(200) % 10, "made-up digits")
    monkeypatch.setattr(worker, "load_digits", lambda *where: digits)
    monkeypatch.setattr(os, "fsync", lambda fd: None)  # nobody cuts the power here
    yield started
    for thread in started:
        thread.join()


def at_step(monkeypatch, step, act):
    """Do something in the worker just after its training has made that step."""

    def hooked(*args, **more):
        with closing(mnist_train.train(*args, **more)) as run:
            for p in run:
                if p.step == step:
                    act()
                yield p

    monkeypatch.setattr(worker, "train", hooked)


def wait_until(true, seconds=300):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def wait_for(run, *statuses, seconds=300):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        state = runs.watch(run)
        if state.status in statuses:
            return state
        time.sleep(0.02)
    raise AssertionError(f"{run} is {state.status} at step {state.step}: {state.said}")


def wait_for_step(run, step, seconds=300):
    end = time.monotonic() + seconds
    while (state := runs.watch(run)).step < step:
        assert time.monotonic() < end, state
        time.sleep(0.02)
    return state


def living():
    return [p for p in runs._folders() if is_held(p / "lock")]


def steps_in_curve(run):
    return [int(line.split(",")[0]) for line in (runs.folder_of(run) / "losses.csv").read_text().splitlines()[1:]]


def no_space(*args, **more):
    raise OSError(errno.ENOSPC, "No space left on device")


def open_on_full(path, mode="r", *args, **more):
    return open(path, mode, *args, **more) if mode in ("r", "rb") else no_space()


# ---- ids, the lock, the queue ----


@pytest.mark.parametrize("bad", ["", "8616e633", "../../etc", "r123", "rzzzzzzz", "r1234567", "é" * 300, "r12345678"])
def test_unknown_run_is_one_sentence(bad):
    for ask in (runs.watch, runs.pause, runs.resume, runs.cancel):
        with pytest.raises(LessonsError, match="run"):
            ask(bad)


def test_lock_is_held_by_one(tmp_path):
    assert not is_held(tmp_path / "lock")
    held = take(tmp_path / "lock")
    assert is_held(tmp_path / "lock")
    assert take(tmp_path / "lock") is None
    held.close()
    assert not is_held(tmp_path / "lock")


def test_looking_at_a_lock_never_looks_like_holding_it(tmp_path):
    """A page that looks must not make another page believe that the run lives, nor keep a worker from its lock."""
    take(tmp_path / "lock").close()
    seen, stop = [], threading.Event()

    def look():
        while not stop.is_set():
            seen.append(is_held(tmp_path / "lock"))

    lookers = [threading.Thread(target=look) for _ in range(4)]
    for thread in lookers:
        thread.start()
    wait_until(lambda: len(seen) > 400)
    stop.set()
    for thread in lookers:
        thread.join()
    assert not any(seen)


@pytest.mark.usefixtures("no_worker")
def test_ids_are_never_numbers():
    for _ in range(20):
        run = runs.start(TINY)
        with pytest.raises(ValueError, match="could not convert"):
            float(run)


@pytest.mark.usefixtures("no_worker")
def test_others_queue_and_see_their_place():
    first, second, third = (runs.start(TINY) for _ in range(3))
    assert [runs.watch(r).place for r in (first, second, third)] == [1, 2, 3]
    runs.cancel(second)
    assert runs.watch(second).status == "cancelled"
    assert runs.watch(third).place == 2
    runs.pause(first)
    assert runs.watch(first).status == "paused"
    assert runs.watch(third).place == 1


@pytest.mark.usefixtures("no_worker")
def test_only_the_newest_ended_runs_are_kept(monkeypatch):
    monkeypatch.setattr(runs, "KEPT", 2)
    made = []
    for i in range(5):
        made.append(runs.start(TINY))
        if i % 2:
            (runs.folder_of(made[-1]) / "progress.json").write_text(json.dumps({"status": "finished"}))
        else:
            runs.cancel(made[-1])  # before it began
    runs.start(TINY)
    assert [r for r in made if (runs.FOLDER / r).exists()] == made[-2:]


@pytest.mark.usefixtures("no_worker")
def test_a_run_stopped_before_it_began_stays_stopped():
    run = runs.start(TINY)
    runs.cancel(run)
    for press_late in (runs.resume, runs.pause):  # from another tab
        press_late(run)
        assert runs.watch(run).status == "cancelled"


def test_nothing_of_a_run_is_left_where_none_can_be_started(monkeypatch, tmp_path):
    with monkeypatch.context() as full:
        full.setattr(checkpoints, "open", open_on_full, raising=False)
        with pytest.raises(LessonsError, match="No space left.*Free some disk space"):
            runs.start(TINY)
    assert runs.last_runs() == []
    assert [p.name for p in runs.FOLDER.iterdir()] == ["lock"]
    monkeypatch.setattr(runs, "FOLDER", tmp_path / "file")
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(LessonsError, match="No run can be started"):
        runs.start(TINY)
    assert runs.tend() == ""
    assert runs.last_runs() == []


# ---- two at once ----


def test_tabs_that_press_train_at_once_start_one_and_queue_the_others(monkeypatch, puppet):
    """Old: each saw a free place before any took it, and each counted the same last order."""
    queue, place = runs._queue, threading.local()

    def slow_queue():
        time.sleep(getattr(place, "i", 0) * 0.05)  # so that each comes when the one before has taken its lock
        return queue()

    def press_train(i):
        place.i = i
        together.wait()
        runs.start(TINY)

    monkeypatch.setattr(runs, "_queue", slow_queue)
    together = threading.Barrier(6)
    tabs = [threading.Thread(target=press_train, args=(i,)) for i in range(6)]
    for tab in tabs:
        tab.start()
    for tab in tabs:
        tab.join()
    assert sorted(runs._order(p) for p in runs._folders()) == [1, 2, 3, 4, 5, 6]
    assert len(living()) == runs.AT_ONCE == 1
    assert sorted(runs.watch(r).place for r in runs.last_runs(9)) == [0, 1, 2, 3, 4, 5]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_servers_that_start_at_once_start_one_and_queue_the_others(puppet):
    fork = multiprocessing.get_context("fork")
    together = fork.Barrier(4)

    def server():
        together.wait()
        for _ in range(3):
            runs.start(TINY)
            runs.tend()

    servers = [fork.Process(target=server) for _ in range(4)]
    for s in servers:
        s.start()
    for s in servers:
        s.join()
        assert s.exitcode == 0
    assert sorted(runs._order(p) for p in runs._folders()) == list(range(1, 13))
    assert len(living()) == 1


def test_where_no_lock_can_be_handed_on_one_worker_starts_all_the_same(monkeypatch, puppet):
    """As on Windows: the worker takes its lock itself, seconds later."""
    own_lock = "import fcntl, pathlib, sys, time; time.sleep(0.5); f = open(pathlib.Path(sys.argv[1]) / 'lock', 'a')\n"
    puppet(own_lock + "fcntl.flock(f, fcntl.LOCK_EX)\n" + PUPPET)
    monkeypatch.setattr(runs, "INHERITED", False)
    run, second = runs.start(TINY), runs.start(TINY)
    for _ in range(10):
        runs.tend()
    wait_for_step(run, 3)
    assert len((runs.folder_of(run) / "starts").read_text().splitlines()) == 1
    assert runs.watch(second).status == "queued"


def test_of_many_tabs_the_last_press_counts_and_stopped_stays_stopped(puppet):
    run = runs.start(TINY)
    wait_for_step(run, 2)
    for _ in range(3):
        runs.pause(run)
        runs.resume(run)
    going = wait_for_step(run, runs.watch(run).step + 3)  # a resume while it still pauses counts as well
    assert going.status == "running"
    runs.resume(run)
    runs.pause(run)
    assert wait_for(run, "paused").said.startswith("Paused at step")
    runs.resume(run)
    wait_for_step(run, runs.watch(run).step + 2)

    def hammer(*presses):
        for _ in range(30):
            for one in presses:
                one(run)

    tabs = [threading.Thread(target=hammer, args=presses) for presses in ((runs.pause, runs.resume), (runs.resume, runs.pause))]
    for tab in tabs:
        tab.start()
    runs.cancel(run)
    for tab in tabs:
        tab.join()
    wait_until(lambda: not living())
    runs.tend()
    assert runs.watch(run).status == "cancelled"
    assert not living()
    assert "Stopped at step" in runs.watch(run).said


# ---- the worker dies, or its server ----


DEATHS = {
    "killed": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    "crashes at import": "raise ModuleNotFoundError(\"No module named 'torch'\")",
    "crashes after a word": '(folder / \'progress.json\').write_text(\'{"status": "running", "step": 5}\'); sys.exit(3)',
}
COUNTED = "import pathlib, sys; folder = pathlib.Path(sys.argv[1]); (folder / 'starts').open('a').write('x')\n"


def tend_and_wait(times):
    wait_until(lambda: not living())
    for _ in range(times):
        runs.tend()
        wait_until(lambda: not living())


@pytest.mark.parametrize("death", DEATHS)
def test_a_worker_that_dies_at_each_start_is_given_up(puppet, death):
    puppet(COUNTED + DEATHS[death])
    run = runs.start(TINY)
    wait_until(lambda: not living())
    assert runs.watch(run).status == "interrupted"
    tend_and_wait(6)
    state, starts = runs.watch(run), runs.folder_of(run) / "starts"
    assert state.status == "failed"
    assert "ended 3 times in a row" in state.said
    assert "memory" in state.said
    assert ("No module named 'torch'" in state.said) == (death == "crashes at import")
    assert len(starts.read_text()) == runs.TRIES
    assert state.step == (5 if death == "crashes after a word" else 0)
    puppet()  # whatever it was is mended
    runs.resume(run)
    wait_for_step(run, 3)
    assert runs.watch(run).status == "running"


def test_tried_again_it_has_all_its_tries_again(puppet):
    puppet(COUNTED + DEATHS["killed"])
    run = runs.start(TINY)
    tend_and_wait(6)
    runs.resume(run)
    tend_and_wait(6)
    assert runs.watch(run).status == "failed"
    assert len((runs.folder_of(run) / "starts").read_text()) == 2 * runs.TRIES


def test_a_worker_that_gets_further_each_time_is_not_given_up(puppet):
    further = "n = len((folder / 'starts').read_text()); (folder / f'checkpoint-{n:08d}.json').write_text('{}')\n"
    puppet(COUNTED + further + DEATHS["killed"])
    run = runs.start(TINY)
    tend_and_wait(8)
    assert runs.watch(run).status == "interrupted"
    assert len((runs.folder_of(run) / "starts").read_text()) == 9


def test_a_run_that_is_given_up_lets_the_next_begin(puppet, monkeypatch):
    puppet("import sys\nif sys.argv[1].endswith(open(sys.argv[0] + '.bad').read()): sys.exit(1)\n" + PUPPET)
    bad_name = Path(runs.WORKER[-1] + ".bad")
    bad_name.write_text("nobody")
    monkeypatch.setattr(runs, "AT_ONCE", 0)
    bad, good = runs.start(TINY), runs.start(TINY)
    monkeypatch.setattr(runs, "AT_ONCE", 1)
    bad_name.write_text(bad)
    tend_and_wait(runs.TRIES)
    assert runs.watch(bad).status == "interrupted"
    runs.tend()
    assert runs.watch(bad).status == "failed"
    wait_for_step(good, 2)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("worker_too", [False, True])
def test_a_killed_server_takes_no_run_with_it(puppet, worker_too):
    hear, tell = multiprocessing.Pipe(duplex=False)

    def server():
        tell.send(runs.start(TINY))
        time.sleep(300)

    process = multiprocessing.get_context("fork").Process(target=server)
    process.start()
    run = hear.recv()
    wait_for_step(run, 4)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    starts = runs.folder_of(run) / "starts"
    if worker_too:  # a service manager ends the whole group
        os.kill(int(starts.read_text()), signal.SIGKILL)
        dead = wait_for(run, "interrupted")
        assert "goes on from its last checkpoint" in dead.said
    before = runs.watch(run).step
    assert runs.tend() == ""  # the new server's first page
    assert wait_for_step(run, before + 3).status == "running"
    assert len(starts.read_text().splitlines()) == 1 + worker_too
    runs.pause(run)  # and it is steered from there
    wait_for(run, "paused")


def test_the_clock_may_be_set_back(monkeypatch, here):
    """Old and new files change places by the clock, and it goes back an hour at every look; nothing minds."""
    clock = iter(range(2_000_000_000, 0, -3600))

    def back_an_hour():
        return float(next(clock))

    monkeypatch.setattr(time, "time", back_an_hour)
    monkeypatch.setattr(time, "time_ns", lambda: int(back_an_hour()) * 10**9)
    made = [runs.start(SHORT) for _ in range(3)]
    for i, run in enumerate(made):
        for path in runs.folder_of(run).iterdir():
            os.utime(path, (10**9 - i * 10**6, 10**9 - i * 10**6))
    assert runs.last_runs() == made[::-1]
    for run in made:
        wait_for(run, "finished")
        here[-1].join()
        assert steps_in_curve(run) == list(range(1, 31))
        for path in runs.folder_of(run).iterdir():
            os.utime(path, (1, 1))
        runs.tend()
    assert len(here) == 3


# ---- checkpoints and full disks, through the real worker ----


def weights_of(run):
    about, tensors = checkpoints.load_checkpoint(runs.folder_of(run))
    return about["step"], tensors


def test_a_checkpoint_cut_short_while_the_worker_is_dead_costs_that_checkpoint_only(monkeypatch, here):
    unbroken = runs.start(SHORT)
    wait_for(unbroken, "finished")
    here[-1].join()
    run = None

    def die():
        shutil.copytree(runs.folder_of(run), runs.FOLDER / "as it was")  # what a killed worker leaves behind
        raise KeyboardInterrupt

    at_step(monkeypatch, 25, die)
    run = runs.start(SHORT)
    here[-1].join()
    folder = runs.folder_of(run)
    shutil.rmtree(folder)
    (runs.FOLDER / "as it was").rename(folder)
    assert runs.watch(run).status == "interrupted"
    newest, before = checkpoints.checkpoint_files(folder)
    assert (newest.stem, before.stem) == ("checkpoint-00000020", "checkpoint-00000010")
    weights = newest.with_suffix(".safetensors")
    weights.write_bytes(weights.read_bytes()[:100])
    first = []
    monkeypatch.setattr(worker, "train", lambda *a, **k: (first.append(p.step) or p for p in mnist_train.train(*a, **k)))
    runs.tend()
    wait_for(run, "finished")
    here[-1].join()
    assert first == list(range(11, 31))
    assert steps_in_curve(run) == list(range(1, 31)), "no step is missing, none stands twice"
    (step, one), (same, other) = weights_of(run), weights_of(unbroken)
    assert step == same == 30
    assert all((one[k] == other[k]).all() for k in other), "to the bit as if nothing had happened"


@pytest.fixture
def disk(monkeypatch):
    """Call it to fill the disk: no file can be made or grow. Its .free() gives the space back."""
    patches = pytest.MonkeyPatch()

    def full():
        patches.setattr(checkpoints, "open", open_on_full, raising=False)
        patches.setattr(checkpoints, "save_file", no_space)
        patches.setattr(mnist_train, "open", open_on_full, raising=False)

    full.free = patches.undo
    yield full
    patches.undo()


def test_a_full_disk_is_said_and_once_there_is_space_it_is_tried_again(monkeypatch, here, disk):
    at_step(monkeypatch, 25, disk)
    run = runs.start(SHORT)
    failed = wait_for(run, "failed")
    here[-1].join()
    assert "No space left on device. Free some disk space" in failed.said
    assert failed.step == 25
    for _ in range(3):
        assert runs.tend() == ""
    assert len(here) == 1, "not started again by itself"
    with pytest.raises(LessonsError, match="Free some disk space"):
        runs.resume(run)  # still full
    assert runs.watch(run).said == failed.said
    assert weights_of(run)[0] == 20
    disk.free()
    monkeypatch.setattr(worker, "train", mnist_train.train)
    runs.resume(run)
    done = wait_for(run, "finished")
    assert (done.said, done.step) == ("", 30)
    assert steps_in_curve(run) == list(range(1, 31))


def test_a_run_that_is_done_says_so_on_a_full_disk(monkeypatch, here, disk):
    say = runs.say

    def full_at_the_end(folder, progress):
        if progress["status"] == "finished":
            disk()
        say(folder, progress)

    monkeypatch.setattr(runs, "say", full_at_the_end)
    assert wait_for(runs.start(SHORT), "finished").step == 30


def test_where_not_even_failed_can_be_written_it_is_not_started_again_until_there_is_space(monkeypatch, here, disk):
    run = None

    def full():
        (runs.FOLDER / run / "spare").unlink()
        disk()

    at_step(monkeypatch, 25, full)
    monkeypatch.setattr(runs.secrets, "token_hex", lambda n: "00000abc")
    run = "r0000abc"
    assert runs.start(SHORT) == run
    here[-1].join()
    assert runs.watch(run).status == "interrupted"
    for _ in range(5):
        assert "No space left on device. Free some disk space" in runs.tend()
    assert len(here) == 1
    disk.free()
    monkeypatch.setattr(worker, "train", mnist_train.train)
    assert runs.tend() == ""
    wait_for(run, "finished")
    assert steps_in_curve(run) == list(range(1, 31))


def test_a_disk_that_is_really_full(tmp_path, monkeypatch, here):
    small = tmp_path / "small"
    small.mkdir()
    made = shutil.which("mount") and subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", small], capture_output=True)
    if not made or made.returncode:
        pytest.skip("a small disk can be mounted by root only")
    try:
        monkeypatch.setattr(runs, "FOLDER", small / "runs")

        def fill():
            with suppress(OSError), open(small / "fill", "wb", buffering=0) as f:
                while f.write(b"x" * 4096):
                    pass

        at_step(monkeypatch, 25, fill)
        run = runs.start(SHORT)
        failed = wait_for(run, "failed")
        here[-1].join()
        assert "No space left on device" in failed.said
        assert "Free some disk space" in failed.said
        assert weights_of(run)[0] >= 20
        assert runs.tend() == ""
        assert len(here) == 1
        (small / "fill").unlink()
        monkeypatch.setattr(worker, "train", mnist_train.train)
        runs.resume(run)
        wait_for(run, "finished")
        here[-1].join()
        assert steps_in_curve(run) == list(range(1, 31))
    finally:
        for thread in here:
            thread.join()
        subprocess.run(["umount", "-l", small])


def test_what_fails_is_said_and_can_be_tried_again(monkeypatch, here):
    def no_memory():
        raise MemoryError  # which has no words of its own

    at_step(monkeypatch, 15, no_memory)
    run = runs.start(SHORT)
    failed = wait_for(run, "failed")
    here[-1].join()
    assert "memory ran out" in failed.said
    assert "smaller batch_size" in failed.said
    runs.pause(run)  # from a tab that does not know yet
    assert runs.watch(run).status == "failed"
    monkeypatch.setattr(worker, "train", mnist_train.train)
    runs.resume(run)
    assert wait_for(run, "finished").said == ""
    assert steps_in_curve(run) == list(range(1, 31))


def test_failed_and_stopped_stays_stopped(monkeypatch, here):
    def break_it():
        raise ValueError("a surprise")

    at_step(monkeypatch, 5, break_it)
    run = runs.start(SHORT)
    assert wait_for(run, "failed").said == "Training ended: ValueError: a surprise"
    runs.cancel(run)
    runs.resume(run)
    assert runs.watch(run).status == "cancelled"
    assert len(here) == 1


def test_other_digits_than_it_began_with_are_refused_in_one_sentence(monkeypatch, here):
    run = runs.start(replace(TINY, epochs=200))
    wait_for_step(run, 12)
    runs.pause(run)
    data = wait_for(run, "paused").data
    here[-1].join()
    load = worker.load_digits
    monkeypatch.setattr(worker, "load_digits", lambda *a: replace(load(*a), source="others"))
    runs.resume(run)
    assert wait_for(run, "failed").said == f"This run began with {data}, and now there is others: start a new one with Train."


def test_a_run_whose_folder_is_deleted_ends_and_leaves_nothing(here):
    run = runs.start(replace(TINY, epochs=200))
    wait_for_step(run, 12)
    folder = runs.folder_of(run)
    while folder.exists() and here[-1].is_alive():
        shutil.rmtree(folder, ignore_errors=True)
    here[-1].join(60)
    assert not here[-1].is_alive()
    assert not folder.exists()


def test_a_run_deleted_while_its_worker_begins_leaves_nothing(monkeypatch, here, tmp_path):
    start = runs.take
    monkeypatch.setattr(runs, "take", lambda path: (path.with_name("start.json").unlink(missing_ok=True), start(path))[1])
    runs.start(SHORT)
    here[-1].join(60)
    assert [p.name for p in runs.FOLDER.iterdir()] == ["lock"]
    (tmp_path / "mine").mkdir()  # and no other folder is ever taken for a deleted run
    worker.main(tmp_path / "mine")
    assert (tmp_path / "mine").exists()


def test_a_run_says_what_it_is_about_to_do(puppet):
    puppet("import time; time.sleep(60)")  # torch takes its time to be imported
    run = runs.start(TINY)
    assert (runs.watch(run).status, runs.watch(run).said) == ("running", "Beginning ...")
    runs.pause(run)
    assert runs.watch(run).said.startswith("Pausing")
    runs.cancel(run)
    assert runs.watch(run).said == "Stopping ..."
    (pid,) = pids_of(run)
    os.kill(pid, signal.SIGKILL)
    assert wait_for(run, "cancelled").said == "Stopped before its first step."


# ---- broken files ----

BROKEN = {
    "empty": b"",
    "cut short": b'{"settings": {"netw',
    "no text": b"\xff\xfe\x00\x80",
    "a list": b"[]",
    "null": b"null",
    "another version": json.dumps({"settings": asdict(TINY) | {"hello": 1}, "data": None, "status": 5, "step": "x"}).encode(),
    "wrong kinds": json.dumps({"settings": asdict(TINY) | {"epochs": "ten"}, "data": None, "step": [1]}).encode(),
}


@pytest.mark.parametrize("how", BROKEN)
@pytest.mark.parametrize("name", ["start.json", "progress.json", "order", "wanted", "tries", "losses.csv", "samples-0000010.png"])
def test_a_broken_file_harms_no_other_run(puppet, monkeypatch, name, how):
    monkeypatch.setattr(runs, "AT_ONCE", 0)
    broken, other = runs.start(TINY), runs.start(TINY)
    (runs.folder_of(broken) / name).write_bytes(BROKEN[how])
    (runs.FOLDER / "notes of mine").mkdir()
    shutil.copytree(runs.folder_of(other), runs.FOLDER / f"copy of {other}")
    assert sorted(runs.last_runs()) == sorted([broken, other])
    assert runs.watch(other).status == "queued"
    if name == "start.json":
        with pytest.raises(LessonsError, match=f"Run {broken} cannot be read.*Start a new one with Train"):
            runs.watch(broken)
    else:
        state = runs.watch(broken)
        assert state.status == "queued"
        assert ("progress.json is broken" in state.said) == (name == "progress.json")
    monkeypatch.setattr(runs, "AT_ONCE", 1)
    assert runs.tend() == ""
    third = runs.start(TINY)
    assert runs.last_runs()[0] == third
    if name == "start.json":
        wait_for_step(other, 2)
        with pytest.raises(LessonsError, match="start.json"):
            runs.resume(broken)
        for late in (runs.pause, runs.cancel):
            late(broken)
    else:
        wait_for_step(broken, 2)
    assert len(living()) == 1


def test_a_finished_run_whose_last_word_is_lost_finishes_again(here):
    run = runs.start(SHORT)
    wait_for(run, "finished")
    here[-1].join()
    (runs.folder_of(run) / "progress.json").write_bytes(b"")
    runs.tend()
    here[-1].join()
    state = runs.watch(run)
    assert (state.status, state.step, state.epoch) == ("finished", 30, 3)
    assert steps_in_curve(run) == list(range(1, 31))


# ---- the page ----


def labels(at):
    return [b.label for b in at.button if b.label in ("Pause", "Resume", "Stop", "Try again", "Take it up again")]


def sentences(at):
    assert not at.exception
    return [e.value for e in at.error]


def test_the_page_offers_what_can_be_done(puppet):
    run = runs.start(TINY)
    wait_for_step(run, 2)
    second = runs.start(TINY)
    assert labels(opened("train", run=run)) == ["Pause", "Stop"]
    at = opened("train", run=second)
    assert labels(at) == ["Pause", "Stop"]
    assert any("next in the queue" in c.value for c in at.caption)
    at = press(opened("train", run=run), "Pause")
    wait_for(run, "paused")
    assert labels(at.run()) == ["Resume", "Stop"]
    press(at, "Stop")
    assert labels(at) == ["Take it up again"]
    assert sentences(at) == []
    assert runs.watch(run).status == "cancelled"


def test_a_stopped_run_is_taken_up_again(puppet):
    run = runs.start(TINY)
    wait_for_step(run, 4)
    runs.cancel(run)
    stopped = wait_for(run, "cancelled").step
    runs.resume(run)  # a late press in another tab
    assert runs.watch(run).status == "cancelled"
    at = press(opened("train", run=run), "Take it up again")
    assert sentences(at) == []
    assert wait_for_step(run, stopped + 2).status == "running"
    runs.take_up(run)  # changes nothing while it runs
    assert runs.watch(run).status == "running"


def test_one_that_finished_is_not_taken_up(no_worker):
    run = runs.start(TINY)
    (runs.folder_of(run) / "progress.json").write_text(json.dumps({"status": "finished"}))
    runs.take_up(run)
    assert runs.watch(run).status == "finished"


def test_only_its_key_steers_a_run(no_worker):
    run = runs.start(TINY, key="a secret")
    assert "a secret" not in "".join(p.read_text() for p in runs.folder_of(run).iterdir())
    assert runs.may_steer(run, "a secret")
    assert not runs.may_steer(run, "")
    assert not runs.may_steer(run, "A secret")
    (runs.folder_of(run) / "key").write_bytes(b"")
    assert not runs.may_steer(run, "a secret")
    assert runs.may_steer(runs.start(TINY), "")  # from the command line
    with pytest.raises(LessonsError, match="not the name"):
        runs.may_steer("../../etc", "")


def test_a_visitor_watches_and_only_the_starters_link_stops(puppet):
    at = press(opened("train"), "Train")
    (run,) = runs.last_runs()
    wait_for_step(run, 2)
    assert labels(at.run()) == ["Pause", "Stop"]
    key = at.session_state["_kept"].keys[run]
    assert "key" not in address(at)
    link = at.get("code")[0].value
    assert link.endswith(f"&key={key}")
    visitor = opened("train", run=run)
    assert labels(visitor) == []
    assert any("another browser" in c.value for c in visitor.caption)
    assert sentences(visitor) == []
    assert labels(opened("train", run=run, key="guessed")) == []
    own = press(opened("train", run=run, key=key), "Stop")
    assert wait_for(run, "cancelled")
    assert "key" not in address(own)


def test_coming_back_finds_ones_own_training(puppet):
    at = press(opened("train"), "Train")
    (run,) = runs.last_runs()
    at.query_params.clear()
    at.switch_page("pages/Forward_noising.py").run()
    at.switch_page("pages/Train_on_MNIST.py").run()
    assert address(at)["run"] == run
    assert labels(at) == ["Pause", "Stop"]
    at.session_state["_view"].extras.clear()  # and by an address that names no run
    at.query_params.clear()
    at.switch_page("pages/Forward_noising.py").run()
    at.switch_page("pages/Train_on_MNIST.py").run()
    assert address(at)["run"] == run


def test_a_failed_run_says_why_and_is_tried_again(puppet):
    puppet(COUNTED + DEATHS["crashes at import"])
    run = runs.start(TINY)
    tend_and_wait(runs.TRIES)
    at = opened("train", run=run)
    (why,) = sentences(at)
    assert "No module named 'torch'" in why
    assert labels(at) == ["Try again"]
    puppet()
    press(at, "Try again")
    assert sentences(at) == []
    assert labels(at) == ["Pause", "Stop"]
    assert wait_for_step(run, 2).status == "running"


def test_the_page_says_what_a_full_disk_hinders(puppet, monkeypatch, disk):
    monkeypatch.setattr(runs, "AT_ONCE", 0)
    run = runs.start(TINY)
    monkeypatch.setattr(runs, "AT_ONCE", 1)
    disk()
    at = opened("train", run=run)
    assert [w.value for w in at.warning if "Free some disk space" in w.value]
    press(at, "Pause")
    assert "Free some disk space" in sentences(at)[0]
    at = press(opened("train"), "Train")
    assert "Free some disk space" in sentences(at)[0]
    assert at.get("latex"), "the rest of the page stands"
    disk.free()
    at = opened("train", run=run)
    assert not at.warning
    wait_for_step(run, 2)


@pytest.mark.parametrize("name", ["start.json", "progress.json", "order", "losses.csv", "samples-0000010.png"])
def test_a_broken_run_leaves_the_page_whole(puppet, monkeypatch, name):
    monkeypatch.setattr(runs, "AT_ONCE", 0)
    broken, other = runs.start(TINY), runs.start(TINY)
    (runs.folder_of(broken) / name).write_bytes(b'{"se')
    monkeypatch.setattr(runs, "tend", lambda: "")
    for run in (broken, other):
        at = opened("train", run=run)
        assert len(sentences(at)) == (name == "start.json")
        assert at.get("latex"), "the rest of the page stands"
        assert labels(at) == ([] if name == "start.json" and run == broken else ["Pause", "Stop"])


# ---- real processes ----


@pytest.mark.slow
def test_many_looks_start_one_worker():
    run = runs.start(TINY)
    for _ in range(10):  # every page that draws tends, while the worker still imports torch
        runs.tend()
    assert len(pids_of(run)) == 1
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
    (pid,) = pids_of(run)
    os.kill(pid, signal.SIGKILL)
    dead = wait_for(run, "interrupted")
    assert "goes on from its last checkpoint" in dead.said
    last = checkpoints.load_checkpoint(runs.folder_of(run))[0]["step"]
    runs.tend()
    going = wait_for_step(run, last + 40)
    assert going.status == "running"
    steps = steps_in_curve(run)
    assert steps == list(range(1, len(steps) + 1))


@pytest.mark.slow
def test_second_run_starts_when_the_first_ends_though_no_page_is_open():
    first, second = runs.start(SHORT), runs.start(SHORT)
    assert runs.watch(second).status == "queued"
    wait_for(first, "finished")
    assert wait_for(second, "finished").step == 30


def pids_of(run: str) -> list[int]:
    found = subprocess.run(["pgrep", "-f", f"{runs.FOLDER}/{run}"], capture_output=True, text=True).stdout.split()
    return [int(pid) for pid in found]


def test_a_run_in_the_queue_is_told_about_how_long_it_waits(no_worker, monkeypatch):
    """By the word of those that train, and for those that have not begun by the newest run's speed; D twice as large costs four times."""
    first, second, third, fourth = (runs.start(s) for s in (SHORT, SHORT, replace(SHORT, num_hiddens=8), SHORT))
    monkeypatch.setattr(runs, "_lives", lambda folder: folder.name == first)
    assert runs.watch(second).waits is None  # nobody has told its speed yet
    runs.say(runs.folder_of(first), {"status": "running", "step": 5, "images_per_second": 60.0, "seconds_left": 40.0})
    assert [runs.watch(r).waits for r in (first, second, third, fourth)] == [None, 40, 50, 90]  # 3 epochs of 200 digits: 10 s
    monkeypatch.setattr(runs, "AT_ONCE", 2)
    assert [runs.watch(r).waits for r in (second, third, fourth)] == [0, 10, 40]
