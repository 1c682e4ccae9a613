"""One helper a line of algebra: alpha_bar gathered for a batch of t, noise returned beside the picture, frames joined by cat."""

import torch

stage_1 = None


def extract(table: torch.Tensor, t, like: torch.Tensor) -> torch.Tensor:
    t = torch.as_tensor(t).reshape(-1).expand(len(like))
    return table.to(like.device).gather(0, t.long()).reshape(-1, *(1,) * (like.ndim - 1))


def forward(im: torch.Tensor, t: int) -> tuple[torch.Tensor, torch.Tensor]:
    abar = extract(stage_1.scheduler.alphas_cumprod, t, im)
    noise = torch.randn(im.shape, device=im.device, dtype=im.dtype)
    return noise, abar.sqrt() * im + (1 - abar).sqrt() * noise


def predict_x0(xt, t, eps):
    abar = extract(stage_1.scheduler.alphas_cumprod, t, xt)
    return xt * abar.rsqrt() - (1 / abar - 1).sqrt() * eps


def classifier_free_guidance(cond: torch.Tensor, uncond: torch.Tensor, gamma: float) -> torch.Tensor:
    return (1 - gamma) * uncond + gamma * cond


def posterior(x0, xt, t, t_prev):
    a, a_prev = (extract(stage_1.scheduler.alphas_cumprod, k, xt) for k in (t, t_prev))
    alpha, beta = a / a_prev, 1 - a / a_prev
    return (a_prev.sqrt() * beta * x0 + alpha.sqrt() * (1 - a_prev) * xt) / (1 - a)


@torch.inference_mode()
def iterative_denoise(im_noisy, i_start, prompt_embeds, timesteps, display=False):
    frames = [im_noisy]
    for t, t_prev in zip(timesteps[i_start:-1], timesteps[i_start + 1 :], strict=True):
        x = frames[-1]
        eps, v = stage_1.unet(x, t, encoder_hidden_states=prompt_embeds).sample.chunk(2, dim=1)
        std = (0.5 * stage_1.scheduler._get_variance(t, predicted_variance=v)).exp()
        frames.append(posterior(predict_x0(x, t, eps), x, t, t_prev) + std * torch.randn_like(x))
    return torch.cat(frames)


@torch.inference_mode()
def iterative_denoise_cfg(im_noisy, i_start, prompt_embeds, uncond_prompt_embeds, timesteps, scale=7, display=False):
    frames = [im_noisy]
    both = torch.cat([prompt_embeds, uncond_prompt_embeds])
    for t, t_prev in zip(timesteps[i_start:-1], timesteps[i_start + 1 :], strict=True):
        x = frames[-1]
        answer = stage_1.unet(x.expand(2, -1, -1, -1), torch.tensor([t, t]), encoder_hidden_states=both).sample
        (cond, v), (uncond, _) = (part.split(3) for part in answer)
        eps = classifier_free_guidance(cond[None], uncond[None], scale)
        std = (0.5 * stage_1.scheduler._get_variance(t, predicted_variance=v[None])).exp()
        frames.append(posterior(predict_x0(x, t, eps), x, t, t_prev) + std * torch.randn_like(x))
    return {"frames": torch.cat(frames[::-1]), "steps": len(frames) - 1}


def sdedit(im, i_start, prompt_embeds, uncond_prompt_embeds, timesteps):
    noise, start = forward(im, timesteps[i_start])
    return iterative_denoise_cfg(start, i_start, prompt_embeds, uncond_prompt_embeds, timesteps)["frames"][:1]
