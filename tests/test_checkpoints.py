"""Files that survive a crash, a full disk and a half-written copy."""

import errno
import json
import os

import pytest
import torch
from torch import nn

from lessons_lib.errors import LessonsError
from lessons_lib.files import checkpoints
from lessons_lib.files.checkpoints import (
    checkpoint_files,
    halved,
    load_checkpoint,
    restore,
    save_checkpoint,
    save_tensors,
    sha256,
    write_atomically,
)


def trained(steps=3, seed=0):
    """A small network with BatchNorm and an Adam that has seen a few batches."""
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 2))
    net = net.to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(net.parameters(), 1e-2)
    for _ in range(steps):
        optimizer.zero_grad()
        net(torch.randn(5, 1, 4, 4)).square().mean().backward()
        optimizer.step()
    return net, optimizer


def keep(folder, *steps):
    for step in steps:
        net, optimizer = trained(seed=step)
        save_checkpoint(folder, step, {"net": net}, optimizer, {"note": f"step {step}"})


def no_space(*args, **kwargs):
    raise OSError(errno.ENOSPC, "No space left on device")


def left_over(folder):
    return [p.name for p in folder.iterdir() if "part" in p.name]


def test_restored_is_what_was_saved_to_the_bit(tmp_path):
    net, optimizer = trained()
    save_checkpoint(tmp_path, 3, {"net": net}, optimizer, {"note": "hello"})
    about, tensors = load_checkpoint(tmp_path)
    assert (about["step"], about["note"]) == (3, "hello")
    other, other_optimizer = trained(steps=0, seed=9)
    restore(tensors, {"net": other}, other_optimizer)
    for k, v in net.state_dict().items():
        assert torch.equal(v, other.state_dict()[k]), k
    x = torch.randn(5, 1, 4, 4)
    for n, o in ((net, optimizer), (other, other_optimizer)):
        o.zero_grad()
        n(x).square().mean().backward()
        o.step()
    for k, v in net.state_dict().items():  # and so is the next step, Adam's moments and BatchNorm's counts included
        assert torch.equal(v, other.state_dict()[k]), k


def test_two_modules_do_not_mix(tmp_path):
    net, optimizer = trained()
    ema, _ = trained(seed=5)
    save_checkpoint(tmp_path, 1, {"net": net, "net_ema": ema}, optimizer, {})
    others = {"net": trained(0, 7)[0], "net_ema": trained(0, 8)[0]}
    restore(load_checkpoint(tmp_path)[1], others, trained(0, 7)[1])
    assert torch.equal(others["net"][0].weight, net[0].weight)
    assert torch.equal(others["net_ema"][0].weight, ema[0].weight)


def test_the_last_two_are_kept_by_step_not_by_clock(tmp_path):
    keep(tmp_path, 9, 10, 100)
    os.utime(tmp_path / "checkpoint-00000010.json", (2e9, 2e9))  # the clock was set back
    assert [p.stem for p in checkpoint_files(tmp_path)] == ["checkpoint-00000100", "checkpoint-00000010"]
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        f"checkpoint-{s:08d}.{kind}" for s in (10, 100) for kind in ("json", "safetensors")
    ]
    assert load_checkpoint(tmp_path)[0]["step"] == 100


def test_an_empty_or_missing_folder_has_none(tmp_path):
    assert load_checkpoint(tmp_path) is None
    assert load_checkpoint(tmp_path / "nowhere") is None


def cut(path, to):
    path.write_bytes(path.read_bytes()[:to])


