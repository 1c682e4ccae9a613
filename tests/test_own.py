"""A network that somebody trained elsewhere opens in the lessons of Part B, or is told what does not fit."""

import io
import json
import os
import pickle
from dataclasses import asdict, replace

import pytest
import torch
from safetensors.torch import save as save_safetensors
from torch import nn

from lessons_lib.errors import LessonsError
from lessons_lib.files.checkpoints import write_atomically
from lessons_lib.models import digits as networks
from lessons_lib.models import own
from lessons_lib.training import runs
from lessons_lib.ui import digits as ui
from tests.pages import address, opened
from tests.part_b import ship, shown

KINDS = ("one_step", "time_conditioned", "time_flow", "class_conditioned", "class_flow", "flow_matching")


@pytest.fixture(autouse=True)
def places(tmp_path, monkeypatch):
    """Folders of their own for what is given and what is trained."""
    monkeypatch.setattr(own, "OWN", tmp_path / "own")
    monkeypatch.setattr(runs, "FOLDER", tmp_path / "runs")
    monkeypatch.setattr(networks, "OTHERS", {r"r[0-9a-f]{7}": tmp_path / "runs", r"n[0-9a-f]{12}": tmp_path / "own"})
    return tmp_path


def unet_of(kind="class_conditioned", D=4):
    return networks.make_unet(replace(networks.COURSE[kind], num_hiddens=D)).eval()


def pt(thing) -> bytes:
    buffer = io.BytesIO()
    torch.save(thing, buffer)
    return buffer.getvalue()


def same_answer(given: own.Given, unet) -> bool:
    theirs, settings = networks.open_network(given.name)
    x, t, c = torch.randn(2, 1, 28, 28), torch.tensor([0.1, 0.9]), networks.condition_of([3, 4])
    told = [t] if unet.time_conditioned else []
    told += [c] if unet.num_classes else []
    if theirs.time_scales != unet.time_scales:  # the same weights, used otherwise
        return True
    return torch.equal(theirs(x, *told), unet(x, *told))


class Students(nn.Module):
    """The course's class-conditioned UNet with a student's own names, and blocks defined in another order."""

    def __init__(self, D):
        super().__init__()

        def conv(i, o, how=nn.Conv2d, k=(3, 1, 1)):
            return nn.ModuleDict({"conv": how(i, o, *k), "bn": nn.BatchNorm2d(o)})

        self.fc1_t = nn.ModuleList([nn.Linear(1, 2 * D), nn.Linear(2 * D, 2 * D)])
        self.fc1_c = nn.ModuleList([nn.Linear(10, 2 * D), nn.Linear(2 * D, 2 * D)])
        self.first = nn.ModuleList([conv(1, D), conv(D, D)])
        self.enc1 = nn.ModuleList([conv(D, D, k=(3, 2, 1)), conv(D, D), conv(D, D)])
        self.enc2 = nn.ModuleList([conv(D, 2 * D, k=(3, 2, 1)), conv(2 * D, 2 * D), conv(2 * D, 2 * D)])
        self.back = conv(2 * D, 2 * D, nn.ConvTranspose2d, (7, 7, 0))
        self.dec1 = nn.ModuleList([conv(4 * D, D, nn.ConvTranspose2d, (4, 2, 1)), conv(D, D), conv(D, D)])
        self.fc2_t = nn.ModuleList([nn.Linear(1, D), nn.Linear(D, D)])
        self.fc2_c = nn.ModuleList([nn.Linear(10, D), nn.Linear(D, D)])
        self.dec2 = nn.ModuleList([conv(2 * D, D, nn.ConvTranspose2d, (4, 2, 1)), conv(D, D), conv(D, D)])
        self.last = nn.ModuleList([conv(2 * D, D), conv(D, D)])
        self.out = nn.Conv2d(D, 1, 3, 1, 1)


