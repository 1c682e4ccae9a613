"""Ways to look at an image, for visual anagrams: each is undone exactly by `back`, and leaves Gaussian noise Gaussian.

That second property is what makes a view usable: the network must see, through the view, noise of the kind it was trained
on. Turning, flipping, shuffling pieces and negating all keep every pixel's variance and independence; blurring would not.
Source: Geng et al. 2024, "Visual Anagrams", arXiv:2311.17919, section 3.3.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Turn:
    """Turned by quarter turns against the clock. Square images only for odd numbers.

    >>> x = torch.tensor([[[[1, 2], [3, 4]]]])
    >>> turn = Turn("quarter turn", 1)
    >>> turn.there(x).tolist(), turn.back(turn.there(x)).equal(x)
    ([[[[2, 4], [1, 3]]]], True)
    """

    name: str
    quarters: int

    def there(self, x: Tensor) -> Tensor:
        return torch.rot90(x, self.quarters, (-2, -1))

    def back(self, x: Tensor) -> Tensor:
        return torch.rot90(x, -self.quarters, (-2, -1))


@dataclass(frozen=True)
class Flip:
    """Upside down, without turning."""

    name: str = "flip"

    def there(self, x: Tensor) -> Tensor:
        return x.flip(-2)

    back = there


@dataclass(frozen=True)
class Negative:
    """Light for dark: values in [-1, 1] change sign, and so does the noise."""

    name: str = "negative"

    def there(self, x: Tensor) -> Tensor:
        return -x

    back = there


@dataclass(frozen=True)
class Jigsaw:
    """Cut into pieces x pieces squares and laid anew, always in the same way. The size must be divisible by pieces."""

    name: str = "jigsaw"
    pieces: int = 4

    def _order(self) -> Tensor:
        return torch.randperm(self.pieces**2, generator=torch.Generator().manual_seed(self.pieces))

    def _lay(self, x: Tensor, order: Tensor) -> Tensor:
        b, c, h, w = x.shape
        n = self.pieces
        if h % n or w % n:
            raise ValueError(f"an image of {h} x {w} cannot be cut into {n} x {n} equal pieces")
        cut = x.reshape(b, c, n, h // n, n, w // n).permute(0, 2, 4, 1, 3, 5).reshape(b, n * n, c, h // n, w // n)
        laid = cut[:, order].reshape(b, n, n, c, h // n, w // n)
        return laid.permute(0, 3, 1, 4, 2, 5).reshape(b, c, h, w)

    def there(self, x: Tensor) -> Tensor:
        return self._lay(x, self._order())

    def back(self, x: Tensor) -> Tensor:
        return self._lay(x, self._order().argsort())


VIEWS = {v.name: v for v in (Turn("turn 180", 2), Flip(), Turn("quarter turn", 1), Negative(), Jigsaw())}
