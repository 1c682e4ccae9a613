"""Two mistakes in one function."""

import torch

EXPECT = {"forward": ["no_sqrt", "clamped_input"]}


def forward(im, t):
    a = alphas_cumprod[t]
    return (a * im + (1 - a) * torch.randn_like(im)).clamp(-1, 1)
