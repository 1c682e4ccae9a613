"""The judge: a small classifier that says what a picture is read as. One for digits, two for the small model's things.

They are trained on real pictures only, never on what the diffusion models make, and their own accuracy on pictures they have not seen
stands in the JSON beside their weights. Lessons ask `emoji`, which looks at 32 pixels; `emoji_64` sees what stage 2 adds to them.
`digits`, and the second generation for the small model, may also say "nothing I know": lessons_lib/training/judges.py.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from lessons_lib.errors import LessonsError
from lessons_lib.maths.images import from_uint8
from lessons_lib.places import CACHE

FOLDERS = {
    "digits": CACHE / "mnist" / "judge",
    "emoji": CACHE / "text_to_image" / "judge",
    "emoji_64": CACHE / "text_to_image" / "judge_64",
    "choosing": CACHE / "text_to_image" / "judge_choosing",
    "reporting": CACHE / "text_to_image" / "judge_reporting",
}


class Judge(nn.Module):
    """A plain convolutional classifier.

    Args:
        classes: the names it chooses from. channels: of its pictures. size: side it looks at, others are averaged down.
        width: channels of the first stage; they double as the side halves. layers: convolutions a stage.
        nothing: whether it may also say "nothing I know": its probabilities of the classes then sum to less than one.
        temperature: what its logits are divided by, so that it is right as often as it is sure (Guo et al. 2017, arXiv:1706.04599).
    """

    def __init__(
        self,
        classes: tuple[str, ...],
        channels: int,
        size: int,
        width: int,
        *,
        layers: int = 2,
        nothing: bool = False,
        temperature: float = 1.0,
    ) -> None:
        super().__init__()
        self.classes, self.channels, self.size = classes, channels, size
        self.nothing, self.temperature = nothing, temperature
        self.file: Path | None = None  # of its weights, if they were opened from one

        def stage(n_in: int, n_out: int) -> list[nn.Module]:
            pairs = ((n_in, n_out), *((n_out, n_out),) * (layers - 1))
            return [m for i, o in pairs for m in (nn.Conv2d(i, o, 3, 1, 1, bias=False), nn.BatchNorm2d(o), nn.ReLU())]

        widths = [width]  # doubled at half the size, until 8 pixels or a little less are left
        while size >> len(widths) >= 7:
            widths.append(2 * widths[-1])
        stages = [stage(channels, width)]
        for narrow, wide in zip(widths, widths[1:], strict=False):
            stages.append([nn.MaxPool2d(2), *stage(narrow, wide)])
        self.net = nn.Sequential(
            *sum(stages, []),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Dropout(0.2),
            nn.Linear(widths[-1], len(classes) + nothing),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) in [-1, 1] -> (B, classes) logits; one more, the last, where it may say "nothing I know"."""
        if x.ndim != 4 or x.shape[1] != self.channels:
            raise ValueError(f"this judge reads (B, {self.channels}, H, W), got {tuple(x.shape)}")
        return self.net(adaptive_avg_pool2d(x, self.size) if x.shape[-1] != self.size else x)

    @torch.no_grad()
    def features(self, x: Tensor) -> Tensor:
        """What the last layer decides by: (B, C, H, W) in [-1, 1] -> (B, N). Pictures that look alike to the judge are near."""
        if x.shape[-1] != self.size:
            x = adaptive_avg_pool2d(x, self.size)
        return self.net[:-1](x.float())  # all but the linear layer; dropout does nothing outside training

    @torch.no_grad()
    def read(self, x: Tensor) -> Tensor:
        """(B, C, H, W) in [-1, 1] -> (B, classes) probabilities. What is missing to one is "nothing I know"."""
        return (self(x.float()) / self.temperature).softmax(1)[:, : len(self.classes)]

    def says(self, x: Tensor) -> list[str]:
        """ "dog 83%" for each picture (B, C, H, W): the likeliest reading; "unsure" where none has a half."""
        return [
            f"{self.classes[i]} {v:.0%}" if v >= 0.5 else "unsure"
            for v, i in zip(*map(Tensor.tolist, self.read(x).max(1)), strict=True)
        ]

    def rank(self, x: Tensor, label: int | Tensor) -> Tensor:
        """How high the asked-for class stands among all readings of each picture: 0 is read right at once. (B,) int."""
        p = self.read(x)
        asked = p.gather(1, torch.as_tensor(label).expand(len(x)).view(-1, 1))
        return (p > asked).sum(1)


@cache
def open_judge(name: str) -> Judge:
    """The shipped judge, "digits" or "emoji". Raises LessonsError if its files are missing or broken."""
    folder = FOLDERS[name]
    try:
        about = json.loads((folder / "judge.json").read_text())
        shape = {k: about[k] for k in ("layers", "nothing", "temperature") if k in about}
        judge = Judge(tuple(about["classes"]), about["channels"], about["size"], about["width"], **shape)
        weights = load_file(folder / "judge.safetensors")
        judge.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in weights.items()})
        judge.file = folder / "judge.safetensors"
    except (OSError, KeyError, ValueError, RuntimeError, SafetensorError) as e:
        raise LessonsError(
            f"The judge in {folder} cannot be opened: restore it with `git checkout cache/{folder.relative_to(CACHE).as_posix()}`."
        ) from e
    return judge.eval()


def accuracy(judge: Judge, images: Tensor, labels: Tensor, k: int = 1) -> float:
    """The share of uint8 pictures whose label is among the k likeliest readings."""
    ranks = [judge.rank(from_uint8(x), y) for x, y in zip(images.split(512), labels.split(512), strict=True)]
    return (torch.cat(ranks) < k).float().mean().item()
