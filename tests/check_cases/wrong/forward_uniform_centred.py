"""Uniform noise from -1 to 1."""

import torch

EXPECT = {"forward": ["uniform"]}


def forward(im, t):
    a = alphas_cumprod[t]
    return a.sqrt() * im + (1 - a).sqrt() * (2 * torch.rand_like(im) - 1)
