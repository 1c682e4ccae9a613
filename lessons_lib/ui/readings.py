"""What the judge makes of a picture that two prompts share, in words and as bars."""

from __future__ import annotations

import html
from collections.abc import Sequence

import streamlit as st

from lessons_lib.lessons.pairs import Readings
from lessons_lib.ui.parts import COLOURS


def ordinal(rank: int) -> str:
    """0 -> "1st", 1 -> "2nd", 10 -> "11th"."""
    n = rank + 1
    suffix = "th" if n % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n}{suffix}"


def captions(found: Sequence[Readings] | None, seeds: Sequence[int], names: tuple[str, str]) -> list[str]:
    """One line a picture: its seed, and which reading of the judge's each prompt is: "seed 180 · 6: 1st, 92% · 9: 2nd, 41%"."""
    if found is None:
        return [f"seed {seed}" for seed in seeds]
    return [
        f"seed {seed} · "
        + " · ".join(f"{name}: {ordinal(r)}, {p:.0%}" for name, r, p in zip(names, f.ranks, f.sure, strict=True))
        for seed, f in zip(seeds, found, strict=True)
    ]


def bars(found: Sequence[Readings], seeds: Sequence[int], names: tuple[str, str], key: str) -> None:
    """Both readings of every picture side by side, best picture first; the rank stands on each bar."""
    import plotly.graph_objects as go

    order = sorted(range(len(found)), key=lambda i: -found[i].score)
    fig = go.Figure()
    for which, (name, pattern) in enumerate(zip(names, ("", "/"), strict=True)):
        fig.add_bar(
            x=[f"seed {seeds[i]}" for i in order], y=[found[i].sure[which] for i in order], name=html.escape(name),  # Plotly reads HTML
            text=[ordinal(found[i].ranks[which]) for i in order], textposition="outside", cliponaxis=False,
            marker={"color": COLOURS[which], "pattern": {"shape": pattern}},
        )  # fmt: skip
    fig.update_layout(
        height=300, margin={"l": 8, "r": 8, "t": 40, "b": 8}, barmode="group", yaxis_title="judge's probability",
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.06, "x": 0},
    )  # fmt: skip
    highest = max(max(f.sure) for f in found)
    fig.update_yaxes(range=[0, min(1.0, 1.25 * highest)], tickformat=".0%")
    st.plotly_chart(fig, key=key, config={"displayModeBar": False})
    both = sum(f.both for f in found)
    st.caption(
        f"On each bar: which reading of the judge's it is. Both prompts are among its first five in {both} of {len(found)}."
    )
