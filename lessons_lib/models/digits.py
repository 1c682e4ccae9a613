"""The digits' networks: what each was trained with, its weights by name and epoch, and the class-conditioned one as a Model."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import Literal

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor
from torch.nn.functional import one_hot

from lessons_lib.errors import LessonsError
from lessons_lib.files import checkpoints
from lessons_lib.files.curves import read_losses
from lessons_lib.maths.denoisers import Conditioned, Denoiser
from lessons_lib.maths.schedule import Schedule
from lessons_lib.models import used
from lessons_lib.models.batching import Batched
from lessons_lib.models.model import Model
from lessons_lib.models.names import TITLES
from lessons_lib.models.objective import Eps, Flow, Objective, OneStep
from lessons_lib.models.unet import UNet
from lessons_lib.places import CACHE, OWN, RUNS

NUM_CLASSES = 10
OPTIMIZERS = ("adam", "muon")
PAIRS = {  # of digits that share a picture: one turned by 180 degrees, or one seen from afar
    "anagrams": (("6", "9"), ("5", "2"), ("1", "7"), ("8", "3"), ("4", "6"), ("9", "2")),
    "hybrids": (("6", "0"), ("8", "3"), ("9", "4"), ("0", "6"), ("7", "1"), ("3", "5")),
}
UNTRAINED = 0
GIVEN = -1  # in the place of an epoch: a network that somebody gave, whose training is not known
FOLDER = CACHE / "mnist"
OTHERS = {r"r[0-9a-f]{7}": RUNS, r"n[0-9a-f]{12}": OWN}
"""Where networks lie whose name is not one of KINDS: a training's of the page Train by its id, and one that somebody gave."""


@dataclass(frozen=True)
class Settings:
    """What a run was started with. The defaults of each network are the course's, in COURSE."""

    network: str
    num_hiddens: int
    batch_size: int
    epochs: int
    lr: float
    lr_final_factor: float = 1.0  # ExponentialLR: the learning rate falls to lr * this over the run, a step per epoch
    sigma: float = 0.5  # one-step denoiser: the noise it learns to remove
    T: int = 300  # diffusion: timesteps of the linear schedule
    class_dropout: float = 0.1  # where there is a class: how often the class is hidden
    num_digits: int | None = None  # train on the first so many digits only
    seed: int = 180
    optimizer: str = "adam"  # of OPTIMIZERS; the course's is Adam

    def __post_init__(self):
        if self.optimizer not in OPTIMIZERS:
            raise ValueError(f"optimizer must be one of {', '.join(OPTIMIZERS)}; got {self.optimizer!r}")
        if self.network not in NETWORKS:
            raise ValueError(f"network must be one of {', '.join(NETWORKS)}; got {self.network!r}")
        for name in ("num_hiddens", "batch_size", "epochs", "T", "seed"):  # a file may say anything
            if type(getattr(self, name)) is not int:
                raise TypeError(f"{name} must be a whole number, got {getattr(self, name)!r}")
        for name in ("num_hiddens", "batch_size", "epochs", "lr", "T"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be above 0, got {getattr(self, name)!r}")
        if not 0 <= self.class_dropout <= 1:
            raise ValueError(f"class_dropout must be between 0 and 1, got {self.class_dropout!r}")
        if not 0 <= self.sigma < math.inf:
            raise ValueError(f"sigma must be finite and not negative, got {self.sigma!r}")
        if self.num_digits is not None and self.num_digits < 1:
            raise ValueError(f"num_digits must be at least 1, got {self.num_digits!r}")

    @cached_property
    def schedule(self) -> Schedule:
        return Schedule.linear(self.T)

    @cached_property
    def objective(self) -> Objective:
        """What the network learns to answer: its loss, how it is asked, how it walks."""
        return KINDS[self.network].objective(self)


@dataclass(frozen=True)
class Kind:
    """What sets one network of the course apart from another: what it learns, and what its UNet is told.

    time: what FCBlock(t) does to the feature maps, if there is one. classes: whether FCBlock(c) scales them.
    """

    objective: Callable[[Settings], Objective]
    time: Literal["", "shifts", "scales"] = ""
    classes: bool = False

    @property
    def conditions(self) -> dict:
        """UNet's own arguments."""
        return {
            "time_conditioned": bool(self.time),
            "num_classes": NUM_CLASSES if self.classes else 0,
            "time_scales": self.time == "scales",
        }


def _eps(settings: Settings) -> Eps:
    return Eps(settings.schedule, settings.class_dropout)


def _flow(settings: Settings) -> Flow:
    return Flow(settings.class_dropout)


KINDS = {
    "one_step": Kind(lambda s: OneStep(s.sigma)),
    "pure_noise": Kind(lambda s: OneStep(s.sigma, signal=0.0)),
    "time_conditioned": Kind(_eps, "shifts"),
    "class_conditioned": Kind(_eps, "shifts", classes=True),
    "time_flow": Kind(_flow, "scales"),
    "class_flow": Kind(_flow, "shifts", classes=True),
    "flow_matching": Kind(_flow, "scales", classes=True),
}
"""Every digits network by name. In the course of fall 2025, time_flow (unflatten * t1) and class_flow (c1 * unflatten + t1) stand
where DDPM's two stood before. In flow_matching, whose weights ship, class and time both scale."""

NETWORKS = tuple(KINDS)
COURSE = {
    "one_step": Settings("one_step", num_hiddens=128, batch_size=256, epochs=5, lr=1e-4),
    "pure_noise": Settings("pure_noise", num_hiddens=128, batch_size=256, epochs=5, lr=1e-4, sigma=1.0),
    "time_conditioned": Settings("time_conditioned", num_hiddens=64, batch_size=128, epochs=20, lr=1e-3, lr_final_factor=0.1),
    "class_conditioned": Settings("class_conditioned", num_hiddens=64, batch_size=128, epochs=20, lr=1e-3, lr_final_factor=0.1),
    "time_flow": Settings("time_flow", num_hiddens=64, batch_size=64, epochs=10, lr=1e-2, lr_final_factor=0.1),
    "class_flow": Settings("class_flow", num_hiddens=64, batch_size=64, epochs=10, lr=1e-2, lr_final_factor=0.1),
    "flow_matching": Settings("flow_matching", num_hiddens=64, batch_size=64, epochs=10, lr=1e-2, lr_final_factor=0.1),
}


def make_unet(settings: Settings) -> UNet:
    """A fresh network with the seed's initial weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        return UNet(settings.num_hiddens, **KINDS[settings.network].conditions)


def save_weights(path: Path, unet: UNet, settings: Settings, step: int) -> None:
    """The network alone, in half precision, with what it was trained with in the file's own metadata."""
    metadata = {"settings": json.dumps(asdict(settings)), "step": str(step)}
    checkpoints.save_tensors(path, checkpoints.halved(unet), metadata)


def load_weights(path: str | Path) -> tuple[UNet, Settings]:
    """A network from save_weights, in float32 and eval mode.

    Raises: LessonsError if the file is missing, cut short, or not such a file.
    """
    try:
        with safe_open(str(path), "pt") as f:
            settings = Settings(**json.loads(f.metadata()["settings"]))
            weights = {k: f.get_tensor(k) for k in f.keys()}  # noqa: SIM118, f is no dict
        unet = make_unet(settings)
        unet.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in weights.items()})
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as e:
        raise LessonsError(f"{Path(path).name} holds no digits network, or was cut short: copy it again or train it anew.") from e
    return unet.eval(), settings


