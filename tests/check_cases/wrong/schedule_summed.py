"""A sum where a product belongs."""

import torch

EXPECT = {"ddpm_schedule": ["schedule"]}


def ddpm_schedule(beta1, beta2, num_ts):
    beta = torch.linspace(beta1, beta2, num_ts)
    return {"beta_t": beta, "alpha_t": 1 - beta, "alpha_bar_t": 1 - torch.cumsum(beta, dim=0)}
