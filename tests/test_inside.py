"""Looking inside the UNet: what the hooks count and see, and what cutting a skip connection does."""

from dataclasses import replace

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from lessons_lib.files.test_digits import shown_digits
from lessons_lib.lessons import one_step
from lessons_lib.lessons import unet as inside
from lessons_lib.models.digits import COURSE, KINDS, make_unet
from lessons_lib.models.unet import UNet
from tests.part_b import ship


@pytest.fixture
def unet() -> UNet:
    torch.manual_seed(1)
    return UNet(4, time_conditioned=True, num_classes=10).eval()


@pytest.fixture
def question() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(2)
    return torch.randn(2, 1, 28, 28, generator=g), torch.tensor([0.2, 0.7]), torch.eye(10)[[3, 8]]


@pytest.mark.parametrize(
    ("D", "conditions", "parameters"),
    [
        (128, {}, 7_891_073),
        (64, {"time_conditioned": True}, 1_996_417),
        (64, {"time_conditioned": True, "num_classes": 10}, 2_019_201),
    ],
)
def test_the_blocks_add_up_to_the_courses_networks(D, conditions, parameters):
    assert sum(b.parameters for b in inside.architecture(D, **conditions)) == parameters


@pytest.mark.parametrize("conditions", [{}, {"time_conditioned": True}, {"time_conditioned": True, "num_classes": 10}])
def test_multiply_adds_agree_with_torchs_own_counter(conditions):
    unet = UNet(8, **conditions).eval()
    given = [torch.zeros(1, 1, 28, 28)]
    given += [torch.zeros(1)] if conditions.get("time_conditioned") else []
    given += [torch.zeros(1, 10)] if conditions.get("num_classes") else []
    with FlopCounterMode(display=False) as counter:
        unet(*given)
    assert 2 * sum(b.multiply_adds for b in inside.architecture(8, **conditions)) == counter.get_total_flops()


def test_shapes_are_the_courses():
    gives = {b.name: b.gives for b in inside.architecture(64)}
    assert gives == {
        "conv_in": (64, 28, 28),
        "down1": (64, 14, 14),
        "down2": (128, 7, 7),
        "flatten": (128, 1, 1),
        "unflatten": (128, 7, 7),
        "up1": (64, 14, 14),
        "up2": (64, 28, 28),
        "conv_out": (64, 28, 28),
        "out": (1, 28, 28),
    }
    takes = {b.name: b.takes for b in inside.architecture(64)}
    assert (takes["up1"], takes["up2"], takes["conv_out"]) == ((256, 7, 7), (128, 14, 14), (128, 28, 28))


def test_the_operations_in_a_block_are_the_courses():
    """FACTS: DownBlock = Conv2d(3, 2, 1) + BN + GELU, then two of Conv2d(3, 1, 1) + BN + GELU; and so on."""
    seen = {b.name: [what for what, _ in b.operations] for b in inside.architecture(64, time_conditioned=True)}
    conv = ["Conv2d 3 x 3, stride 1, padding 1", "BatchNorm2d", "GELU"]
    down, up = "Conv2d 3 x 3, stride 2, padding 1", "ConvTranspose2d 4 x 4, stride 2, padding 1"
    assert seen["conv_in"] == conv * 2
    assert seen["down1"] == [down, "BatchNorm2d", "GELU", *conv * 2]
    assert seen["up1"] == [up, "BatchNorm2d", "GELU", *conv * 2]
    assert seen["flatten"] == ["AvgPool2d 7 x 7", "GELU"]
    assert seen["unflatten"] == ["ConvTranspose2d 7 x 7, stride 7, padding 0", "BatchNorm2d", "GELU"]
    assert seen["out"] == conv[:1]
    assert seen["time1"] == ["Linear", "GELU", "Linear", "Unflatten"]
    for b in inside.architecture(64):
        assert b.operations[-1][1] == b.gives


def test_looking_changes_nothing(unet, question):
    with torch.no_grad():
        plain = unet(*question)
    seen = inside.look_inside(unet, *question)
    assert torch.equal(seen.answer, plain)
    assert torch.equal(seen.gives["out"], plain)
    assert torch.equal(seen.takes["down1"], seen.gives["conv_in"])
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in unet.modules())


def test_cutting_no_skip_changes_nothing_and_cutting_one_does(unet, question):
    with torch.no_grad():
        plain = unet(*question)
        assert torch.equal(inside.without_skips(unet, ())(*question), plain)
        for start in inside.SKIPS:
            assert not torch.allclose(inside.without_skips(unet, (start,))(*question), plain)
        assert torch.equal(unet(*question), plain)


def test_a_cut_skip_carries_zeros_and_only_it(unet, question):
    seen = inside.look_inside(unet, *question, cut=("down1",))
    below, skip = seen.takes["up2"].chunk(2, 1)
    assert torch.count_nonzero(skip) == 0
    assert torch.count_nonzero(below) > 0
    assert torch.equal(seen.takes["up1"].chunk(2, 1)[1], seen.gives["down2"])
    assert torch.equal(seen.takes["conv_out"].chunk(2, 1)[1], seen.gives["conv_in"])


