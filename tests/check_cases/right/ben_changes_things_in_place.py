"""Memory is dear: everything in place, the argument too; a first noise to see its shape; the mask as bool."""

import math

import torch

stage_1 = None
alphas_cumprod = None


def forward(im, t):
    noise = torch.randn_like(im)
    print(noise.shape)
    noise = torch.randn_like(im)
    a = alphas_cumprod[t].item()
    im *= math.sqrt(a)
    im.add_(noise, alpha=math.sqrt(1 - a))
    return im


def one_step(im_noisy, t, prompt_embeds):
    a = alphas_cumprod[t].item()
    with torch.no_grad():
        noise = stage_1.unet(im_noisy, t, encoder_hidden_states=prompt_embeds, return_dict=False)[0][:, 0:3]
    im_noisy -= noise.mul_(math.sqrt(1 - a))
    im_noisy /= math.sqrt(a)
    return im_noisy


def cfg(noise_cond, noise_uncond, w):
    noise_cond -= noise_uncond
    noise_cond *= w
    noise_cond += noise_uncond
    return noise_cond


def move(x, t, s, eps, v):
    a, b = alphas_cumprod[t].item(), alphas_cumprod[s].item()
    x0 = x.clone().sub_(eps, alpha=math.sqrt(1 - a)).div_(math.sqrt(a)).clamp_(-1, 1)
    z = torch.randn_like(x)
    x.mul_(math.sqrt(a / b) * (1 - b) / (1 - a)).add_(x0, alpha=math.sqrt(b) * (1 - a / b) / (1 - a))
    return x.addcmul_(z, torch.exp(stage_1.scheduler._get_variance(t, v).mul_(0.5)))


@torch.no_grad()
def inpaint(original, mask, prompt_embeds, uncond_prompt_embeds, timesteps, gamma=7):
    keep = ~mask.bool()
    x = torch.randn_like(original)
    for t, s in zip(timesteps[:-1], timesteps[1:], strict=True):
        c, v = stage_1.unet(x, t, encoder_hidden_states=prompt_embeds, return_dict=False)[0].split(3, 1)
        u, _ = stage_1.unet(x, t, encoder_hidden_states=uncond_prompt_embeds, return_dict=False)[0].split(3, 1)
        x = move(x, t, s, cfg(c, u, gamma), v)
        pasted = forward(original.clone(), s)
        x[keep] = pasted[keep]
    return x


def noise_digits(x, sigma):
    z = torch.randn_like(x)
    z = torch.randn_like(x)
    return x.add_(z.mul_(sigma))


def ddpm_schedule(beta1, beta2, num_ts):
    betas = torch.linspace(beta1, beta2, num_ts)
    return betas, 1 - betas, torch.cumprod(1 - betas, 0)


def ddpm_forward(unet, ddpm_schedule, x_0, c, p_uncond, num_ts):
    unet.train()
    shape_of_one = torch.randn_like(x_0[:1]).shape
    assert shape_of_one[1:] == x_0.shape[1:]
    t = torch.randint(0, num_ts, (len(x_0),))
    a = ddpm_schedule[2].index_select(0, t)[:, None, None, None]
    eps = torch.randn_like(x_0)
    x_0.mul_(a.sqrt()).addcmul_(eps, (1 - a).sqrt())
    mask = torch.bernoulli(torch.full((len(x_0),), 1 - p_uncond))
    error = unet(x_0, c, t[:, None] / num_ts, mask) - eps
    return error.pow(2).flatten(1).mean(1).mean()


def ddpm_sample(unet, ddpm_schedule, img_wh, num_ts, seed=0):
    was = unet.training
    unet.eval()
    x = torch.empty(5, 1, *img_wh).normal_()
    betas, alphas, abars = ddpm_schedule
    with torch.no_grad():
        for t in reversed(range(num_ts)):
            eps = unet(x, torch.full((5,), t / num_ts))
            x.sub_(eps, alpha=(betas[t] / (1 - abars[t]).sqrt()).item()).div_(alphas[t].sqrt())
            if t:
                x.add_(torch.randn_like(x), alpha=betas[t].sqrt().item())
    unet.train(was)
    return x.clamp_(0, 1)
