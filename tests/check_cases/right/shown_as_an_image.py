"""The result as it is shown: channels last, in [0, 1], without a batch; the empty prompt from a cell above; DDIM's move."""

import torch


def predict(x, t, embeds):
    return stage_1.unet(x, t, encoder_hidden_states=embeds, return_dict=False)[0].split(3, dim=1)


@torch.no_grad()
def iterative_denoise_cfg(im_noisy, i_start, prompt_embeds, timesteps, scale=7):
    x = im_noisy
    for i in range(i_start, len(timesteps) - 1):
        t, t_prev = timesteps[i], timesteps[i + 1]
        abar, abar_prev = alphas_cumprod[t], alphas_cumprod[t_prev]
        eps_u, v = predict(x, t, uncond_prompt_embeds)
        eps_c, _ = predict(x, t, prompt_embeds)
        eps = eps_u + scale * (eps_c - eps_u)
        x0 = (x - torch.sqrt(1 - abar) * eps) / torch.sqrt(abar)
        alpha = abar / abar_prev
        x = torch.sqrt(abar_prev) * (1 - alpha) / (1 - abar) * x0 + torch.sqrt(alpha) * (1 - abar_prev) / (1 - abar) * x
        if i + 1 < len(timesteps) - 1:
            x = x + torch.exp(0.5 * stage_1.scheduler._get_variance(t, predicted_variance=v)) * torch.randn_like(x)
    return (x[0].permute(1, 2, 0) * 0.5 + 0.5).clip(0, 1).cpu().numpy()


@torch.no_grad()
def iterative_denoise(im_noisy, i_start, prompt_embeds, timesteps):
    x = im_noisy
    for t, t_prev in zip(timesteps[i_start:], timesteps[i_start + 1 :]):
        a, b = alphas_cumprod[t], alphas_cumprod[t_prev]
        eps, _ = predict(x, t, prompt_embeds)
        x = b.sqrt() * (x - (1 - a).sqrt() * eps) / a.sqrt() + (1 - b).sqrt() * eps
    return x