def test_an_unknown_skip_is_refused(unet):
    with pytest.raises(ValueError, match="up1"):
        inside.without_skips(unet, ("up1",))


def test_the_private_copy_shares_the_weights_and_not_the_modules(unet):
    copied = inside.private_copy(unet)
    assert copied.up1 is not unet.up1
    for a, b in zip(copied.state_dict().values(), unet.state_dict().values(), strict=True):
        assert a.data_ptr() == b.data_ptr()


def test_class_scales_and_time_shifts_where_the_course_says(unet, question):
    """up1 takes class1 * unflatten + time1, up2 takes class2 * up1 + time2."""
    g = inside.look_inside(unet, *question)
    for block, before, n in (("up1", "unflatten", 1), ("up2", "up1", 2)):
        expected = g.gives[f"class{n}"] * g.gives[before] + g.gives[f"time{n}"]
        assert torch.equal(g.conditioned(block), expected)


def test_what_a_condition_does_to_the_channels_is_what_the_block_gave(unet, question):
    g = inside.look_inside(unet, *question)
    ts, shift = inside.condition_by_time(unet, "time1", points=11)
    torch.testing.assert_close(shift[2], g.gives["time1"][0].flatten())  # t / T = 0.2
    torch.testing.assert_close(inside.condition_by_class(unet, "class2")[8], g.gives["class2"][1].flatten())
    assert inside.condition_by_class(unet, "class1").shape == (11, 8)
    assert ts[2] == pytest.approx(0.2)


def test_telling_the_same_changes_nothing(unet):
    q = inside.ask(COURSE["class_conditioned"], torch.rand(1, 1, 28, 28), [3], time=100)
    rows = {r["told"]: r for r in inside.effect_of_conditions(unet, q)}
    assert rows["as asked"] == {"told": "as asked", "into up1": 0, "into up2": 0, "answer": 0}
    assert list(rows) == ["as asked", "t = 0", "t = 299", "class hidden", "the next digit"]
    assert all(rows[k]["into up1"] > 0 for k in list(rows)[1:])


def test_a_right_answer_is_the_clean_digit():
    x = torch.from_numpy(shown_digits().images[:3]).float() / 255
    for network, settings in COURSE.items():
        q = inside.ask(settings, x, [0, 0, 0])
        torch.testing.assert_close(q.guess(q.target()), q.x0, rtol=0, atol=1e-4)
        assert (q.t is None) == (network in ("one_step", "pure_noise"))
    q = inside.ask(COURSE["one_step"], x, None)
    assert torch.equal(q.given, one_step.noised(x, 0.5))


@pytest.mark.parametrize(
    ("network", "first"),
    [
        ("time_conditioned", r"\text{unflatten}+t_1"),
        ("class_conditioned", r"c_1\odot\text{unflatten}+t_1"),
        ("time_flow", r"\text{unflatten}\odot t_1"),
        ("class_flow", r"c_1\odot\text{unflatten}+t_1"),
        ("flow_matching", r"c_1\odot\text{unflatten}\odot t_1"),
    ],
)
def test_the_formula_is_what_the_network_does(network, first):
    """The LaTeX by name, and what up1 really takes, by hooks."""
    assert rf"\text{{up1}}\bigl({first}," in inside.conditioning_latex(KINDS[network])
    unet = make_unet(replace(COURSE[network], num_hiddens=4)).eval()
    x = torch.rand(2, 1, 28, 28, generator=torch.Generator().manual_seed(3))
    q = inside.ask(COURSE[network], x, [3, 8])
    g = inside.look_inside(unet, q.given, q.t, q.c)
    for block, below, i in (("up1", "unflatten", 1), ("up2", "up1", 2)):
        expected = g.gives[below] * (g.gives[f"class{i}"] if r"c_1" in first else 1)
        time = g.gives[f"time{i}"]
        torch.testing.assert_close(g.conditioned(block), expected * time if r"\odot t_1" in first else expected + time)


@pytest.mark.parametrize("network", ["time_conditioned", "class_conditioned"])
@pytest.mark.parametrize("t", [0, 150, 299])
def test_without_the_skip_at_28_the_answer_is_worth_less_than_0(network, t):
    """What the page says of networks that answer eps, at every t."""
    losses = {r["skips"]: r["loss"] for r in inside.damage(network, time=t)}
    assert losses["none cut"] < 0.3
    assert losses["cut at 28 x 28"] > 1 > losses["cut at 7 x 7"]


def test_damage_is_measured_for_every_cut(tmp_path, monkeypatch):
    ship(monkeypatch, tmp_path, class_conditioned=(1,))
    rows = inside.damage("class_conditioned", num_images=2)
    assert [r["skips"] for r in rows] == list(inside.CUTS)
    whole, cut, _, _, every = (r["loss"] for r in rows)
    assert whole != cut
    assert whole != every
