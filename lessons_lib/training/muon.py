"""Muon: an optimiser for the matrices and convolutions of a network, with AdamW for all else. One optimiser to save and restore."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)  # coefficients of the quintic, from Jordan et al. 2024


def orthogonalised(updates: Tensor, steps: int = 5) -> Tensor:
    """The nearest matrices, roughly, whose singular values are all alike, between about 0.7 and 1.2, by Newton-Schulz iterations in
    bfloat16:

        X = G / |G|;  five times  A = X X^T;  X = a X + (b A + c A A) X

    Args: updates (n, rows, columns), n matrices at once. Returns: the same shape, bfloat16.
    Source: Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks".
    """
    a, b, c = NEWTON_SCHULZ
    x = updates.bfloat16()
    tall = x.shape[-2] > x.shape[-1]
    if tall:
        x = x.mT
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x


class Muon(torch.optim.Optimizer):
    """Nesterov momentum whose update is orthogonalised, so that every direction of a matrix moves alike.

        m = m + (1 - momentum) (g - m);  u = g + momentum (m - g);  w = w - lr sqrt(max(1, rows / columns)) orthogonalised(u)

    A convolution is seen as the matrix (out, in * k * k). `others` (biases, norms, embeddings, first and last layers) are left to
    AdamW. Give each group its learning rate by `group["lr"]`, as with torch's own optimisers; `group["initial_lr"]` is what it was
    made with.

    Args:
        matrices: parameters of two or more dimensions.
        others: any parameters; none may be in both.
        lr: of the matrices. lr_others: of the others.
    Raises: ValueError for a vector among the matrices, or no parameter at all.
    Source: Jordan et al. 2024; the factor of rows and columns as in its code; AdamW: Loshchilov & Hutter 2019, arXiv:1711.05101.
    """

    def __init__(
        self,
        matrices: Iterable[Tensor],
        others: Iterable[Tensor] = (),
        *,
        lr: float = 0.02,
        momentum: float = 0.95,
        lr_others: float = 8e-4,
        betas: tuple[float, float] = (0.9, 0.99),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
    ) -> None:
        groups = []
        if matrices := list(matrices):
            if low := [tuple(p.shape) for p in matrices if p.ndim < 2]:
                raise ValueError(f"Muon turns matrices and convolutions, not a parameter of shape {low[0]}: give it to `others`")
            groups.append({"params": matrices, "kind": "muon", "lr": lr, "initial_lr": lr, "momentum": momentum})
        if others := list(others):
            adamw = {"betas": betas, "eps": eps, "weight_decay": weight_decay}
            groups.append({"params": others, "kind": "adamw", "lr": lr_others, "initial_lr": lr_others, **adamw})
        super().__init__(groups, {})

    @torch.no_grad()
    def step(self, closure=None):
        loss = None if closure is None else torch.enable_grad()(closure)()
        for group in self.param_groups:
            if params := [p for p in group["params"] if p.grad is not None]:
                (self._muon if group["kind"] == "muon" else self._adamw)(group, params)
        return loss

    def _muon(self, group: dict, params: list[Tensor]) -> None:
        for p in params:
            if "momentum" not in self.state[p]:
                self.state[p]["momentum"] = torch.zeros_like(p)
        grads, moments = [p.grad for p in params], [self.state[p]["momentum"] for p in params]
        torch._foreach_lerp_(moments, grads, 1 - group["momentum"])
        updates = torch._foreach_lerp(grads, moments, group["momentum"])
        alike: dict[tuple[int, int], list[int]] = {}  # matrices of one shape are turned at once
        for i, u in enumerate(updates):
            alike.setdefault((u.shape[0], u[0].numel()), []).append(i)
        for (rows, columns), which in alike.items():
            scale = max(1, rows / columns) ** 0.5
            turned = orthogonalised(torch.stack([updates[i].reshape(rows, columns) for i in which])).float()
            for i, u in zip(which, turned, strict=True):
                params[i].add_(u.view(params[i].shape), alpha=-group["lr"] * scale)

    def _adamw(self, group: dict, params: list[Tensor]) -> None:
        for p in params:
            if "step" not in self.state[p]:
                self.state[p] |= {"step": torch.zeros(()), "mean": torch.zeros_like(p), "square": torch.zeros_like(p)}
        states = [self.state[p] for p in params]
        grads, means, squares = [p.grad for p in params], [s["mean"] for s in states], [s["square"] for s in states]
        first, second = group["betas"]
        for s in states:
            s["step"] += 1
        step = states[0]["step"].item()
        torch._foreach_lerp_(means, grads, 1 - first)
        torch._foreach_mul_(squares, second)
        torch._foreach_addcmul_(squares, grads, grads, 1 - second)
        size = torch._foreach_sqrt(squares)
        torch._foreach_div_(size, (1 - second**step) ** 0.5)
        torch._foreach_add_(size, group["eps"])
        torch._foreach_mul_(params, 1 - group["lr"] * group["weight_decay"])
        torch._foreach_addcdiv_(params, means, size, -group["lr"] / (1 - first**step))


def scale_lr(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Every group's learning rate becomes so much of what it was made with."""
    for group in optimizer.param_groups:
        group["lr"] = group.setdefault("initial_lr", group["lr"]) * factor


def split(module: nn.Module, *, plain: Iterable[str] = ()) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """A module's parameters for Muon: (matrices and convolutions, all others). Names that begin with one of `plain`, and all
    embeddings, go to the others: first and last layers, for which Muon was not meant."""
    embedded = {id(m.weight) for m in module.modules() if isinstance(m, nn.Embedding)}
    matrices, others = [], []
    for name, p in module.named_parameters():
        turned = p.ndim >= 2 and id(p) not in embedded and not name.startswith(tuple(plain))
        (matrices if turned else others).append(p)
    return matrices, others
