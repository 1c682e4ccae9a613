"""The noisy digits clamped before the denoiser is trained on them."""

import torch

EXPECT = {"noise_digits": ["clamped_input"]}


def add_noise(x, sigma):
    return torch.clamp(x + sigma * torch.randn_like(x), 0.0, 1.0)
