"""Part B with DDPM, in the starter code's own functions: masks for the class, labels as integers."""

import torch
from torch import nn
from torch.nn import functional as F


class Conv(nn.Module):
    def __init__(self, i, o, kernel=3, stride=1):
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(i, o, kernel, stride, 1), nn.BatchNorm2d(o), nn.GELU())

    def forward(self, x):
        return self.net(x)


class UpConv(nn.Module):
    def __init__(self, i, o):
        super().__init__()
        self.net = nn.Sequential(nn.ConvTranspose2d(i, o, 4, 2, 1), nn.BatchNorm2d(o), nn.GELU())

    def forward(self, x):
        return self.net(x)


def conv_block(i, o):
    return nn.Sequential(Conv(i, o), Conv(o, o))


def down_block(i, o):
    return nn.Sequential(Conv(i, o, stride=2), conv_block(o, o))


def up_block(i, o):
    return nn.Sequential(UpConv(i, o), conv_block(o, o))


class FCBlock(nn.Module):
    def __init__(self, i, o):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(i, o), nn.GELU(), nn.Linear(o, o))

    def forward(self, x):
        return self.net(x)


class UnconditionalUNet(nn.Module):
    def __init__(self, in_channels: int, num_hiddens: int):
        super().__init__()
        D = num_hiddens
        self.first = conv_block(in_channels, D)
        self.down1, self.down2 = down_block(D, D), down_block(D, 2 * D)
        self.flatten = nn.Sequential(nn.AvgPool2d(7), nn.GELU())
        self.unflatten = nn.Sequential(nn.ConvTranspose2d(2 * D, 2 * D, 7, 7, 0), nn.BatchNorm2d(2 * D), nn.GELU())
        self.up1, self.up2 = up_block(4 * D, D), up_block(2 * D, D)
        self.last = nn.Sequential(conv_block(2 * D, D), nn.Conv2d(D, in_channels, 3, 1, 1))

    def forward(self, x):
        a = self.first(x)
        b = self.down1(a)
        c = self.down2(b)
        u = self.up1(torch.cat([self.unflatten(self.flatten(c)), c], 1))
        return self.last(torch.cat([self.up2(torch.cat([u, b], 1)), a], 1))


class TimeConditionalUNet(UnconditionalUNet):
    def __init__(self, in_channels: int, num_classes: int, num_hiddens: int):
        super().__init__(in_channels, num_hiddens)
        self.t1, self.t2 = FCBlock(1, 2 * num_hiddens), FCBlock(1, num_hiddens)

    def forward(self, x, t):
        t = t.reshape(-1, 1)
        a = self.first(x)
        b = self.down1(a)
        c = self.down2(b)
        z = self.unflatten(self.flatten(c)) + self.t1(t)[..., None, None]
        u = self.up1(torch.cat([z, c], 1)) + self.t2(t)[..., None, None]
        return self.last(torch.cat([self.up2(torch.cat([u, b], 1)), a], 1))


class ClassConditionalUNet(TimeConditionalUNet):
    def __init__(self, in_channels: int, num_classes: int, num_hiddens: int):
        super().__init__(in_channels, num_classes, num_hiddens)
        self.num_classes = num_classes
        self.c1, self.c2 = FCBlock(num_classes, 2 * num_hiddens), FCBlock(num_classes, num_hiddens)

    def forward(self, x, c, t, mask=None):
        hot = F.one_hot(c, self.num_classes).float()
        if mask is not None:
            hot = hot * mask.reshape(-1, 1)
        t = t.reshape(-1, 1)
        a = self.first(x)
        b = self.down1(a)
        d = self.down2(b)
        z = self.c1(hot)[..., None, None] * self.unflatten(self.flatten(d)) + self.t1(t)[..., None, None]
        u = self.c2(hot)[..., None, None] * self.up1(torch.cat([z, d], 1)) + self.t2(t)[..., None, None]
        return self.last(torch.cat([self.up2(torch.cat([u, b], 1)), a], 1))


def add_noise(x, sigma):
    return x + sigma * torch.randn_like(x)


def ddpm_schedule(beta1: float, beta2: float, num_ts: int) -> dict:
    betas = torch.linspace(beta1, beta2, num_ts)
    alphas = 1 - betas
    return {"betas": betas, "alphas": alphas, "alpha_bars": torch.cumprod(alphas, dim=0)}


def ddpm_forward(unet, ddpm_schedule, x_0, c, p_uncond, num_ts):
    unet.train()
    n = x_0.shape[0]
    t = torch.randint(0, num_ts, (n,), device=x_0.device)
    eps = torch.randn_like(x_0)
    abar = ddpm_schedule["alpha_bars"][t].view(-1, 1, 1, 1)
    x_t = abar.sqrt() * x_0 + (1 - abar).sqrt() * eps
    mask = (torch.rand(n, device=x_0.device) > p_uncond).float()
    return F.mse_loss(unet(x_t, c, t / num_ts, mask), eps)


@torch.inference_mode()
def ddpm_sample(unet, ddpm_schedule, img_wh, num_ts, seed=0):
    unet.eval()
    torch.manual_seed(seed)
    x = torch.randn(8, 1, *img_wh)
    b, a, abar = ddpm_schedule["betas"], ddpm_schedule["alphas"], ddpm_schedule["alpha_bars"]
    for t in range(num_ts - 1, -1, -1):
        eps = unet(x, torch.full((8,), t / num_ts))
        before = abar[t - 1] if t > 0 else torch.tensor(1.0)
        x0 = (x - (1 - abar[t]).sqrt() * eps) / abar[t].sqrt()
        z = torch.randn_like(x) if t > 0 else 0
        x = before.sqrt() * b[t] / (1 - abar[t]) * x0 + a[t].sqrt() * (1 - before) / (1 - abar[t]) * x + b[t].sqrt() * z
    return x


@torch.inference_mode()
def ddpm_cfg_sample(unet, ddpm_schedule, c, img_wh, num_ts, guidance_scale=5.0, seed=0):
    unet.eval()
    torch.manual_seed(seed)
    n = c.shape[0]
    x = torch.randn(n, 1, *img_wh)
    b, a, abar = ddpm_schedule["betas"], ddpm_schedule["alphas"], ddpm_schedule["alpha_bars"]
    for t in range(num_ts - 1, -1, -1):
        t_norm = torch.full((n, 1), t / num_ts)
        eps_u = unet(x, c, t_norm, torch.zeros(n))
        eps_c = unet(x, c, t_norm, torch.ones(n))
        eps = eps_u + guidance_scale * (eps_c - eps_u)
        x = (x - b[t] / (1 - abar[t]).sqrt() * eps) / a[t].sqrt()
        if t > 0:
            x = x + b[t].sqrt() * torch.randn_like(x)
    return x
