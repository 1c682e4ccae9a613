"""The UNet is told t and divides by T itself; times and classes have the shape of pictures; noise drawn twice, used once."""

import numpy as np
import torch
from torch import nn

T = 300


def conv(i, o, stride=1):
    return nn.Sequential(nn.Conv2d(i, o, 3, stride, 1), nn.BatchNorm2d(o), nn.GELU())


def block(i, o):
    return nn.Sequential(conv(i, o), conv(o, o))


def up(i, o):
    return nn.Sequential(nn.ConvTranspose2d(i, o, 4, 2, 1), nn.BatchNorm2d(o), nn.GELU(), block(o, o))


class FCBlock(nn.Module):
    def __init__(self, i, o):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(i, o), nn.Linear(o, o)

    def forward(self, x):
        return self.fc2(nn.functional.gelu(self.fc1(x))).reshape(len(x), -1, 1, 1)


class ClassConditionedUNet(nn.Module):
    def __init__(self, in_channels, num_hiddens):
        super().__init__()
        D = num_hiddens
        self.inp, self.down1 = block(in_channels, D), nn.Sequential(conv(D, D, 2), block(D, D))
        self.down2 = nn.Sequential(conv(D, 2 * D, 2), block(2 * D, 2 * D))
        self.unflatten = nn.Sequential(nn.ConvTranspose2d(2 * D, 2 * D, 7, 7), nn.BatchNorm2d(2 * D), nn.GELU())
        self.up1, self.up2, self.out = up(4 * D, D), up(2 * D, D), nn.Sequential(block(2 * D, D), nn.Conv2d(D, 1, 3, 1, 1))
        self.t1, self.t2, self.c1, self.c2 = FCBlock(1, 2 * D), FCBlock(1, D), FCBlock(10, 2 * D), FCBlock(10, D)

    def forward(self, x, t, c):
        assert t.shape[-3:] == (1, 1, 1)
        assert c.shape[-3:] == (1, 1, 10)
        t = t.float() / T
        a = self.inp(x)
        b = self.down1(a)
        d = self.down2(b)
        z = self.unflatten(nn.functional.gelu(nn.functional.avg_pool2d(d, 7))) * self.c1(c) + self.t1(t)
        u = self.up1(torch.cat([z, d], 1)) * self.c2(c) + self.t2(t)
        return self.out(torch.cat([self.up2(torch.cat([u, b], 1)), a], 1))


def ddpm_schedule(beta1, beta2, num_ts, device="cuda"):
    betas = np.linspace(beta1, beta2, num=num_ts)
    return {"betas": betas, "alphas": 1 - betas, "alpha_bars": np.cumprod(1 - betas)}


def ddpm_forward(unet, ddpm_schedule, x_0, c, p_uncond, num_ts):
    n = len(x_0)
    t = torch.randint(1, num_ts, (n,))
    eps = torch.randn_like(x_0)
    abar = torch.tensor(ddpm_schedule["alpha_bars"], dtype=torch.float32)[t].view(-1, 1, 1, 1)
    hot = nn.functional.one_hot(c, 10).float() * (torch.rand(n, 1) > p_uncond)
    return nn.functional.mse_loss(unet(abar.sqrt() * x_0 + (1 - abar).sqrt() * eps, t.view(-1, 1, 1, 1), hot[:, None, None]), eps)


@torch.no_grad()
def ddpm_cfg_sample(unet, ddpm_schedule, c, img_wh, num_ts, guidance_scale=5.0, in_channels=1):
    unet.eval()
    n = len(c)
    hot = nn.functional.one_hot(c, 10).float()[:, None, None]
    x = torch.randn(n, in_channels, *img_wh)
    for t in range(num_ts - 1, -1, -1):
        b, a, abar = (float(ddpm_schedule[k][t]) for k in ("betas", "alphas", "alpha_bars"))
        noise, z = torch.randn_like(x), torch.randn_like(x)
        time = torch.full((n, 1, 1, 1), t)
        no = unet(x, t=time, c=torch.zeros_like(hot))
        eps = no + guidance_scale * (unet(x, t=time, c=hot) - no)
        x = (x - b / (1 - abar) ** 0.5 * eps) / a**0.5 + (b**0.5 * z if t > 0 else 0)
    return x
