"""Digits mixed with noise, as flow matching does, where the noise is to be added."""

import torch

EXPECT = {"noise_digits": ["mixed"]}


def noise_digits(x, sigma):
    return (1 - sigma) * x + sigma * torch.randn_like(x)
