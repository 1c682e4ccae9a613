"""float16 must not hide that the table is read one entry too late."""

import torch

EXPECT = {"forward": ["index_late"]}


def forward(im, t):
    im = im.half()
    a = alphas_cumprod[t + 1]
    return a.sqrt() * im + (1 - a).sqrt() * torch.randn_like(im)