DAMAGE = {
    "weights cut short": lambda w, j: cut(w, w.stat().st_size // 2),
    "weights empty": lambda w, j: cut(w, 0),
    "weights gone": lambda w, j: w.unlink(),
    "one byte of the weights changed": lambda w, j: w.write_bytes(w.read_bytes()[:-1] + bytes([w.read_bytes()[-1] ^ 1])),
    "json cut short": lambda w, j: cut(j, 20),
    "json empty": lambda w, j: cut(j, 0),
    "json of something else": lambda w, j: j.write_text('{"hello": 1}'),
    "json that is a list": lambda w, j: j.write_text("[]"),
    "json of bytes": lambda w, j: j.write_bytes(b"\xff\xfe\x00"),
    "json gone": lambda w, j: j.unlink(),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_checkpoint_falls_back_to_the_one_before(tmp_path, damage):
    keep(tmp_path, 1, 2)
    last = tmp_path / "checkpoint-00000002.safetensors"
    DAMAGE[damage](last, last.with_suffix(".json"))
    about, tensors = load_checkpoint(tmp_path)
    assert about["step"] == 1
    assert torch.equal(tensors["net.0.weight"], trained(seed=1)[0][0].weight)


def test_two_damaged_checkpoints_are_none(tmp_path):
    keep(tmp_path, 1, 2)
    for path in tmp_path.glob("*.safetensors"):
        cut(path, 50)
    assert load_checkpoint(tmp_path) is None


def test_other_files_in_the_folder_do_not_matter(tmp_path):
    keep(tmp_path, 1)
    for name in ("checkpoint-.json", "checkpoint-best.json", "checkpoint-00000009.json.bak", ".checkpoint-00000009.json.1.part"):
        (tmp_path / name).write_text("{}")
    assert load_checkpoint(tmp_path)[0]["step"] == 1


@pytest.mark.parametrize("where", ["save_file", "os.replace", "os.fsync"])
def test_a_full_disk_is_one_sentence_and_keeps_the_old(tmp_path, monkeypatch, where):
    keep(tmp_path, 1)
    before = sorted(p.name for p in tmp_path.iterdir())
    target = (checkpoints, "save_file") if where == "save_file" else (checkpoints.os, where[3:])
    with monkeypatch.context() as full:
        full.setattr(*target, no_space)
        with pytest.raises(LessonsError, match=r"checkpoint-00000002\.\w+.*No space left.*Free some disk space"):
            keep(tmp_path, 2)
    assert load_checkpoint(tmp_path)[0]["step"] == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == before, "nothing half-written is left to fill the disk further"
    keep(tmp_path, 2)  # and once there is space it goes on
    assert load_checkpoint(tmp_path)[0]["step"] == 2


def test_safetensors_own_error_on_a_full_disk_is_understood(tmp_path, monkeypatch):
    from safetensors import SafetensorError

    def full(*args):
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(checkpoints, "save_file", full)
    with pytest.raises(LessonsError, match=r"weights\.safetensors.*No space left"):
        save_tensors(tmp_path / "weights.safetensors", {"a": torch.zeros(1)})
    assert not left_over(tmp_path)


def test_write_atomically_replaces_whole_files(tmp_path, monkeypatch):
    path = tmp_path / "new" / "progress.json"
    write_atomically(path, b"one")
    write_atomically(path, b"two")
    assert path.read_bytes() == b"two"
    monkeypatch.setattr(checkpoints.os, "replace", no_space)
    with pytest.raises(LessonsError, match=r"progress\.json"):
        write_atomically(path, b"three")
    assert path.read_bytes() == b"two"
    assert not left_over(path.parent)


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    for write in (lambda p: write_atomically(p, b"x"), lambda p: save_tensors(p, {"a": torch.zeros(1)})):
        with pytest.raises(LessonsError, match="inside"):
            write(tmp_path / "file" / "inside")


def test_sha256_is_the_files(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    assert sha256(tmp_path / "abc").startswith("ba7816bf8f01cfea")


def test_halved_keeps_counters_and_refuses_what_diverged():
    net, _ = trained()
    half = halved(net)
    assert half["0.weight"].dtype == torch.float16
    assert half["1.num_batches_tracked"].item() == 3
    assert json.dumps(sorted(half)) == json.dumps(sorted(net.state_dict()))
    for bad in (1e6, float("nan")):
        with torch.no_grad():
            net[0].weight[0] = bad
        with pytest.raises(LessonsError, match=r"0\.weight"):
            halved(net)
