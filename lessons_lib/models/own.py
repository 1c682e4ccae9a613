"""A network that somebody trained elsewhere: its state dict is fitted into the course's UNet, and what does not fit is said in words.

The course names its blocks, and everybody names the layers in them otherwise. So layers are matched by name if the names are
ours, and by kind, shape and order if they are not. Shapes tell the width D, and whether time and class are told to the network;
what they cannot tell, such as whether it answers noise or a velocity, is measured on test digits.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from lessons_lib.errors import LessonsError
from lessons_lib.files import decoders
from lessons_lib.files.checkpoints import save_tensors
from lessons_lib.files.test_digits import shown_digits
from lessons_lib.maths.images import from_uint8
from lessons_lib.models.digits import COURSE, KINDS, Settings, condition_of, make_unet, network_at
from lessons_lib.models.unet import UNet
from lessons_lib.places import OWN

MOST_HIDDENS = 256
MOST_TIMESTEPS = 10_000
KEPT_BYTES = 2_000_000_000  # of all networks that were given; the oldest make room
WRAPS = ("state_dict", "model_state_dict", "model", "net", "unet", "network", "weights", "ema", "params")
"""Under which names people save a network beside its optimiser, in a dict."""
CHOICES = ("one_step", "time_conditioned", "time_flow", "class_conditioned", "class_flow", "flow_matching")
"""What a network may have been trained for. Those with the same shapes are told apart by how well they answer."""
TITLES = {
    "one_step": "one-step denoiser",
    "pure_noise": "one-step denoiser of pure noise",
    "time_conditioned": "time-conditioned network",
    "class_conditioned": "class-conditioned network",
    "time_flow": "time-conditioned flow-matching network",
    "class_flow": "flow-matching network that time shifts",
    "flow_matching": "flow-matching network",
}
"""What people call a network, by its kind."""


@dataclass(frozen=True)
class Given:
    """A network that was given and fits. name: under which it opens, like one that ships.

    by_order: the layers' names were others than ours, so they were matched by kind, shape and order.
    error: its mean squared error on test digits over that of answering the mean; 1 or more means that it does not do its work.
    """

    name: str
    settings: Settings
    by_order: bool
    error: float


def take(data: bytes) -> Given:
    """Open a state dict (.safetensors, or .pt and .pth of torch.save), fit it into the course's UNet, and keep it.

    Raises: LessonsError in one sentence if it is no such file, fits none of the course's networks, or cannot be kept.
    """
    found, metadata = _opened(data)
    name = "n" + hashlib.sha256(data).hexdigest()[:12]
    kind, D = recognised(found)
    try:
        weights, by_order = fitted(found, kind, D)
    except LessonsError as e:
        if data[:2] == b"PK" or _named_as_ours(found, kind, D):
            raise
        raise LessonsError(
            f"{e} A safetensors file does not keep the order of layers: torch.save(unet.state_dict()) does."
        ) from e
    settings, error = _trained_for(weights, kind, D, metadata)
    unet = make_unet(settings)
    unet.load_state_dict(weights)
    _keep(name, unet, settings)
    return Given(name, settings, by_order, error)


def settings_of(network: str) -> Settings | None:
    """What a network that was given or trained here is; None if it is not on this machine any more."""
    try:
        return network_at(network, None)[1]
    except LessonsError:
        return None


# --- what is in the file ------------------------------------------------------------------------------------------------


def _opened(data: bytes) -> tuple[dict[str, Tensor], dict[str, str]]:
    """({layer.parameter: tensor} in the file's order, metadata), without what wraps them."""
    if data[:2] == b"PK":
        said = "These are not a network's weights: save `unet.state_dict()` with torch.save, or as safetensors."
        found, metadata = decoders.torch_file(data, said=said), {}
        if not isinstance(found, dict | list | tuple):
            raise LessonsError(said)
        found = _unwrapped(found)
        if not isinstance(found, dict) or not all(isinstance(k, str) for k in found):
            raise LessonsError(said)
        strange = next((k for k, v in found.items() if not isinstance(v, Tensor)), None)
        if strange is not None:
            raise LessonsError(f"{strange[:60]!r} in this file is no tensor: save `unet.state_dict()` alone.")
    else:
        found, metadata = decoders.tensors(data)
        found = dict(_as_defined(found))
    if not found:
        raise LessonsError("This file holds no tensors: save `unet.state_dict()`.")
    return _without_prefix(found), metadata


def _unwrapped(found: object) -> object:
    """The state dict in what people save around it, the nearest to the top: under one of WRAPS, else under any name, or in a list."""
    level, seen = [found], {id(found)}
    while level:
        for one in level:
            if _is_state_dict(one):
                return one
        inner = []
        for one in level:
            values = [one[k] for k in WRAPS if k in one] + [*one.values()] if isinstance(one, dict) else [*one]
            for v in values:
                if isinstance(v, dict | list | tuple) and id(v) not in seen:  # what holds itself is looked at once
                    seen.add(id(v))
                    inner.append(v)
        level = inner
    return found


def _is_state_dict(found: object) -> bool:
    """True for named tensors, among them layers with names of their own, as no optimiser's memory has."""
    if not isinstance(found, dict):
        return False
    return all(isinstance(k, str) and isinstance(v, Tensor) for k, v in found.items()) and any("." in k for k in found)


def _as_defined(found: dict[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """safetensors sorts by size and name; a layer's parameters stay together, numbers in a name count as numbers."""
    yield from sorted(
        found.items(), key=lambda kv: [(not p.isdigit(), int(p) if p.isdigit() else 0, p) for p in kv[0].split(".")]
    )


def _without_prefix(found: dict[str, Tensor]) -> dict[str, Tensor]:
    """Without what DataParallel, torch.compile or a wrapping module put before every name ("module.", "_orig_mod.", "unet.").

    A wrapping module's own tensors beside the network, such as a schedule's betas or an average's count, are none of its weights.
    """
    ours = {name.partition(".")[0] for name in shapes("flow_matching", 1)}
    while True:
        heads = {name.partition(".")[0] for name in found if "." in name}
        if len(heads) != 1 or heads <= ours:
            return found
        found = {name.partition(".")[2]: v for name, v in found.items() if "." in name}


# --- which network it is ------------------------------------------------------------------------------------------------


def shapes(kind: str, D: int) -> dict[str, tuple[int, ...]]:
    """{name: shape} of all that the course's UNet of this kind and width needs, in the order of its layers."""
    with torch.device("meta"):
        unet = UNet(D, **KINDS[kind].conditions)
    return {k: tuple(v.shape) for k, v in unet.state_dict().items() if not k.endswith("num_batches_tracked")}


def recognised(found: dict[str, Tensor]) -> tuple[str, int]:
    """(one of the kinds with these shapes, D). Raises LessonsError if that cannot be told."""
    first = next(((k, v) for k, v in found.items() if v.ndim == 4 and v.shape[1] == 1 and v.shape[2:] == (3, 3)), None)
    if first is None:
        raise LessonsError(
            "No first convolution of the course's UNet is in this file, from 1 channel to D with a kernel of 3 x 3: are these the "
            "weights of another network?"
        )
    D = first[1].shape[0]
    if not 1 <= D <= MOST_HIDDENS:
        raise LessonsError(f"{first[0][:60]} has D = {D} channels; networks of up to {MOST_HIDDENS} open here.")
    linear = sum(v.ndim == 2 for v in found.values())  # two in each FCBlock
    return ("class_conditioned" if linear > 4 else "time_conditioned" if linear else "one_step"), D


def fitted(found: dict[str, Tensor], kind: str, D: int) -> tuple[dict[str, Tensor], bool]:
    """(the weights under the course's names in float32, whether they had to be matched by order).

    Raises: LessonsError for the first parameter that does not fit, or is missing, or is too many; or is NaN or infinite.
    """
    wanted = shapes(kind, D)
    given = {k: v for k, v in found.items() if not k.endswith("num_batches_tracked")}
    by_order = not _named_as_ours(found, kind, D)
    names = _matched(given, wanted, f"{TITLES[kind]}, D = {D}") if by_order else {k: k for k in wanted}
    weights = {}
    for name, shape in wanted.items():
        theirs = names.get(name)
        if theirs not in given:
            raise LessonsError(f"{name} is missing here: a {TITLES[kind]} with D = {D} has it, {shape}.")
        got = tuple(given[theirs].shape)
        if got != shape:
            place = "" if theirs == name else f", in the place of {name}"
            raise LessonsError(f"{theirs[:80]} is {got} here, {shape} is needed{place} (D = {D}).")
        if not decoders.is_whole(given[theirs]):
            raise LessonsError(f"{theirs[:80]} holds values that are NaN, infinite or whole numbers: did the training diverge?")
        weights[name] = given[theirs].float()
    used = set(names.values())
    strange = next((k for k in given if k not in used), None)
    if strange is not None:
        raise LessonsError(f"{strange[:80]} is more than a {TITLES[kind]} with D = {D} has: is it the course's UNet?")
    counters = {
        f"{k.removesuffix('running_mean')}num_batches_tracked": torch.tensor(1) for k in wanted if k.endswith("running_mean")
    }
    return weights | counters, by_order


def _named_as_ours(found: dict[str, Tensor], kind: str, D: int) -> bool:
    wanted = shapes(kind, D)
    return len(wanted.keys() & found.keys()) >= len(wanted) / 2


def _layers(names: Iterable[str]) -> dict[str, list[str]]:
    """{layer: its parameters' last names}, in order."""
    found: dict[str, list[str]] = {}
    for name in names:
        layer, _, parameter = name.rpartition(".")
        found.setdefault(layer, []).append(parameter)
    return found


def _sort_of(shape: Sequence[int], parameters: Sequence[str]) -> str:
    """What a layer is, by its weight."""
    if "running_mean" in parameters:
        return "normalisation"
    if len(shape) == 4:
        return f"convolution of {shape[2]} x {shape[3]}"
    return "linear layer" if len(shape) == 2 else "layer"


def _matched(given: dict[str, Tensor], wanted: dict[str, tuple[int, ...]], what: str) -> dict[str, str]:
    """{our name: theirs}: the n-th layer of a sort is the n-th of ours; of linear layers, the next of the same shape."""
    theirs: dict[str, list[str]] = {}
    for layer, parameters in _layers(given).items():
        shape = tuple(given[f"{layer}.weight" if "weight" in parameters else f"{layer}.{parameters[0]}"].shape) if layer else ()
        theirs.setdefault(_sort_of(shape, parameters), []).append(layer)
    ours: dict[str, list[str]] = {}
    for layer, parameters in _layers(wanted).items():
        ours.setdefault(_sort_of(wanted[f"{layer}.weight"], parameters), []).append(layer)
    for sort, layers in ours.items():
        if len(theirs.get(sort, ())) != len(layers):
            n = len(theirs.get(sort, ()))
            raise LessonsError(f"{n} times a {sort} is here, {len(layers)} are needed for a {what}: is it the course's UNet?")
    names: dict[str, str] = {}
    for sort, layers in ours.items():
        pairs = zip(layers, theirs[sort], strict=True)
        if sort == "linear layer":
            pairs = _conditions(layers, theirs[sort], given, wanted)
        for our, their in pairs:
            names |= {name: f"{their}.{name.rpartition('.')[2]}" for name in wanted if name.rpartition(".")[0] == our}
    return names


def _conditions(layers: list[str], left: list[str], given: dict[str, Tensor], wanted: dict) -> Iterator[tuple[str, str]]:
    """FCBlocks stand anywhere in a definition; each is a first layer, whose shape is its own, and the layer after it."""
    blocks = [(left[i], left[i + 1]) for i in range(0, len(left) - 1, 2)]
    for first, second in [(layers[i], layers[i + 1]) for i in range(0, len(layers) - 1, 2)]:
        shape = wanted[f"{first}.weight"]
        their = next((b for b in blocks if tuple(given[f"{b[0]}.weight"].shape) == shape), blocks[0])
        blocks.remove(their)
        yield from zip((first, second), their, strict=True)


# --- what it was trained for --------------------------------------------------------------------------------------------


def _trained_for(weights: dict[str, Tensor], kind: str, D: int, metadata: dict[str, str]) -> tuple[Settings, float]:
    """(settings, relative error): what the file says of itself if these lessons wrote it, else what it answers best."""
    alike = [k for k in CHOICES if shapes(k, D) == shapes(kind, D)]
    tried = [replace(COURSE[k], num_hiddens=D) for k in alike]
    with suppress(KeyError, TypeError, ValueError, RecursionError):
        said = Settings(**json.loads(metadata["settings"]))
        if said.num_hiddens == D and said.network in alike and said.T <= MOST_TIMESTEPS:
            tried = [said]
    errors = [_error(weights, settings) for settings in tried]
    best = min(range(len(tried)), key=errors.__getitem__)
    return tried[best], errors[best]


@torch.no_grad()
def _error(weights: dict[str, Tensor], settings: Settings, seed: int = 180) -> float:
    """How wrong it is on ten test digits at two times, over the error of answering the mean of what is asked for."""
    unet = make_unet(settings).eval()
    unet.load_state_dict(weights)
    digits = shown_digits()
    x, labels = (from_uint8(digits.images[::10]) + 1) / 2, digits.labels[::10].tolist()
    g, objective = torch.Generator().manual_seed(seed), settings.objective
    first, _, last = objective.times
    wrong, spread = 0.0, 0.0
    for t in sorted({type(last)(first + share * (last - first)) for share in (0.3, 0.7)}):
        eps = torch.randn(x.shape, generator=g)
        c = condition_of(labels) if unet.num_classes else None
        answer = unet(objective.given(x, eps, t), objective.told(torch.full((len(x),), t)), c)
        target = objective.target(x, eps)
        wrong += (answer - target).square().mean().item()
        spread += (target - target.mean()).square().mean().item()
    return wrong / spread


# --- keeping ------------------------------------------------------------------------------------------------------------


def _keep(name: str, unet: nn.Module, settings: Settings) -> None:
    """Lay it where every page and a restarted server find it; the oldest make room."""
    folder = OWN / name
    save_tensors(folder / "given.safetensors", unet.state_dict(), {"settings": json.dumps(asdict(settings)), "step": "0"})
    tidy(folder.parent)


def tidy(folder: Path, most: int | None = None) -> None:
    """Remove the networks that were given longest ago, until all have at most so many bytes together."""
    left = KEPT_BYTES if most is None else most
    for path in sorted(folder.glob("n*/given.safetensors"), key=os.path.getmtime, reverse=True):
        left -= path.stat().st_size
        if left < 0:
            shutil.rmtree(path.parent, ignore_errors=True)
