"""Training throughput: ours against a plain loop of the same UNet, in turn, in one run.

    python benchmarks/training.py --data MNIST_FOLDER [--seconds 60]

Plain: float32, torchvision's MNIST with ToTensor through a DataLoader, torch's defaults. Ours: the trainer's own steps (bf16
where the processor has it, channels_last, digits in memory, noise made on the fly). Prints images per second and the ratio.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
from torch import nn
from torchvision import datasets, transforms

from lessons_lib.mnist import DATA_DIR, load_digits
from lessons_lib.models.digits import COURSE
from lessons_lib.models.precision import autocast_dtype
from lessons_lib.models.unet import UNet
from lessons_lib.training.digits import train


def plain(num_hiddens: int, batch_size: int, data: Path, seconds: float) -> float:
    """Images per second of the one-step denoiser, written as most people first write it."""
    try:
        mnist = datasets.MNIST(str(data), train=True, transform=transforms.ToTensor())
    except RuntimeError:
        digits = load_digits("train", data)
        to_tensor = transforms.ToTensor()
        mnist = [(to_tensor(x[0].numpy()), int(y)) for x, y in zip(digits.images, digits.labels, strict=True)]
    loader = torch.utils.data.DataLoader(mnist, batch_size=batch_size, shuffle=True)
    unet = UNet(num_hiddens)
    optimizer = torch.optim.Adam(unet.parameters(), lr=1e-4)
    seen, started = 0, None
    for x, _ in loader:
        loss = nn.functional.mse_loss(unet(x + 0.5 * torch.randn_like(x)), x)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if started is None:  # the first step warms up
            started = time.perf_counter()
            continue
        seen += len(x)
        if time.perf_counter() - started > seconds:
            break
    return seen / (time.perf_counter() - started)


def ours(num_hiddens: int, batch_size: int, data: Path, seconds: float) -> float:
    settings = replace(COURSE["one_step"], num_hiddens=num_hiddens, batch_size=batch_size)
    seen, started = 0, None
    with tempfile.TemporaryDirectory() as folder, closing(train(settings, load_digits("train", data), folder)) as run:
        for _ in run:
            if started is None:
                started = time.perf_counter()
                continue
            seen += batch_size
            if time.perf_counter() - started > seconds:
                break
        speed = seen / (time.perf_counter() - started)
    return speed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA_DIR)
    parser.add_argument("--seconds", type=float, default=60.0, help="in all")
    args = parser.parse_args()
    dtype = autocast_dtype(torch.device("cpu"))
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {os.cpu_count()} processors, ours computes in {dtype}")
    each = args.seconds / 8
    for num_hiddens, batch_size in ((64, 128), (128, 256)):
        pairs = [
            (ours(num_hiddens, batch_size, args.data, each), plain(num_hiddens, batch_size, args.data, each)) for _ in range(2)
        ]
        for a, b in pairs:
            print(
                f"D = {num_hiddens}, batch {batch_size}: ours {a:.0f} images/s, plain {b:.0f} images/s, ratio {a / b:.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