def as_a_students(unet) -> dict:
    """The weights of one of our networks under a student's names, in a student's order."""
    theirs = Students(unet.num_hiddens)
    blocks = [
        *unet.conv_in,
        *flat(unet.down1),
        *flat(unet.down2),
        unet.unflatten,
        *flat(unet.up1),
        *flat(unet.up2),
        *unet.conv_out,
    ]
    layers = [*theirs.first, *theirs.enc1, *theirs.enc2, theirs.back, *theirs.dec1, *theirs.dec2, *theirs.last]
    for block, layer in zip(blocks, layers, strict=True):
        layer["conv"].load_state_dict(block[0].state_dict())
        layer["bn"].load_state_dict(block[1].state_dict())
    theirs.out.load_state_dict(unet.out.state_dict())
    pairs = ((unet.time1, theirs.fc1_t), (unet.time2, theirs.fc2_t), (unet.class1, theirs.fc1_c), (unet.class2, theirs.fc2_c))
    for ours, fc in pairs:
        fc[0].load_state_dict(ours[0].state_dict())
        fc[1].load_state_dict(ours[2].state_dict())
    return theirs.state_dict()


def flat(block):
    """A Down- or UpBlock's three convolutions."""
    return [block[0], *block[1]]


WRAPPED = {
    "bare": lambda s: s,
    "DataParallel": lambda s: {f"module.{k}": v for k, v in s.items()},
    "compiled": lambda s: {f"_orig_mod.{k}": v for k, v in s.items()},
    "both": lambda s: {f"module._orig_mod.{k}": v for k, v in s.items()},
    "in a wrapper's attribute": lambda s: {f"ddpm.unet.{k}": v for k, v in s.items()},
    "state_dict": lambda s: {"state_dict": s, "epoch": 3},
    "model": lambda s: {"model": {f"module.{k}": v for k, v in s.items()}, "optimizer": {"lr": 1e-3}, "loss": [0.1, 0.2]},
    "model_state_dict": lambda s: {"epoch": 5, "model_state_dict": s},
    "under any name": lambda s: {"my_unet": s, "optim": {"state": {0: {"exp_avg": torch.zeros(4, 1, 3, 3)}}, "param_groups": []}},
    "in a list": lambda s: [{"lr": 1e-3}, s],
    "deep inside": lambda s: {"a": {"b": {"c": {"d": [s]}}}},
    "Lightning": lambda s: {"state_dict": {f"model.{k}": v for k, v in s.items()}, "hyper_parameters": {"lr": 1e-3}},
    "the course's DDPM": lambda s: (
        {"betas": torch.ones(300), "alpha_bars": torch.ones(300)} | {f"unet.{k}": v for k, v in s.items()}
    ),
    "AveragedModel": lambda s: {"n_averaged": torch.tensor(3)} | {f"module.{k}": v for k, v in s.items()},
    "double precision": lambda s: {k: v.double() if v.is_floating_point() else v for k, v in s.items()},
    "half precision": lambda s: {k: v.half() if v.is_floating_point() else v for k, v in s.items()},
    "without counters": lambda s: {k: v for k, v in s.items() if not k.endswith("num_batches_tracked")},
}


@pytest.mark.parametrize("wrapped", WRAPPED)
def test_the_usual_ways_to_save_a_network(wrapped):
    unet = unet_of()
    given = own.take(pt(WRAPPED[wrapped](unet.state_dict())))
    assert not given.by_order
    assert (given.settings.network in ("class_conditioned", "class_flow", "flow_matching"), given.settings.num_hiddens) == (
        True,
        4,
    )
    if wrapped != "half precision":
        assert same_answer(given, unet)


def test_what_holds_itself_is_looked_at_once():
    loop = {"epoch": 1}
    loop["again"] = [loop] * 1000
    with pytest.raises(LessonsError, match="no tensor"):
        own.take(pt(loop))


def test_a_tensor_of_the_network_s_own_is_never_left_out():
    with pytest.raises(LessonsError, match="scale is more than"):
        own.take(pt(unet_of().state_dict() | {"scale": torch.ones(3)}))


def test_eight_bits_a_weight():
    eight = {k: v.to(torch.float8_e4m3fn) if v.is_floating_point() else v for k, v in unet_of().state_dict().items()}
    assert own.take(save_safetensors(eight)).settings.num_hiddens == 4
    eight["out.bias"] = torch.full((1,), float("nan")).to(torch.float8_e4m3fn)
    with pytest.raises(LessonsError, match="NaN"):
        own.take(save_safetensors(eight))


