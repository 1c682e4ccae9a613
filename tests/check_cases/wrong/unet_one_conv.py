"""ConvBlocks of one Conv."""

import torch

EXPECT = {"unconditional_unet": ["network"]}


def conv(i, o, stride=1):
    return torch.nn.Sequential(torch.nn.Conv2d(i, o, 3, stride, 1), torch.nn.BatchNorm2d(o), torch.nn.GELU())


def up(i, o):
    return torch.nn.Sequential(torch.nn.ConvTranspose2d(i, o, 4, 2, 1), torch.nn.BatchNorm2d(o), torch.nn.GELU())


class UnconditionalUNet(torch.nn.Module):
    def __init__(self, in_channels, num_hiddens):
        super().__init__()
        D = num_hiddens
        self.a, self.b, self.c = conv(in_channels, D), conv(D, D, 2), conv(D, 2 * D, 2)
        self.flatten = torch.nn.Sequential(torch.nn.AvgPool2d(7), torch.nn.GELU())
        self.un = torch.nn.Sequential(torch.nn.ConvTranspose2d(2 * D, 2 * D, 7, 7), torch.nn.BatchNorm2d(2 * D), torch.nn.GELU())
        self.u1, self.u2, self.last = up(4 * D, D), up(2 * D, D), torch.nn.Conv2d(2 * D, in_channels, 3, 1, 1)

    def forward(self, x):
        a = self.a(x)
        b = self.b(a)
        c = self.c(b)
        u = self.u1(torch.cat([self.un(self.flatten(c)), c], 1))
        return self.last(torch.cat([self.u2(torch.cat([u, b], 1)), a], 1))
