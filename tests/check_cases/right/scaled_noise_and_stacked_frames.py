"""Noise drawn with its own mean and deviation, numpy's generator, frames stacked or in a dict, a function made by partial."""

import functools

import numpy as np
import torch

stage_1 = None
alphas_cumprod = None


def forward(im, t):
    a = alphas_cumprod[t]
    return torch.normal(a.sqrt() * im, (1 - a).sqrt())


def noise_digits(x, sigma):
    return x + torch.from_numpy(np.random.default_rng(1).normal(0, sigma, tuple(x.shape))).float()


def walk(im_noisy, i_start, embeds, timesteps, as_dict):
    image, frames = im_noisy, []
    for t, t_prev in zip(timesteps[i_start:-1], timesteps[i_start + 1 :], strict=True):
        a, a_prev = alphas_cumprod[t], alphas_cumprod[t_prev]
        answer = stage_1.unet(image, t, encoder_hidden_states=embeds, return_dict=False)[0]
        x0 = (image - (1 - a).sqrt() * answer[:, :3]) / a.sqrt()
        mean = a_prev.sqrt() * (1 - a / a_prev) / (1 - a) * x0 + (a / a_prev).sqrt() * (1 - a_prev) / (1 - a) * image
        spread = torch.exp(0.5 * stage_1.scheduler._get_variance(t, predicted_variance=answer[:, 3:]))
        image = torch.normal(mean, spread)
        frames.append(image)
    return {"image": image, "frames": frames} if as_dict else torch.stack(frames)


iterative_denoise = functools.partial(walk, as_dict=False)


def image_to_image(im, i_start, prompt_embeds, timesteps):
    return walk(forward(im, timesteps[i_start]), i_start, prompt_embeds, timesteps, as_dict=True)


def time_fm_sample(unet, img_wh, num_ts):
    unet.eval()
    x = torch.empty(3, 1, *img_wh).normal_(0, 1)
    frames = []
    for i in range(num_ts):
        x = x + unet(x, i / num_ts) / num_ts
        frames.append(x)
    return torch.stack(frames, 1)