@pytest.mark.parametrize(
    "said",
    [
        {"sigma": float("inf")},
        {"sigma": "x"},
        {"epochs": [1]},
        {"lr": float("nan")},
        {"T": 10**9},
        {"T": True},
        {"T": 2.5},
        {"num_hiddens": 4.0},
        {"seed": "<b>"},
        {"network": ["x"]},
        {"optimizer": "![x](http://a)"},
        {"more": 1},
    ],
    ids=str,
)
def test_a_file_that_lies_about_its_training(said):
    """Its own words are used where they can be true, and else it is measured like any other."""
    settings = asdict(replace(networks.COURSE["class_conditioned"], num_hiddens=4))
    given = own.take(save_safetensors(unet_of().state_dict(), {"settings": json.dumps(settings | said)}))
    assert given.settings == replace(networks.COURSE[given.settings.network], num_hiddens=4)
    networks.open_network(given.name)


@pytest.mark.parametrize("text", ["[" * 100_000, "", "[1]", "null", "{}", '"x"', "\0"], ids=lambda t: t[:5])
def test_a_file_that_says_nonsense_of_its_training(text):
    assert own.take(save_safetensors(unet_of().state_dict(), {"settings": text})).settings.num_hiddens == 4


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("D", [4, 10])  # 10 is also the number of classes
def test_every_kind_and_width_is_recognised(kind, D):
    for data in (pt(unet_of(kind, D).state_dict()), save_safetensors(unet_of(kind, D).state_dict())):
        given = own.take(data)
        assert own.shapes(given.settings.network, 1) == own.shapes(kind, 1)
        assert given.settings.num_hiddens == D


@pytest.mark.parametrize("kind", ["one_step", "time_conditioned", "class_conditioned", "flow_matching"])
def test_what_ships_is_told_by_what_it_answers(kind):
    """Shapes alone do not tell noise from velocity."""
    given = own.take(pt(networks.open_network(kind)[0].state_dict()))
    assert given.settings.network == kind
    assert given.error < 0.3


def test_a_file_of_these_lessons_tells_its_settings(tmp_path):
    settings = replace(networks.COURSE["time_flow"], num_hiddens=4, T=7)
    networks.save_weights(tmp_path / "x.safetensors", unet_of("time_flow"), settings, 3)
    assert own.take((tmp_path / "x.safetensors").read_bytes()).settings == settings


def test_layers_of_other_names_are_matched_by_their_order():
    unet = unet_of()
    for parameter in unet.parameters():
        nn.init.normal_(parameter)  # so that no two layers are alike
    given = own.take(pt(as_a_students(unet)))
    assert given.by_order
    theirs, _ = networks.open_network(given.name)
    for (name, a), (_, b) in zip(unet.state_dict().items(), theirs.state_dict().items(), strict=True):
        assert name.endswith("num_batches_tracked") or torch.equal(a, b), name


def old_pt(what) -> bytes:
    buffer = io.BytesIO()
    torch.save(what, buffer, _use_new_zipfile_serialization=False)
    return buffer.getvalue()


def scripted() -> bytes:
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.trace(nn.Conv2d(1, 4, 3), torch.zeros(1, 1, 28, 28)), buffer)
    return buffer.getvalue()


def changed(kind="class_conditioned", **other):
    state = dict(unet_of(kind).state_dict())
    for name, tensor in other.items():
        name = name.replace("__", ".")
        if tensor is None:
            del state[name]
        else:
            state[name] = tensor
    return pt(state)


