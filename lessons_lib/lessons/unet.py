"""Look inside the UNet with hooks on the real module: what every block takes, gives and costs; cut its skip connections.

Hooks would be seen by every session that shares a network, so they sit on a private copy that shares only the weights.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor, nn

from lessons_lib.files import kept
from lessons_lib.files.test_digits import shown_digits
from lessons_lib.lessons import one_step
from lessons_lib.lessons._common import SEED, Opening
from lessons_lib.lessons._digits import still
from lessons_lib.maths import metrics
from lessons_lib.maths.images import from_uint8, from_unit, to_unit
from lessons_lib.models.digits import KINDS, NUM_CLASSES, Kind, Settings, condition_of, epochs_of, last_epoch, network_at
from lessons_lib.models.model import Model
from lessons_lib.models.objective import Objective
from lessons_lib.models.unet import UNet, num_parameters

MODELS = ("mnist",)
SKIPS = {"conv_in": "conv_out", "down1": "up2", "down2": "up1"}
"""Skip connections: from this block's output -> into that block, behind what comes from below."""


@dataclass(frozen=True)
class Block:
    """One block as it was seen to run on one picture. Shapes are (C, H, W), or (features,) going into a condition.

    multiply_adds: of its convolutions and linear layers; normalisation and activation are left out. operations: all that happens
    in it, in order: (what it is, the shape that it gives).
    """

    name: str
    kind: str
    takes: tuple[int, ...]
    gives: tuple[int, ...]
    parameters: int
    multiply_adds: int
    operations: tuple[tuple[str, tuple[int, ...]], ...] = ()


def private_copy(unet: UNet) -> UNet:
    """The same network with modules of its own, for hooks, and the same tensors for weights."""
    shared = {id(t): t for t in (*unet.parameters(), *unet.buffers())}
    return copy.deepcopy(unet, shared)


@cache
@torch.no_grad()
def architecture(
    num_hiddens: int, *, time_conditioned: bool = False, num_classes: int = 0, time_scales: bool = False
) -> tuple[Block, ...]:
    """Every block of such a UNet in the order it runs, measured by hooks on one pass.

    The weights are random: only shapes are looked at.
    """
    with torch.random.fork_rng(devices=[]):
        unet = UNet(num_hiddens, time_conditioned=time_conditioned, num_classes=num_classes, time_scales=time_scales).eval()
    made: list[Block] = []
    cost: dict[str, int] = {}
    operations: dict[str, list[tuple[str, tuple[int, ...]]]] = {}

    for name, child in unet.named_children():

        def list_it(module, inputs, output, name=name):
            operations.setdefault(name, []).append((operation(module), tuple(output.shape[1:])))

        def count(module, inputs, output, name=name):
            cost[name] = cost.get(name, 0) + multiply_adds(module, inputs[0], output)

        def note(module, inputs, output, name=name):
            made.append(
                Block(
                    name,
                    type(module).__name__,
                    tuple(inputs[0].shape[1:]),
                    tuple(output.shape[1:]),
                    num_parameters(module),
                    cost.get(name, 0),
                    tuple(operations[name]),
                )
            )

        for layer in child.modules():
            if not list(layer.children()):
                layer.register_forward_hook(list_it)
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
                layer.register_forward_hook(count)
        child.register_forward_hook(note)
    t = torch.zeros(1) if time_conditioned else None
    unet(torch.zeros(1, 1, 28, 28), t, torch.zeros(1, num_classes) if num_classes else None)
    return tuple(made)


def operation(layer: nn.Module) -> str:
    """A layer in the course's words: "Conv2d 3 x 3, stride 1, padding 1"; nothing but its name where there is no more to say."""
    name = type(layer).__name__
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
        size, stride, padding = layer.kernel_size[0], layer.stride[0], layer.padding[0]
        return f"{name} {size} x {size}, stride {stride}, padding {padding}"
    return f"{name} {layer.kernel_size} x {layer.kernel_size}" if isinstance(layer, nn.AvgPool2d) else name


def multiply_adds(layer: nn.Module, x: Tensor, y: Tensor) -> int:
    """Multiplications (each with its addition) of one layer on one batch: what every output sums over, or every input feeds."""
    if isinstance(layer, nn.Conv2d):
        return y.numel() * layer.in_channels // layer.groups * layer.kernel_size[0] * layer.kernel_size[1]
    if isinstance(layer, nn.ConvTranspose2d):
        return x.numel() * layer.out_channels // layer.groups * layer.kernel_size[0] * layer.kernel_size[1]
    if isinstance(layer, nn.Linear):
        return y.numel() * layer.in_features
    return 0


