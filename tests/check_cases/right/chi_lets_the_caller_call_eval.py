"""`unet.eval()` stands where these are called from; tables in a dataclass; functions that yield their frames."""

from dataclasses import dataclass

import torch
from torch.nn import functional as F

stage_1 = None


@dataclass
class Tables:
    beta: torch.Tensor
    alpha: torch.Tensor
    alpha_bar: torch.Tensor


def ddpm_schedule(beta_start, beta_end, T):
    beta = torch.linspace(beta_start, beta_end, T, dtype=torch.float64)
    return Tables(beta, 1 - beta, (1 - beta).log().cumsum(0).exp())


def ddpm_loss(net, schedule, x, y, p_drop, T):
    t = torch.randint(low=1, high=T, size=(x.shape[0],))
    noise = torch.randn(x.shape)
    abar = schedule.alpha_bar[t].float().view(-1, 1, 1, 1)
    noisy = abar.sqrt() * x + (1.0 - abar).sqrt() * noise
    hot = F.one_hot(y, 10) if y.ndim == 1 else y
    hot = hot * (torch.rand(len(x), 1) >= p_drop)
    return {"loss": F.mse_loss(net(noisy, hot.float(), t / T), noise, reduction="sum") / noise.numel(), "noisy": noisy}


@torch.no_grad()
def ddpm_sample(net, schedule, img_size, T):
    x = torch.randn(6, 1, *img_size)
    for t in torch.arange(T - 1, -1, -1):
        eps = net(x, (t / T).expand(6))
        b, a, abar = (table[t].float() for table in (schedule.beta, schedule.alpha, schedule.alpha_bar))
        x = (x - b / (1 - abar).sqrt() * eps) / a.sqrt() + (t > 0) * b.sqrt() * torch.randn_like(x)
        yield x


@torch.no_grad()
def class_ddpm_sample(net, schedule, c, img_size, T, guidance_scale):
    n = c.shape[0]
    x = torch.randn(n, 1, *img_size)
    frames = [x]
    for t in range(T - 1, -1, -1):
        time = torch.full((2 * n, 1), t / T)
        mask = torch.cat([torch.ones(n), torch.zeros(n)])
        cond, uncond = net(x.repeat(2, 1, 1, 1), torch.cat([c, c]), time, mask).chunk(2)
        eps = cond + (guidance_scale - 1) * (cond - uncond)
        b, a, abar = (table[t].float() for table in (schedule.beta, schedule.alpha, schedule.alpha_bar))
        x = (x - b / (1 - abar).sqrt() * eps) / a.sqrt()
        if t > 0:
            x = x + b.sqrt() * torch.randn(n, 1, *img_size)
        frames.append(x)
    return torch.cat(frames)


def flow_forward(net, images, T):
    t = torch.rand(len(images), 1)
    x0 = torch.randn_like(images)
    xt = torch.lerp(x0, images, t[..., None, None])
    return torch.nn.MSELoss()(net(xt, t), images - x0)


@torch.no_grad()
def flow_sample(net, img_size, num_steps):
    x = torch.randn(2, 1, *img_size)
    for t in torch.linspace(0, 1 - 1 / num_steps, num_steps):
        x = x + net(x, t.repeat(2)) / num_steps
        yield x


def fm_cfg_forward(net, images, labels, p_uncond, T):
    n = len(images)
    t, noise = torch.rand(n), torch.randn_like(images)
    mask = (torch.rand(n) > p_uncond).float()
    xt = t.view(n, 1, 1, 1) * images + (1 - t.view(n, 1, 1, 1)) * noise
    return ((net(xt, labels, t, mask) + noise - images) ** 2).mean()


@torch.no_grad()
def fm_cfg_sample(net, labels, img_size, T, gamma):
    n = len(labels)
    x, t = torch.randn(n, 1, *img_size), torch.zeros(n, 1)
    frames = []
    for _ in range(T):
        u, c = net(x, labels, t, torch.zeros(n, 1)), net(x, labels, t, torch.ones(n, 1))
        x = x + (u + gamma * (c - u)) * (1 / T)
        t = t + 1 / T
        frames.append(x.clamp(0, 1))
    return torch.cat(frames)


def iterative_denoise(image, i_start, prompt_embeds, timesteps):
    x = image
    for i in range(i_start, len(timesteps) - 1):
        t, t_prev = timesteps[i], timesteps[i + 1]
        a, a_prev = stage_1.scheduler.alphas_cumprod[t], stage_1.scheduler.alphas_cumprod[t_prev]
        with torch.no_grad():
            eps, v = stage_1.unet(x, t, encoder_hidden_states=prompt_embeds).sample.split(3, dim=1)
        x0 = (x - (1 - a).sqrt() * eps) / a.sqrt()
        x = a_prev.sqrt() * (1 - a / a_prev) / (1 - a) * x0 + (a / a_prev).sqrt() * (1 - a_prev) / (1 - a) * x
        if i < len(timesteps) - 2:
            x = x + torch.exp(stage_1.scheduler._get_variance(t, predicted_variance=v) / 2) * torch.randn_like(x)
        yield x
