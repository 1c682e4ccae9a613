"""Pictures as (batch, height, width, channels) until the network is asked."""

import torch


def forward(im, t):
    assert im.shape[-1] == 3
    a = alphas_cumprod[t]
    return torch.sqrt(a) * im + torch.sqrt(1 - a) * torch.randn(*im.shape)


def iterative_denoise(im_noisy, i_start, prompt_embeds, timesteps):
    x = im_noisy
    for i in range(i_start, len(timesteps) - 1):
        t, t_prev = timesteps[i], timesteps[i + 1]
        out = stage_1.unet(x.permute(0, 3, 1, 2), t, encoder_hidden_states=prompt_embeds, return_dict=False)[0]
        out = out.permute(0, 2, 3, 1)
        eps, v = out[..., :3], out[..., 3:]
        a, a_prev = alphas_cumprod[t], alphas_cumprod[t_prev]
        alpha = a / a_prev
        x0_hat = torch.clip((x - torch.sqrt(1 - a) * eps) / torch.sqrt(a), -1.0, 1.0)
        mean = torch.sqrt(a_prev) * (1 - alpha) / (1 - a) * x0_hat + torch.sqrt(alpha) * (1 - a_prev) / (1 - a) * x
        x = mean + torch.exp(stage_1.scheduler._get_variance(t, predicted_variance=v) / 2) * torch.randn(*x.shape)
    return x.numpy()
