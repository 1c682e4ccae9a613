"""The shipped digit networks as a Model for the lessons, and by name and epoch for Part B."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from lessons_lib.batching import Batched
from lessons_lib.denoisers import Conditioned, Denoiser
from lessons_lib.errors import LessonsError
from lessons_lib.mnist.sample import condition_of, network_of
from lessons_lib.mnist.train import Settings, load_weights
from lessons_lib.mnist.unet import UNet
from lessons_lib.models import TITLES, Model

FOLDER = Path(__file__).resolve().parents[2] / "cache" / "mnist"


def shipped_epochs(network: str) -> list[int]:
    """The epochs after which the weights of "one_step", "time_conditioned" or "class_conditioned" ship."""
    return sorted(int(p.stem.split("-")[1]) for p in (FOLDER / network).glob("epoch-*.safetensors"))


@cache
def open_network(network: str, epoch: int | None = None) -> tuple[UNet, Settings]:
    """A shipped network, by default after its last epoch. Shared by all: never train it.

    Raises: LessonsError if it does not ship.
    """
    epochs = shipped_epochs(network)
    if not epochs or (epoch is not None and epoch not in epochs):
        raise LessonsError(f"No weights of {network} after epoch {epoch or 'any'} ship; there are: {epochs or 'none'}.")
    return load_weights(FOLDER / network / f"epoch-{epoch or epochs[-1]:02d}.safetensors")


def open_digits() -> Model:
    """The class-conditioned network as the lessons' smallest model: a prompt is a digit."""
    unet, settings = open_network("class_conditioned")
    network = Batched(network_of(unet, settings))

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
        name="mnist", title=TITLES["mnist"], about=f"class-conditioned UNet, D = {settings.num_hiddens}, epoch {epoch}",
        schedule=settings.schedule, shape=(1, 28, 28), prompts=tuple("3012456789"), denoiser=denoiser,
        class_of=digit, judge_name="digits", stride=10, guidance_scale=5.0,
    )  # fmt: skip
