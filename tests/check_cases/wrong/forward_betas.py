"""The table of betas; the two weights swapped."""

import torch

EXPECT = {"forward": ["alpha_for_alpha_bar"], "one_step": ["weights_swapped"]}
stage_1 = None


def forward(im, t):
    beta = stage_1.scheduler.betas[t]
    return (1 - beta).sqrt() * im + beta.sqrt() * torch.randn_like(im)


def one_step(im, t, eps):
    a = alphas_cumprod[t]
    return (im - a.sqrt() * eps) / (1 - a).sqrt()
