"""Guidance by one call of the network: pictures and prompts doubled, the answer cut in two; pictures one by one."""

import torch


def predict(x, t, cond, uncond, scale):
    both = stage_1.unet(torch.cat([x, x]), t, encoder_hidden_states=torch.cat([uncond, cond]), return_dict=False)[0]
    eps, v = both.split(3, dim=1)
    eps_u, eps_c = eps.chunk(2)
    return torch.lerp(eps_u, eps_c, scale), v.chunk(2)[1]


def iterative_denoise_cfg(im_noisy, i_start, prompt_embeds, uncond_prompt_embeds, timesteps, scale=7.0):
    done = []
    for x in im_noisy.split(1):
        for t, s in zip(timesteps[i_start:], timesteps[i_start + 1 :]):
            a, b = (stage_1.scheduler.alphas_cumprod[k].item() for k in (t, s))
            eps, v = predict(x, t, prompt_embeds, uncond_prompt_embeds, scale)
            x0 = (x - (1 - a) ** 0.5 * eps) / a**0.5
            x = b**0.5 * (1 - a / b) / (1 - a) * x0 + (a / b) ** 0.5 * (1 - b) / (1 - a) * x
            x = x + torch.exp(0.5 * stage_1.scheduler._get_variance(t, v)) * torch.randn_like(x)
        done.append(x)
    return torch.cat(done)


def inpaint(original_image, mask, prompt_embeds, uncond_prompt_embeds, timesteps, scale=7.0):
    done = []
    for x_orig, m in zip(original_image.split(1), mask.split(1)):
        x = torch.randn_like(x_orig)
        for t, s in zip(timesteps, timesteps[1:]):
            a, b = (stage_1.scheduler.alphas_cumprod[k].item() for k in (t, s))
            kept = b**0.5 * x_orig + (1 - b) ** 0.5 * torch.randn_like(x_orig)  # drawn before the walk's own noise
            eps, v = predict(x, t, prompt_embeds, uncond_prompt_embeds, scale)
            x0 = ((x - (1 - a) ** 0.5 * eps) / a**0.5).clamp(-1, 1)
            x = b**0.5 * (1 - a / b) / (1 - a) * x0 + (a / b) ** 0.5 * (1 - b) / (1 - a) * x
            x = x + torch.exp(0.5 * stage_1.scheduler._get_variance(t, v)) * torch.randn_like(x)
            x = torch.where(m > 0.5, x, kept)
        done.append(x)
    return torch.cat(done)