REFUSED = {
    "another width in one layer": (
        lambda: changed(down2__0__0__weight=torch.zeros(4, 4, 3, 3)),
        "down2.0.0.weight is (4, 4, 3, 3) here, (8, 4, 3, 3) is needed",
    ),
    "a kernel of 5": (
        lambda: changed(out__weight=torch.zeros(1, 4, 5, 5)),
        "out.weight is (1, 4, 5, 5) here, (1, 4, 3, 3) is needed",
    ),
    "eleven classes": (
        lambda: changed(class1__0__weight=torch.zeros(8, 11)),
        "class1.0.weight is (8, 11) here, (8, 10) is needed",
    ),
    "a layer missing": (lambda: changed(up1__0__0__weight=None), "up1.0.0.weight is missing here"),
    "a layer too many": (lambda: changed(extra__weight=torch.zeros(3)), "extra.weight is more than a class-conditioned network"),
    "diverged": (lambda: changed(out__weight=torch.full((1, 4, 3, 3), float("nan"))), "NaN"),
    "colour pictures": (lambda: changed(conv_in__0__0__weight=torch.zeros(4, 3, 3, 3)), "from 1 channel to D"),
    "too wide": (lambda: pt({"a.weight": torch.zeros(300, 1, 3, 3)}), "D = 300"),
    "a classifier": (
        lambda: pt(nn.Sequential(nn.Conv2d(1, 8, 3), nn.Flatten(), nn.Linear(8, 10)).state_dict()),
        "are needed for a",
    ),
    "no bias": (
        lambda: pt({k: v for k, v in as_a_students(unet_of()).items() if not k.endswith("enc1.0.conv.bias")}),
        "is missing here",
    ),
    "the whole module": (lambda: pt(unet_of()), "holds more than tensors"),
    "the whole module of torch 1.5": (lambda: old_pt(unet_of()), "torch before 1.6"),
    "a state dict of torch 1.5": (lambda: old_pt(unet_of().state_dict()), "torch before 1.6"),
    "a pickled state dict": (lambda: pickle.dumps(dict(unet_of().state_dict())), "a Python pickle"),
    "an old pickle": (lambda: pickle.dumps({"a": [1.0]}, protocol=2), "a Python pickle"),
    "TorchScript": (lambda: scripted(), "unet.state_dict()"),
    "an optimiser's state": (lambda: pt(torch.optim.Adam(unet_of().parameters()).state_dict()), "no tensor"),
    "a list": (lambda: pt([torch.zeros(3)]), "not a network's weights"),
    "names that are numbers": (lambda: pt({1: torch.zeros(3)}), "not a network's weights"),
    "nothing in it": (lambda: pt({}), "no tensors"),
    "nothing in safetensors": (lambda: save_safetensors({}), "no tensors"),
    "a picture": (lambda: b"\x89PNG\r\n\x1a\n" + bytes(100), "not a safetensors file"),
    "cut short": (lambda: pt(unet_of().state_dict())[:5000], "not a network's weights"),
    "empty": (lambda: b"", "empty"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_does_not_fit_is_one_sentence(what, places):
    made, sentence = REFUSED[what]
    with pytest.raises(LessonsError, match=".") as e:
        own.take(made())
    assert sentence in str(e.value)
    assert "\n" not in str(e.value)
    assert not list(places.glob("own/*"))


def test_safetensors_forgets_the_order_and_that_is_said():
    with pytest.raises(LessonsError, match="does not keep the order of layers"):
        own.take(save_safetensors({k: v.contiguous() for k, v in as_a_students(unet_of()).items()}))


def test_the_oldest_make_room(places):
    names = [own.take(pt(unet_of(D=D).state_dict())).name for D in (2, 3, 4)]
    for age, name in zip((300, 200, 100), names, strict=True):
        path = places / "own" / name / "given.safetensors"
        os.utime(path, (1e9 - age, 1e9 - age))
    size = (places / "own" / names[2] / "given.safetensors").stat().st_size
    own.tidy(places / "own", most=size)
    assert [name for name in names if (places / "own" / name).exists()] == names[2:]
    with pytest.raises(LessonsError, match="not on this machine"):
        networks.file_of(names[0])


# --- on the pages -------------------------------------------------------------------------------------------------------

SHIPPED = {"one_step": (1, 5), "time_conditioned": (1, 5), "class_conditioned": (1, 5), "flow_matching": (1, 5)}
IN = {
    "one_step": "one_step",
    "out_of_its_depth": "one_step",
    "time": "time_conditioned",
    "class": "class_conditioned",
    "unet": "class_conditioned",
    "flow": "flow_matching",
}


def a_finished_run(places, network, run="r0000001", D=6):
    """What a training of the page Train leaves, in miniature."""
    folder, settings = places / "runs" / run, replace(networks.COURSE[network], num_hiddens=D, epochs=2)
    for epoch in (1, 2):
        networks.save_weights(folder / f"epoch-{epoch:02d}.safetensors", networks.make_unet(settings), settings, epoch * 10)
    write_atomically(folder / "start.json", json.dumps({"settings": asdict(settings), "data": None}).encode())
    write_atomically(folder / "progress.json", json.dumps({"status": "finished", "step": 20, "total_steps": 20}).encode())
    write_atomically(folder / "losses.csv", b"step,loss\n1,1\n2,0.5\n")
    return run


def fine(at):
    assert not at.exception, at.exception
    assert not at.error, [e.value for e in at.error]
    return at


@pytest.mark.parametrize("slug", IN)
def test_a_network_trained_here_can_be_chosen(slug, tmp_path, monkeypatch, places):
    (tmp_path / "shipped").mkdir()
    ship(monkeypatch, tmp_path / "shipped", **SHIPPED)
    run = a_finished_run(places, IN[slug])
    at = fine(opened(slug))
    assert run in at.selectbox(key=f"{slug}_weights").options[-1]
    at = fine(at.selectbox(key=f"{slug}_weights").set_value(run).run())
    assert f"run {run}" in shown(at)
    assert address(at)["weights"] == run
    again = fine(opened(slug, **address(at)))
    assert again.selectbox(key=f"{slug}_weights").value == run


@pytest.mark.parametrize("slug", IN)
def test_a_given_network_runs_in_its_lesson(slug, tmp_path, monkeypatch):
    (tmp_path / "shipped").mkdir()
    ship(monkeypatch, tmp_path / "shipped", **SHIPPED)
    settings = replace(networks.COURSE[IN[slug]], num_hiddens=6)
    networks.save_weights(tmp_path / "mine.safetensors", networks.make_unet(settings), settings, 3)
    name = own.take((tmp_path / "mine.safetensors").read_bytes()).name
    at = fine(opened(slug, weights=name))
    assert "your network" in shown(at)
    assert "No link can hold your network" in shown(at)
    if slug in ("time", "class", "flow"):
        at = fine(next(b for b in at.button if b.label == "Run").click().run())


def test_a_file_of_another_lesson_is_told_where_it_opens(tmp_path, monkeypatch):
    (tmp_path / "shipped").mkdir()
    ship(monkeypatch, tmp_path / "shipped", **SHIPPED)
    at = opened("class")
    at = (
        at.file_uploader(key="class_own")
        .upload("mine_*.pt", pt(unet_of("one_step").state_dict()), "application/octet-stream")
        .run()
    )
    assert "it opens in One-step denoiser or Out of its depth or Inside the UNet" in at.error[0].value.replace("\\", "")
    at = at.file_uploader(key="class_own").upload("x.pt", b"PK nothing", "application/octet-stream").run()
    assert len(at.error) == 1
    assert "not a network's weights" in at.error[0].value


def test_an_upload_stands_in_view_at_once(tmp_path, monkeypatch):
    (tmp_path / "shipped").mkdir()
    ship(monkeypatch, tmp_path / "shipped", **SHIPPED)
    at = opened("one_step")
    at = (
        at.file_uploader(key="one_step_own")
        .upload("mine.pt", pt(unet_of("one_step").state_dict()), "application/octet-stream")
        .run()
    )
    assert not at.exception
    assert ui.is_given(at.selectbox(key="one_step_weights").value)
    assert "mine.pt" in shown(at)


def test_a_link_to_a_network_that_is_not_here_says_so(tmp_path, monkeypatch):
    (tmp_path / "shipped").mkdir()
    ship(monkeypatch, tmp_path / "shipped", **SHIPPED)
    for weights in ("r1234567", "n123456789abc", "../../etc", "*"):
        at = fine(opened("class", weights=weights))
        assert "does not open here" in shown(at)
        assert at.selectbox(key="class_weights").value == "shipped"
