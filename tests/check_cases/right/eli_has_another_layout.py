"""The course's UNets in another hand: a dict of layers, functional GELUs, classes as rows; flow matching with t in [0, 1) by a range."""

import torch
import torch.nn.functional as F
from torch import nn


class CBG(nn.Sequential):
    def __init__(self, conv):
        super().__init__(conv, nn.BatchNorm2d(conv.out_channels), nn.GELU())


def same(i, o):
    return CBG(nn.Conv2d(i, o, kernel_size=3, padding=1))


class Block(nn.Module):
    def __init__(self, i, o, first=None):
        super().__init__()
        self.layers = nn.ModuleList([first, same(o, o), same(o, o)] if first else [same(i, o), same(o, o)])

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


class DenoisingUNet(nn.Module):
    def __init__(self, in_channels=1, num_hiddens=128):
        super().__init__()
        D = num_hiddens
        self.net = nn.ModuleDict(
            {
                "in": Block(in_channels, D),
                "down1": Block(D, D, CBG(nn.Conv2d(D, D, 3, 2, 1))),
                "down2": Block(D, 2 * D, CBG(nn.Conv2d(D, 2 * D, 3, 2, 1))),
                "unflatten": CBG(nn.ConvTranspose2d(2 * D, 2 * D, 7, 7)),
                "up1": Block(4 * D, D, CBG(nn.ConvTranspose2d(4 * D, D, 4, 2, 1))),
                "up2": Block(2 * D, D, CBG(nn.ConvTranspose2d(2 * D, D, 4, 2, 1))),
                "out": Block(2 * D, D),
                "last": nn.Conv2d(D, in_channels, 3, padding="same"),
            }
        )

    def conditions(self, *_):
        return (1, 0), (1, 0)

    def forward(self, x, *told):
        net, ((c1, t1), (c2, t2)) = self.net, self.conditions(*told)
        a = net["in"](x)
        b = net["down1"](a)
        c = net["down2"](b)
        h = c1 * net["unflatten"](F.gelu(F.avg_pool2d(c, 7))) + t1
        h = c2 * net["up1"](torch.cat((h, c), 1)) + t2
        h = net["up2"](torch.cat((h, b), 1))
        return net["last"](net["out"](torch.cat((h, a), 1)))


def fc(i, o):
    return nn.Sequential(nn.Linear(i, o), nn.GELU(), nn.Linear(o, o), nn.Unflatten(-1, (o, 1, 1)))


class TimeConditionedUNet(DenoisingUNet):
    def __init__(self, in_channels=1, num_hiddens=64):
        super().__init__(in_channels, num_hiddens)
        self.time = nn.ModuleList([fc(1, 2 * num_hiddens), fc(1, num_hiddens)])

    def conditions(self, t):
        return tuple((1, layer(t.view(-1, 1))) for layer in self.time)


class ClassConditionedUNet(TimeConditionedUNet):
    def __init__(self, in_channels=1, num_classes=10, num_hiddens=64):
        super().__init__(in_channels, num_hiddens)
        self.rows = nn.ModuleList([fc(num_classes, 2 * num_hiddens), fc(num_classes, num_hiddens)])

    def conditions(self, t, c, mask=None):
        hot = F.one_hot(c, 10).float() if c.ndim == 1 else c
        hot = hot if mask is None else hot * mask[:, None]
        return tuple((row(hot), time) for row, (_, time) in zip(self.rows, super().conditions(t), strict=True))


def add_noise(x, sigma):
    sigma = torch.full((len(x), 1, 1, 1), float(sigma))
    noise = torch.randn(x.size())
    return x + sigma * noise, noise


def time_fm_forward(unet, x_1, num_ts):
    unet.train()
    x_0, t = torch.randn_like(x_1), torch.rand((len(x_1), 1, 1, 1))
    x_0 = torch.randn_like(x_1)
    return F.mse_loss(unet(x_0 + t * (x_1 - x_0), t.flatten()), x_1 - x_0), x_0


@torch.inference_mode()
def time_fm_sample(unet, img_wh, num_ts=50, seed=0):
    unet.eval()
    torch.manual_seed(seed)
    x = torch.randn(7, 1, *img_wh)
    frames = []
    for i in range(num_ts):
        x = x + unet(x, torch.full((7, 1), i) / num_ts) / num_ts
        frames.append(x)
    return torch.cat(frames), frames[0]


def class_fm_forward(unet, x_1, c, p_uncond, num_ts):
    unet.train()
    x_0, t = torch.randn_like(x_1), torch.rand(len(x_1))
    mask = (torch.rand(len(x_1)) > p_uncond).int()
    x_t = (1 - t)[:, None, None, None] * x_0 + t[:, None, None, None] * x_1
    velocity = unet(x_t, t=t, c=c, mask=mask)
    return (x_1 - x_0 - velocity).square().mean()


@torch.inference_mode()
def class_fm_sample(unet, c, img_wh, num_ts=50, guidance_scale=5.0, seed=0):
    unet.eval()
    n = c.shape[0]
    x = torch.randn(n, 1, *img_wh)
    frames = []
    for i in torch.arange(num_ts) / num_ts:
        t = torch.ones(n) * i
        u = unet(x, t=t, c=c, mask=torch.zeros(n))
        u = torch.lerp(u, unet(x, t=t, c=c, mask=torch.ones(n)), guidance_scale)
        x = x + u * (1 / num_ts)
        frames.append(x)
    return x, torch.stack(frames[::10])
