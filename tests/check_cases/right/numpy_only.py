"""The formulas in numpy, with numpy's own noise."""

import numpy as np


def forward(im, t):
    a = float(alphas_cumprod[t])
    im = np.asarray(im, dtype=np.float64)
    return np.sqrt(a) * im + np.sqrt(1 - a) * np.random.randn(*im.shape)


def one_step(xt, t, eps):
    a = float(alphas_cumprod[t])
    return (np.asarray(xt) - np.sqrt(1 - a) * np.asarray(eps)) / np.sqrt(a)


def cfg(eps_cond, eps_uncond, w):
    return np.asarray(eps_uncond) + w * (np.asarray(eps_cond) - np.asarray(eps_uncond))