def condition_of(labels: list[int] | Tensor | None) -> Tensor:
    """(B, 10) one-hot rows for the labels, or (1, 10) zeros for no class. Raises ValueError for a label outside 0 .. 9."""
    if labels is None:
        return torch.zeros(1, NUM_CLASSES)
    labels = torch.as_tensor(labels).view(-1)
    if bool(((labels < 0) | (labels >= NUM_CLASSES)).any()):
        raise ValueError(f"a digit is 0 to 9, got {labels.tolist()}")
    return one_hot(labels.long(), NUM_CLASSES).float()


@torch.no_grad()
def denoise_once(unet: UNet, z: Tensor) -> Tensor:
    """The one-step denoiser: z = x + sigma * eps (B, 1, 28, 28) in about [0, 1] -> its estimate of x, in about [0, 1]."""
    return unet(z)


def is_own(network: str) -> bool:
    """True for a network that was trained here or given by somebody, by its name; False for one that ships."""
    return any(re.fullmatch(name, network) for name in OTHERS)


def folder_of(network: str) -> Path:
    """Where a network's weights lie, whether it is there or not."""
    return next((folder for name, folder in OTHERS.items() if re.fullmatch(name, network)), FOLDER) / network


def shipped_epochs(network: str) -> list[int]:
    """The epochs whose weights are there, in order: of a network that ships, or was trained here. [GIVEN] of one that was given."""
    folder = folder_of(network)
    if (folder / "given.safetensors").exists():
        return [GIVEN]
    return sorted(int(p.stem.split("-")[1]) for p in folder.glob("epoch-*.safetensors"))


def file_of(network: str, epoch: int | None = None) -> Path:
    """The weights of a network, by default after its last epoch. Raises LessonsError if they are not there."""
    epochs = shipped_epochs(network)
    if not epochs or (epoch is not None and epoch not in epochs):
        if is_own(network):
            raise LessonsError(f"The network {network} is not on this machine, or not any more: train or upload it again.")
        raise LessonsError(f"No weights of {network} after epoch {epoch or 'any'} ship; there are: {epochs or 'none'}.")
    epoch = epochs[-1] if epoch is None else epoch
    return folder_of(network) / ("given.safetensors" if epoch == GIVEN else f"epoch-{epoch:02d}.safetensors")


def open_network(network: str, epoch: int | None = None) -> tuple[UNet, Settings]:
    """A network by its name, by default after its last epoch. Shared by all: never train it.

    Raises: LessonsError if its weights are not there.
    """
    file = file_of(network, epoch)
    used.note(file)
    return _read_own(file) if is_own(network) else _read(file)


_read = cache(load_weights)
_read_own = lru_cache(maxsize=12)(load_weights)  # people's networks come and go


