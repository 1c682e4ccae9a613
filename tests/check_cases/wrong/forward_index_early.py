"""t counted from 1, the table from 0."""

import torch

EXPECT = {"forward": ["index_early"]}


def forward(im, t):
    a = alphas_cumprod[t - 1]
    return a.sqrt() * im + (1 - a).sqrt() * torch.randn(im.shape)
