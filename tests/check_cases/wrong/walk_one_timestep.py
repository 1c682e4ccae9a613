"""alpha_bar of the timestep before, not of the entry after."""

import torch

EXPECT = {"iterative_denoise": ["one_timestep"]}


def iterative_denoise(im_noisy, i_start, prompt_embeds, timesteps):
    image = im_noisy
    with torch.no_grad():
        for i in range(i_start, len(timesteps) - 1):
            t, prev_t = timesteps[i], timesteps[i + 1]
            abar, abar_prev = alphas_cumprod[t], alphas_cumprod[t - 1]
            alpha = abar / abar_prev
            beta = 1 - alpha
            out = stage_1.unet(image, t, encoder_hidden_states=prompt_embeds, return_dict=False)[0]
            noise_est, variance = torch.split(out, 3, dim=1)
            x0 = (image - torch.sqrt(1 - abar) * noise_est) / torch.sqrt(abar)
            image = torch.sqrt(abar_prev) * beta / (1 - abar) * x0 + torch.sqrt(alpha) * (1 - abar_prev) / (1 - abar) * image
            image = image + torch.exp(0.5 * stage_1.scheduler._get_variance(t, variance)) * torch.randn_like(image)
    return image.cpu().numpy()
