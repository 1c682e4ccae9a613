"""The course's UNet for 28x28 digits, block by block, with time and class where the course adds them.

Named as the course names the blocks; D is `num_hiddens`. Four networks, one class:

    UNet(128)                                    one-step denoiser
    UNet(64, time_conditioned=True)              diffusion model
    UNet(64, time_conditioned=True, num_classes=10)   class-conditioned diffusion model
    UNet(64, time_conditioned=True, num_classes=10, time_scales=True)   flow matching, as later years of the course have it
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Conv(nn.Sequential):
    """(B, in, H, W) -> (B, out, H, W)."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__(nn.Conv2d(in_channels, out_channels, 3, 1, 1), nn.BatchNorm2d(out_channels), nn.GELU())


class DownConv(nn.Sequential):
    """Halves the height and width."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__(nn.Conv2d(in_channels, out_channels, 3, 2, 1), nn.BatchNorm2d(out_channels), nn.GELU())


class UpConv(nn.Sequential):
    """Doubles the height and width."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__(nn.ConvTranspose2d(in_channels, out_channels, 4, 2, 1), nn.BatchNorm2d(out_channels), nn.GELU())


class Flatten(nn.Sequential):
    """(B, C, 7, 7) -> (B, C, 1, 1)."""

    def __init__(self):
        super().__init__(nn.AvgPool2d(7), nn.GELU())


class Unflatten(nn.Sequential):
    """(B, C, 1, 1) -> (B, C, 7, 7)."""

    def __init__(self, channels: int):
        super().__init__(nn.ConvTranspose2d(channels, channels, 7, 7, 0), nn.BatchNorm2d(channels), nn.GELU())


class ConvBlock(nn.Sequential):
    def __init__(self, in_channels: int, out_channels: int):
        super().__init__(Conv(in_channels, out_channels), Conv(out_channels, out_channels))


class DownBlock(nn.Sequential):
    def __init__(self, in_channels: int, out_channels: int):
        super().__init__(DownConv(in_channels, out_channels), ConvBlock(out_channels, out_channels))


class UpBlock(nn.Sequential):
    def __init__(self, in_channels: int, out_channels: int):
        super().__init__(UpConv(in_channels, out_channels), ConvBlock(out_channels, out_channels))


class FCBlock(nn.Sequential):
    """(B, in) -> (B, out, 1, 1), ready to scale or shift a feature map."""

    def __init__(self, in_features: int, out_features: int):
        super().__init__(
            nn.Linear(in_features, out_features),
            nn.GELU(),
            nn.Linear(out_features, out_features),
            nn.Unflatten(1, (out_features, 1, 1)),
        )


class UNet(nn.Module):
    """The course's UNet.

    Args:
        num_hiddens: D, the width of the first level.
        time_conditioned: add FCBlock(t / T) after Unflatten and after the first UpBlock.
        num_classes: scale by FCBlock(one-hot class) at the same two places; 0 for none. Needs time_conditioned.
        time_scales: multiply by FCBlock(t) there instead of adding it.
    Raises: ValueError for a width below 1, or classes without time.
    """

    def __init__(self, num_hiddens: int, *, time_conditioned: bool = False, num_classes: int = 0, time_scales: bool = False):
        super().__init__()
        if num_hiddens < 1:
            raise ValueError(f"num_hiddens must be at least 1, got {num_hiddens}")
        if num_classes and not time_conditioned:
            raise ValueError("the class-conditioned network is time-conditioned too: pass time_conditioned=True")
        D = num_hiddens
        self.num_hiddens, self.time_conditioned, self.num_classes = D, time_conditioned, num_classes
        self.time_scales = time_scales
        self.conv_in = ConvBlock(1, D)
        self.down1 = DownBlock(D, D)
        self.down2 = DownBlock(D, 2 * D)
        self.flatten = Flatten()
        self.unflatten = Unflatten(2 * D)
        self.up1 = UpBlock(4 * D, D)
        self.up2 = UpBlock(2 * D, D)
        self.conv_out = ConvBlock(2 * D, D)
        self.out = nn.Conv2d(D, 1, 3, 1, 1)
        if time_conditioned:
            self.time1, self.time2 = FCBlock(1, 2 * D), FCBlock(1, D)
        if num_classes:
            self.class1, self.class2 = FCBlock(num_classes, 2 * D), FCBlock(num_classes, D)

    def forward(self, x: Tensor, t: Tensor | None = None, c: Tensor | None = None) -> Tensor:
        """Args:
            x: (B, 1, 28, 28).
            t: (B,) timestep divided by T, in [0, 1), or the flow's time in [0, 1]; only for a time-conditioned network.
            c: (B, num_classes) one-hot class, all zeros for "no class"; only for a class-conditioned one.
        Returns: (B, 1, 28, 28), the clean image, the noise or the velocity, whichever it was trained for.
        Raises: ValueError if a condition is missing, or given to a network without it.
        """
        if (t is None) == self.time_conditioned or (c is None) == bool(self.num_classes):
            raise ValueError(
                f"this network needs t: {self.time_conditioned}, c: {bool(self.num_classes)}; "
                f"it was given t: {t is not None}, c: {c is not None}"
            )
        x1 = self.conv_in(x)
        x2 = self.down1(x1)
        x3 = self.down2(x2)
        up = self.unflatten(self.flatten(x3))
        if c is not None:
            up = up * self.class1(c)
        if t is not None:
            up = self._in_time(up, self.time1(t[:, None]))
        up = self.up1(torch.cat([up, x3], 1))
        if c is not None:
            up = up * self.class2(c)
        if t is not None:
            up = self._in_time(up, self.time2(t[:, None]))
        up = self.up2(torch.cat([up, x2], 1))
        return self.out(self.conv_out(torch.cat([up, x1], 1)))

    def _in_time(self, up: Tensor, time: Tensor) -> Tensor:
        return up * time if self.time_scales else up + time


def num_parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())