def epochs_of(network: str) -> list[int]:
    """UNTRAINED and the epochs whose weights are there, in order; [GIVEN] of a network that was given. Empty if none are there."""
    epochs = shipped_epochs(network)
    return epochs if epochs == [GIVEN] else [UNTRAINED, *epochs] if epochs else []


def compared(network: str) -> list[int]:
    """The first and the last shipped epoch; if only one ships, the untrained network and it. Empty if none ship."""
    epochs = shipped_epochs(network)
    return [epochs[0], epochs[-1]] if len(epochs) > 1 else epochs_of(network)


def three(network: str) -> list[int]:
    """compared(), and the shipped epoch in the middle where there are more than two."""
    epochs = shipped_epochs(network)
    return [epochs[0], epochs[len(epochs) // 2], epochs[-1]] if len(epochs) > 2 else compared(network)


def describe(epoch: int) -> str:
    """ "untrained", "after epoch 5", "as it was given"."""
    return {UNTRAINED: "untrained", GIVEN: "as it was given"}.get(epoch, f"after epoch {epoch}")


def network_at(network: str, epoch: int) -> tuple[UNet, Settings]:
    """The network at that moment, in eval mode; UNTRAINED is the very network its training began with. Shared: never train it.

    Raises: LessonsError if it does not ship.
    """
    return open_network(network, epoch) if epoch != UNTRAINED else _untrained(file_of(network))


@lru_cache(maxsize=12)
def _untrained(file: Path) -> tuple[UNet, Settings]:
    """The network that the training of this file's began with."""
    _, settings = load_weights(file)
    return make_unet(settings).eval(), settings


@lru_cache(maxsize=64)
def step_of(network: str, epoch: int) -> int:
    """The optimiser steps done by the end of an epoch, from the weights' own metadata."""
    if epoch == UNTRAINED:
        return 0
    with safe_open(str(file_of(network, epoch)), "pt") as f:
        return int(f.metadata()["step"])


@lru_cache(maxsize=16)
def losses(network: str) -> tuple[list[int], list[float]]:
    """(steps, losses) of the shipped training, one a step; two empty lists if the curve does not ship."""
    try:
        return read_losses(folder_of(network) / "losses.csv")
    except OSError:
        return [], []


@lru_cache(maxsize=16)
def restarts(network: str) -> list[int]:
    """The steps after which the shipped training went on another day, its optimiser beginning anew."""
    try:
        return [int(step) for step in json.loads((folder_of(network) / "restarts.json").read_text())]
    except (OSError, ValueError, TypeError):
        return []


def last_epoch(network: str) -> int:
    """The last epoch whose weights are there. Raises LessonsError if none are."""
    epochs = shipped_epochs(network)
    if not epochs and is_own(network):
        file_of(network)
    if not epochs:
        raise LessonsError(f"No weights of {network} ship with this copy: train the network on the page Train on MNIST.")
    return epochs[-1]


def data_of(network: str) -> str:
    """What a network that was trained here learned from, as its training wrote down; "" where that is not known."""
    try:
        return str(json.loads((folder_of(network) / "settings.json").read_text())["data"])
    except (OSError, ValueError, TypeError, KeyError):
        return ""


def last_settings(network: str) -> Settings:
    """What the last shipped epoch was trained with. Raises LessonsError if none ships."""
    return network_at(network, last_epoch(network))[1]


def open_digits() -> Model:
    """The class-conditioned network as the lessons' smallest model: a prompt is a digit."""
    unet, settings = open_network("class_conditioned")
    weights = [file_of("class_conditioned")]
    network = Batched(settings.objective.network(unet), weights=weights, recipe=("model", "mnist"))

    def digit(prompt: str) -> int | None:
        prompt = prompt.strip()
        if prompt == "":
            return None
        if prompt not in tuple("0123456789"):
            raise LessonsError(f"This model draws the digits 0 to 9, not {prompt!r}: choose one, or leave it empty.")
        return int(prompt)

    def denoiser(prompt: str | list[str]) -> Denoiser:
        labels = [digit(p) for p in ([prompt] if isinstance(prompt, str) else prompt)]
        if None in labels:
            if any(label is not None for label in labels):
                raise LessonsError("Either every picture has a digit, or none.")
            return Conditioned(network, condition_of(None))
        return Conditioned(network, condition_of(labels))

    epoch = shipped_epochs("class_conditioned")[-1]
    return Model(
        name="mnist",
        title=TITLES["mnist"],
        about=f"class-conditioned UNet, D = {settings.num_hiddens}, epoch {epoch}",
        schedule=settings.schedule,
        shape=(1, 28, 28),
        prompts=tuple("3012456789"),
        denoiser=denoiser,
        class_of=digit,
        judge_name="digits",
        stride=10,
        guidance_scale=5.0,
        prompt_kind="digit",
        picture_kinds=("digit",),
        prompt_of=lambda kind, name: name[:1] if kind == "digit" else "",
        pairs=PAIRS,
        no_upscaler="Digits have one stage: 28 pixels are all that MNIST has.",
    )
