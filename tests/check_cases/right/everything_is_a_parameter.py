"""A repository's functions: no globals, the model handed in, the frames returned beside the picture."""

import torch


def forward(x_0, t, noise, alphas_cumprod):
    abar = alphas_cumprod[t]
    return torch.sqrt(abar) * x_0 + torch.sqrt(1.0 - abar) * noise


def one_step_denoise(x_t, t, prompt_embeds, stage_1, alphas_cumprod):
    with torch.no_grad():
        eps = stage_1.unet(x_t, t, encoder_hidden_states=prompt_embeds, return_dict=False)[0][:, :3]
    return (x_t - torch.sqrt(1 - alphas_cumprod[t]) * eps) / torch.sqrt(alphas_cumprod[t])


def iterative_denoise(image, i_start, prompt_embeds, timesteps, alphas_cumprod, stage_1, device, every=5):
    frames = []
    with torch.no_grad():
        for i in range(i_start, len(timesteps) - 1):
            t, t_prev = timesteps[i], timesteps[i + 1]
            abar, abar_prev = alphas_cumprod[t].to(device), alphas_cumprod[t_prev].to(device)
            alpha = abar / abar_prev
            eps, v = stage_1.unet(image, t, encoder_hidden_states=prompt_embeds, return_dict=False)[0].split(3, dim=1)
            x0 = (image - torch.sqrt(1 - abar) * eps) / torch.sqrt(abar)
            image = abar_prev.sqrt() * (1 - alpha) / (1 - abar) * x0 + alpha.sqrt() * (1 - abar_prev) / (1 - abar) * image
            image = image + torch.exp(0.5 * stage_1.scheduler._get_variance(t, predicted_variance=v)) * torch.randn_like(image)
            if i % every == 0:
                frames.append(image.cpu())
    return image.cpu().numpy(), frames
