"""Muon against a written-out reference, and as an optimiser that can be saved."""

import pytest
import torch
from torch import nn

from lessons_lib.files import checkpoints
from lessons_lib.training.muon import Muon, orthogonalised, scale_lr, split


def reference(updates: list[torch.Tensor], lr: float, momentum: float, w: torch.Tensor) -> torch.Tensor:
    """Muon's steps written out one by one for a single parameter, as the paper's algorithm has them."""
    m = torch.zeros_like(w)
    for g in updates:
        m = momentum * m + (1 - momentum) * g
        u = (1 - momentum) * g + momentum * m
        x = u.reshape(len(u), -1).bfloat16()
        rows, columns = x.shape
        if rows > columns:
            x = x.T
        x = x / (x.norm() + 1e-7)
        for _ in range(5):
            a = x @ x.T
            x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
        if rows > columns:
            x = x.T
        w = w - lr * max(1, rows / columns) ** 0.5 * x.float().view(w.shape)
    return w


@pytest.mark.parametrize("shape", [(6, 10), (10, 6), (8, 8), (8, 4, 3, 3), (64, 2, 3, 3)])
def test_muon_is_its_reference(shape):
    g = torch.Generator().manual_seed(0)
    start, grads = torch.randn(shape, generator=g), [torch.randn(shape, generator=g) for _ in range(4)]
    w = nn.Parameter(start.clone())
    other = nn.Parameter(start.clone() * 2)  # turned in the same stack
    optimizer = Muon([w, other], lr=0.02)
    for grad in grads:
        w.grad, other.grad = grad.clone(), torch.ones(shape)
        optimizer.step()
    moved = (reference(grads, 0.02, 0.95, start) - start).norm()
    assert (w - reference(grads, 0.02, 0.95, start)).norm() < 0.05 * moved  # bfloat16, rounded in another order
    assert moved > 0.1


@pytest.mark.parametrize(("rows", "columns"), [(16, 40), (40, 16)])
def test_all_directions_move_alike(rows, columns):
    g = torch.Generator().manual_seed(1)
    stretched = torch.randn(rows, columns, generator=g) * torch.logspace(0, -1, columns)
    values = torch.linalg.svdvals(orthogonalised(stretched[None])[0].float())
    assert len(values) == 16
    assert values.min() > 0.5
    assert values.max() < 1.3


def test_the_others_are_adamw():
    torch.manual_seed(2)
    ours, theirs = nn.Linear(5, 3), nn.Linear(5, 3)
    theirs.load_state_dict(ours.state_dict())
    a = Muon([], ours.parameters(), lr_others=1e-2, betas=(0.9, 0.99), weight_decay=0.1)
    b = torch.optim.AdamW(theirs.parameters(), 1e-2, betas=(0.9, 0.99), weight_decay=0.1)
    for _ in range(5):
        x = torch.randn(4, 5)
        for model, optimizer in ((ours, a), (theirs, b)):
            optimizer.zero_grad()
            model(x).square().sum().backward()
            optimizer.step()
    torch.testing.assert_close(ours.weight, theirs.weight)
    torch.testing.assert_close(ours.bias, theirs.bias)


def test_a_vector_is_no_matrix():
    with pytest.raises(ValueError, match="not a parameter of shape \\(3,\\)"):
        Muon([nn.Parameter(torch.zeros(3))])
    with pytest.raises(ValueError, match="empty"):
        Muon([], [])


def test_split_leaves_embeddings_and_what_is_named_to_the_others():
    net = nn.ModuleDict({"first": nn.Conv2d(3, 4, 3), "words": nn.Embedding(5, 4), "inner": nn.Conv2d(4, 4, 3)})
    matrices, others = split(net, plain=("first",))
    assert [id(p) for p in matrices] == [id(net["inner"].weight)]
    assert len(others) == 4


def test_the_rate_is_scaled_from_what_it_was_made_with():
    optimizer = Muon([nn.Parameter(torch.zeros(2, 2))], [nn.Parameter(torch.zeros(2))], lr=0.02, lr_others=1e-3)
    scale_lr(optimizer, 0.5)
    scale_lr(optimizer, 0.25)
    assert [group["lr"] for group in optimizer.param_groups] == [0.005, 0.00025]


def test_saved_and_restored_it_goes_on_to_the_bit(tmp_path):
    def made():
        torch.manual_seed(3)
        net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(16, 2))
        return net, Muon(*split(net))

    def stepped(net, optimizer, number):
        optimizer.zero_grad()
        net(torch.randn(3, 1, 4, 4, generator=torch.Generator().manual_seed(number))).square().sum().backward()
        optimizer.step()

    net, optimizer = made()
    for i in range(3):
        stepped(net, optimizer, i)
    checkpoints.save_checkpoint(tmp_path, 3, {"net": net}, optimizer, {})
    again, optimizer_again = made()
    checkpoints.restore(checkpoints.load_checkpoint(tmp_path)[1], {"net": again}, optimizer_again)
    for i in range(3, 6):
        stepped(net, optimizer, i)
        stepped(again, optimizer_again, i)
    for p, q in zip(net.parameters(), again.parameters(), strict=True):
        assert torch.equal(p, q)