@dataclass(frozen=True, eq=False)
class Inside:
    """Everything seen in one pass. takes, gives: block's name -> (B, C, H, W). answer: (B, 1, 28, 28)."""

    takes: dict[str, Tensor]
    gives: dict[str, Tensor]
    answer: Tensor

    def conditioned(self, block: str) -> Tensor:
        """What came from below into up1 or up2, after time and class acted on it: the first half of what the block takes."""
        return self.takes[block][:, : self.takes[block].shape[1] // 2]


class Watched:
    """A private copy of a network that tells what it saw: watched(x, t, c) -> Inside. cut as without_skips."""

    def __init__(self, unet: UNet, cut: Collection[str] = ()):
        self._unet = without_skips(unet, cut)
        self._takes: dict[str, Tensor] = {}
        self._gives: dict[str, Tensor] = {}
        for name, child in self._unet.named_children():

            def watch(module, inputs, output, name=name):
                self._takes[name], self._gives[name] = inputs[0], output

            child.register_forward_hook(watch)

    @torch.no_grad()
    def __call__(self, x: Tensor, t: Tensor | None = None, c: Tensor | None = None) -> Inside:
        """Arguments as UNet.forward."""
        answer = self._unet(x, t, c)
        return Inside(dict(self._takes), dict(self._gives), answer)


def look_inside(unet: UNet, x: Tensor, t: Tensor | None = None, c: Tensor | None = None, cut: Collection[str] = ()) -> Inside:
    """One pass of the network with every block watched. Arguments as UNet.forward; cut as without_skips."""
    return Watched(unet, cut)(x, t, c)


def without_skips(unet: UNet, cut: Collection[str]) -> UNet:
    """A copy whose skip connections from the named blocks carry zeros; the weights are shared.

    Args: cut: of SKIPS, "conv_in", "down1", "down2"; none leaves the network as it is.
    Raises: ValueError for a name that starts no skip connection.
    """
    unknown = set(cut) - set(SKIPS)
    if unknown:
        raise ValueError(f"skip connections start at {', '.join(SKIPS)}; got {', '.join(sorted(unknown))}")
    copied = private_copy(unet)
    for start in cut:

        def zero(module, inputs):
            below, skip = inputs[0].chunk(2, 1)
            return (torch.cat([below, torch.zeros_like(skip)], 1),)

        getattr(copied, SKIPS[start]).register_forward_pre_hook(zero)
    return copied


@dataclass(frozen=True, eq=False)
class Question:
    """What a network is asked about digits x0 (B, 1, 28, 28) in [-1, 1], and how its answer becomes a clean guess.

    given: the noisy picture it sees. t, c: its conditions or None. eps: the noise that was added. time: the time it stands for.
    """

    x0: Tensor
    given: Tensor
    t: Tensor | None
    c: Tensor | None
    eps: Tensor
    time: float
    objective: Objective

    def guess(self, answer: Tensor) -> Tensor:
        """The clean picture in [-1, 1] that an answer means."""
        return self.objective.guess(answer, self.given, self.time)

    def picture(self) -> Tensor:
        """The noisy picture as something to look at in [-1, 1]."""
        return self.objective.picture(self.given)

    def target(self) -> Tensor:
        """What the network was trained to answer."""
        return self.objective.target(to_unit(self.x0), self.eps)


def ask(settings: Settings, x: Tensor, labels: Sequence[int] | None, time: float | None = None, seed: int = 180) -> Question:
    """The question a network was trained on, for digits x (B, 1, 28, 28) in [0, 1]; labels of None hide the class.

    time: one of the objective's, by default the middle one: a timestep of T, or a flow's t in [0, 1].
    """
    objective = settings.objective
    time = objective.times[1] if time is None else time
    eps = torch.randn(x.shape, generator=torch.Generator().manual_seed(seed))
    c = condition_of(labels).expand(len(x), NUM_CLASSES) if KINDS[settings.network].classes else None
    told = objective.told(torch.full((len(x),), time))
    return Question(from_unit(x), objective.given(x, eps, time), told, c, eps, time, objective)


def conditioning_latex(kind: Kind) -> str:
    """What up1 and up2 take, as the course writes it: c_1 unflatten + t_1 and its like, in LaTeX."""

    def line(i: int, below: str) -> str:
        scaled = rf"c_{i}\odot" if kind.classes else ""
        time = rf"\odot t_{i}" if kind.time == "scales" else f"+t_{i}" if kind.time else ""
        return rf"&\text{{up{i}}}\bigl({scaled}\text{{{below}}}{time},\;\text{{skip}}\bigr)"

    return r"\begin{align*}" + line(1, "unflatten") + r"\\" + line(2, "up1") + r"\end{align*}"


CUTS: dict[str, tuple[str, ...]] = {
    "none cut": (),
    "cut at 28 x 28": ("conv_in",),
    "cut at 14 x 14": ("down1",),
    "cut at 7 x 7": ("down2",),
    "all cut": tuple(SKIPS),
}


def damage(network: str, *, time: float | None = None, num_images: int = 10) -> list[dict]:
    """What cutting each skip connection does to the last shipped network, on test digits.

    Rows: cut; "loss", the mean squared error of what the network is to answer; "PSNR (dB)" of the clean guess.
    """
    unet, settings = network_at(network, last_epoch(network))
    digits = shown_digits()
    every = len(digits.images) // num_images
    x = (from_uint8(digits.images[::every]) + 1) / 2
    question = ask(settings, x, digits.labels[::every].tolist(), time)
    rows = []
    for name, cut in CUTS.items():
        answer = look_inside(unet, question.given, question.t, question.c, cut).answer
        psnr = metrics.psnr(question.guess(answer), question.x0).mean().item()
        rows.append({"skips": name, "loss": metrics.mse(answer, question.target()).mean().item(), "PSNR (dB)": psnr})
    return rows


@torch.no_grad()
def condition_by_time(unet: UNet, block: str, points: int = 61) -> tuple[list[float], Tensor]:
    """(t / T, (points, channels)): what time1 or time2 adds to each channel, or multiplies it by, from t = 0 to T. Raises KeyError for no such block."""
    t = torch.linspace(0, 1, points)
    return t.tolist(), dict(unet.named_children())[block](t[:, None]).flatten(1)


@torch.no_grad()
def condition_by_class(unet: UNet, block: str) -> Tensor:
    """(11, channels): what class1 or class2 multiplies each channel by, for the digits 0 .. 9 and for no class."""
    told = torch.cat([torch.eye(NUM_CLASSES), torch.zeros(1, NUM_CLASSES)])
    return dict(unet.named_children())[block](told).flatten(1)


def effect_of_conditions(unet: UNet, question: Question) -> list[dict]:
    """What telling another t or class changes, for one picture of a network that is told them.

    Rows: told; "into up1" and "into up2", the RMS change of the activations there, as a share of their own RMS; "answer",
    the same of the network's answer. The first row is what was asked, so all its changes are 0.
    """
    told = {"as asked": (question.t, question.c)}
    first, _, last = question.objective.times
    for t in (first, last):
        told[f"t = {t:g}"] = (question.objective.told(torch.full_like(question.t, t)), question.c)
    if question.c is not None:
        told["class hidden"] = (question.t, torch.zeros_like(question.c))
        told["the next digit"] = (question.t, question.c.roll(1, 1))
    rows, asked, watched = [], None, Watched(unet)
    for name, (t, c) in told.items():
        inside = watched(question.given, t, c)
        seen = {"into up1": inside.conditioned("up1"), "into up2": inside.conditioned("up2"), "answer": inside.answer}
        asked = asked or seen
        rows.append({"told": name, **{k: (rms(v - asked[k]) / rms(asked[k])) for k, v in seen.items()}})
    return rows


def rms(x: Tensor) -> float:
    """Root of the mean square."""
    return x.square().mean().sqrt().item()


def openings(model: Model) -> Iterator[Opening]:
    """What the last block on the way up makes of a noisy 7: its first channels, each on its own scale."""
    network = next((n for n in ("class_conditioned", "time_conditioned", "one_step") if epochs_of(n)), "class_conditioned")
    unet, trained = network_at(network, last_epoch(network))
    question = ask(trained, one_step.to_unit(shown_digits().digit(7)), [7])
    maps = look_inside(unet, question.given, question.t, question.c).gives["up2"][0, :8, None]
    low, high = maps.amin((1, 2, 3), keepdim=True), maps.amax((1, 2, 3), keepdim=True)
    chosen = {"pictures": "feature maps of up2", "network": network, "digit": 7, "t": question.time, "seed": SEED}
    yield Opening("unet", chosen, film=still(chosen, (maps - low) / (high - low).clamp_min(1e-6)))


def card() -> kept.Card:
    """Three feature maps."""
    film = kept.film("unet", "mnist")
    alt = f"three {film.about['pictures']}, of a {film.about['digit']}"
    return kept.Card(alt, list(film.final[:: max(1, len(film.final) // 3)][:3]))
