"""A week of one server: sessions come and go, and nothing of them is left: memory, threads, files, sockets.

Each session is a websocket as a browser opens it. It reads a lesson, or moves a slider a few times, or walks, or uploads a photo and
saves what it made, or leaves in the middle of a walk. Then so many sessions stay open after a walk and do nothing, which says what an
idle one holds, and what is left of that when its films rest.

    python benchmarks/week.py [--sessions 5000] [--at-once 6] [--idle 10]

Asked for: from the second tenth on memory grows by no more than 5%, and no thread, file or socket is left.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from load import Browser, Seen, a_photo, connected, memory, move, served, sliders_of, wrong_lines

REMEMBERED = 2  # seconds that a session is kept for a browser that may come back; 120 in the app
IDLE = 15  # seconds after which films rest; 600 in the app
WANTED_GROWTH = 0.05


def held(pid: int) -> dict[str, int | float]:
    """What a process holds: MB of memory, threads, open files and sockets."""
    links = []
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        try:
            links.append(os.readlink(fd))
        except OSError:
            continue  # closed meanwhile
    sockets = sum(link.startswith("socket:") for link in links)
    threads = len(list(Path(f"/proc/{pid}/task").iterdir()))
    return {"MB": memory(pid), "threads": threads, "files": len(links) - sockets, "sockets": sockets}


def reads(tab: Browser, rng: random.Random) -> None:
    for page in rng.sample(("Forward_noising", "Adding_class", "Image_to_image", "Inside_the_UNet", "The_plane", ""), 2):
        tab.open(page, f"seed={rng.randrange(1000)}" if page else "")


def moves(tab: Browser, rng: random.Random) -> None:
    tab.open("Forward_noising", f"seed={rng.randrange(1000)}")
    for _ in range(3):
        move(tab, sliders_of(tab)[0], rng)


def walks(tab: Browser, rng: random.Random) -> None:
    tab.open("Adding_class", f"num_inference_steps=6&seed={rng.randrange(1000)}")
    tab.press("Run", "walks")


def gives(tab: Browser, rng: random.Random) -> None:
    tab.open("Image_to_image", "model=mnist&picture=upload")
    tab.upload(tab.widgets["file_uploader"][0], "a photo.jpg", a_photo(rng))
    for button in tab.files[:1]:
        tab.fetch(button)


def leaves(tab: Browser, rng: random.Random) -> None:
    """In the middle of a walk: a closed tab."""
    tab.open("Adding_class", f"num_inference_steps=100&seed={rng.randrange(1000)}")
    over = threading.Timer(rng.uniform(0.2, 1.0), tab.socket.close)
    over.start()
    with suppress(Exception):  # the closed tab is what was wanted
        tab.press("Run", "walks")
    over.join()


PEOPLE = (*[reads] * 6, *[moves] * 6, *[gives] * 2, *[walks] * 3, leaves)


def come_and_go(port: int, numbers: Iterator[int], seen: Seen, over: threading.Event) -> None:
    """One session after another, until there are no numbers left."""
    for number in numbers:
        rng = random.Random(number)
        person = PEOPLE[number % len(PEOPLE)]
        try:
            with connected(port) as web:
                person(Browser(web, port, seen, over), rng)
        except Exception as e:
            seen.wrong(f"{person.__name__}: {type(e).__name__}: {e}")


def some(port: int, first: int, n: int, at_once: int, seen: Seen) -> None:
    """So many sessions, some at a time."""
    numbers, lock = itertools.count(first), threading.Lock()

    def shared() -> Iterator[int]:
        while True:
            with lock:
                number = next(numbers)
            if number >= first + n:
                return
            yield number

    threads = [threading.Thread(target=come_and_go, args=(port, shared(), seen, threading.Event())) for _ in range(at_once)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def settled(port: int, pid: int) -> dict[str, int | float]:
    """What the server holds when all have gone; a page is opened, since pages tidy up."""
    time.sleep(2 * REMEMBERED + 1)
    with connected(port) as web:
        Browser(web, port, Seen(), threading.Event()).open("Forward_noising", "seed=1")
    time.sleep(2 * REMEMBERED + 1)
    return held(pid)


def idle(port: int, pid: int, n: int) -> tuple[float, float]:
    """MB that a session holds after a walk of the small model, and what is left of that when its film rests."""
    before, tabs = held(pid)["MB"], []
    for i in range(n):
        web = connected(port).__enter__()
        tabs.append(Browser(web, port, Seen(), threading.Event()))
        tabs[-1].open("Classifier_free_guidance", f"model=emoji&seed={i}")
        tabs[-1].press("Run", "walks")
    full = held(pid)["MB"]
    time.sleep(IDLE + 2)
    with connected(port) as web:
        Browser(web, port, Seen(), threading.Event()).open("Forward_noising", "seed=1")
    time.sleep(5)
    rested = held(pid)["MB"]
    for tab in tabs:
        tab.socket.close()
    return (full - before) / n, (rested - before) / n


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=5000)
    parser.add_argument("--at-once", type=int, default=6)
    parser.add_argument("--idle", type=int, default=10)
    args = parser.parse_args()
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    folder = Path(tempfile.mkdtemp(prefix="week-"))
    os.environ |= {
        "DIFFUSION_RUNS": str(folder / "runs"),
        "DIFFUSION_IDLE": str(IDLE),
        "STREAMLIT_SERVER_DISCONNECTED_SESSION_TTL": str(REMEMBERED),
        "TMPDIR": str(folder),
    }
    server, seen, began = served(port, folder / "log"), Seen(), time.monotonic()
    try:
        some(port, 0, 3 * len(PEOPLE), args.at_once, seen)  # every page and network is open
        rows = [settled(port, server.pid)]
        print(f"{'sessions':>9}{'MB':>8}{'threads':>9}{'files':>7}{'sockets':>9}   seconds", flush=True)
        for tenth in range(11):
            if tenth:
                some(port, tenth * args.sessions // 10, args.sessions // 10, args.at_once, seen)
                rows.append(settled(port, server.pid))
            row = rows[-1]
            told = f"{tenth * args.sessions // 10:9}{row['MB']:8.0f}{row['threads']:9}{row['files']:7}{row['sockets']:9}"
            print(f"{told}{time.monotonic() - began:10.0f}", flush=True)
        full, rested = idle(port, server.pid, args.idle) if args.idle else (0.0, 0.0)
    finally:
        server.terminate()
        server.wait(30)
    left = list(folder.glob("lessons-films-*"))
    errors = wrong_lines((folder / "log").read_text(errors="replace"))
    growth = rows[-1]["MB"] / rows[2]["MB"] - 1
    met = {
        f"memory flat ({growth:+.1%} from the second tenth on)": growth <= WANTED_GROWTH,
        "no thread left": rows[-1]["threads"] <= max(r["threads"] for r in rows[:3]),
        "no file left": rows[-1]["files"] <= max(r["files"] for r in rows[:3]) and not left,
        "no socket left": rows[-1]["sockets"] <= max(r["sockets"] for r in rows[:3]),
        f"no error in the log ({len(errors)})": not errors,
        f"no session met trouble ({len(seen.trouble)})": not seen.trouble,
    }
    print("\n".join(f"{'met' if ok else 'NOT MET':8}{what}" for what, ok in met.items()))
    for line in dict.fromkeys([*seen.trouble, *errors][:10]):
        print("  ", line[:200])
    if args.idle:
        print(f"a session that walked and is idle holds {full:.1f} MB, and {rested:.1f} MB when its film rests")
    raise SystemExit(0 if all(met.values()) else 1)


if __name__ == "__main__":
    main()
