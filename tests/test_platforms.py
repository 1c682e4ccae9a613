"""Windows, macOS and odd places, as far as they can be played on Linux: files that are open, no fork, no signals, strange paths."""

import ast
import builtins
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch

from lessons_lib.errors import LessonsError
from lessons_lib.files import checkpoints
from lessons_lib.places import ROOT
from lessons_lib.training import runs, worker

# --- Windows: a file that somebody reads can be neither replaced nor deleted --------------------------------------------


@pytest.fixture
def held(monkeypatch):
    """Files in the returned set are open elsewhere: what Windows does then."""
    names: set[str] = set()
    real_replace, real_unlink, real_open = os.replace, Path.unlink, builtins.open

    def refuse(path) -> None:
        if Path(path).name in names:
            raise PermissionError(13, "The process cannot access the file because it is being used by another process", str(path))

    def replace(a, b):
        refuse(b)
        return real_replace(a, b)

    def unlink(path, missing_ok=False):
        refuse(path)
        return real_unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(os, "replace", replace)
    monkeypatch.setattr(Path, "unlink", unlink)
    monkeypatch.setattr(builtins, "open", real_open)
    monkeypatch.setattr(checkpoints, "PATIENCE", 0.3)
    return names


def let_go(names: set[str], after: float) -> threading.Timer:
    timer = threading.Timer(after, names.clear)
    timer.start()
    return timer


def test_a_file_is_replaced_once_its_reader_has_let_it_go(held, tmp_path):
    path = tmp_path / "progress.json"
    checkpoints.write_atomically(path, b"old")
    held.add(path.name)
    timer = let_go(held, 0.1)
    checkpoints.write_atomically(path, b"new")
    timer.join()
    assert path.read_bytes() == b"new"
    held.add("x.safetensors")
    timer = let_go(held, 0.1)
    checkpoints.save_tensors(tmp_path / "x.safetensors", {"a": torch.zeros(2)})
    timer.join()
    assert [p.name for p in tmp_path.iterdir() if p.name.endswith(".part")] == []


def test_a_reader_that_never_lets_go_is_one_sentence_and_the_old_file_stays(held, tmp_path):
    path = tmp_path / "wanted"
    checkpoints.write_atomically(path, b"run")
    held.add(path.name)
    with pytest.raises(LessonsError, match="Could not write wanted"):
        checkpoints.write_atomically(path, b"pause")
    assert path.read_bytes() == b"run"
    assert list(tmp_path.iterdir()) == [path]


def test_an_old_checkpoint_that_is_open_stays_and_training_goes_on(held, tmp_path):
    net = torch.nn.Linear(2, 2)
    optimizer = torch.optim.Adam(net.parameters())
    held |= {"checkpoint-00000001.json", "checkpoint-00000001.safetensors"}
    for step in (1, 2, 3):
        if step == 1:
            held.clear()
        checkpoints.save_checkpoint(tmp_path, step, {"net": net}, optimizer, {})
        held |= {"checkpoint-00000001.json", "checkpoint-00000001.safetensors"}
    assert checkpoints.load_checkpoint(tmp_path)[0]["step"] == 3


def test_progress_that_is_being_replaced_is_read_a_moment_later(monkeypatch, tmp_path):
    (tmp_path / "progress.json").write_text(json.dumps({"status": "running", "step": 5}))
    real, refused = Path.read_text, []

    def read_text(path, *args, **more):
        if path.name == "progress.json" and len(refused) < 3:
            refused.append(1)
            raise PermissionError(13, "Permission denied")
        return real(path, *args, **more)

    monkeypatch.setattr(Path, "read_text", read_text)
    assert runs.read_progress(tmp_path) == {"status": "running", "step": 5}
    assert len(refused) == 3


def test_many_threads_write_one_file_and_one_of_them_wins(tmp_path):
    path, failed = tmp_path / "wanted", []

    def write(word: bytes) -> None:
        try:
            for _ in range(30):
                checkpoints.write_atomically(path, word * 1000)
        except LessonsError as e:
            failed.append(e)

    threads = [threading.Thread(target=write, args=(bytes([65 + i]),)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert len(set(path.read_bytes())) == 1
    assert list(tmp_path.iterdir()) == [path]


# --- no fork, no SIGKILL, no nice ---------------------------------------------------------------------------------------


def catches(node: ast.AST, error: str) -> bool:
    """Whether this is `with suppress(..., error)`, or a try whose handlers name it."""
    if isinstance(node, ast.With):
        names = [x for item in node.items if "suppress" in ast.unparse(item) for x in ast.walk(item.context_expr)]
    elif isinstance(node, ast.Try):
        names = [x for handler in node.handlers if handler.type for x in ast.walk(handler.type)]
    else:
        return False
    return any(isinstance(x, ast.Name) and x.id == error for x in names)


def test_nothing_needs_what_windows_lacks():
    """Names that are not there on Windows stand nowhere in the app, unless their absence is caught."""
    lacking = {
        "fork",
        "setsid",
        "killpg",
        "getuid",
        "geteuid",
        "mkfifo",
        "chown",
        "SIGKILL",
        "SIGHUP",
        "SIGUSR1",
        "SIGALRM",
        "alarm",
        "nice",
    }
    found = []
    for path in (ROOT / "lessons_lib").rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        caught = {id(x) for node in ast.walk(tree) if catches(node, "AttributeError") for x in ast.walk(node)}
        for node in ast.walk(tree):
            if id(node) in caught:
                continue
            if isinstance(node, ast.Attribute) and node.attr in lacking and getattr(node.value, "id", "") in ("os", "signal"):
                found.append(f"{path.name}: {node.value.id}.{node.attr}")
    assert not found


def test_a_worker_gives_way_where_there_is_no_nice(monkeypatch):
    before = torch.get_num_threads()
    monkeypatch.delattr(os, "nice")
    monkeypatch.setattr(Path, "write_text", lambda *args: (_ for _ in ()).throw(OSError("no /proc")))
    try:
        worker.give_way()
    finally:
        torch.set_num_threads(before)


def test_the_library_imports_where_fcntl_and_fork_are_not_there(tmp_path):
    code = """
import os, signal, sys, subprocess, streamlit, torch, torch._dynamo  # the libraries look for themselves
sys.modules["fcntl"] = None
class msvcrt: LK_NBLCK = 2; LK_UNLCK = 0; locking = staticmethod(lambda fd, mode, n: None)
sys.modules["msvcrt"] = msvcrt
for gone in ("fork", "nice", "killpg", "setsid", "getuid"): delattr(os, gone)
for gone in ("SIGKILL", "SIGHUP", "SIGUSR1"): delattr(signal, gone)
import lessons_lib.training.runs, lessons_lib.training.worker, lessons_lib.training.digits, lessons_lib.ui.page, lessons_lib.serving
import lessons_lib.files.lock as lock
from pathlib import Path
assert not lock.INHERITED
assert lock.take(Path(sys.argv[1]) / "lock")
"""
    done = subprocess.run([sys.executable, "-c", code, tmp_path], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


# --- paths --------------------------------------------------------------------------------------------------------------


def tracked() -> list[str]:
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("not a git checkout")
    return [name for name in done.stdout.split("\0") if name]


def test_no_two_files_differ_by_case_alone_and_windows_takes_every_name():
    names = tracked()
    assert len({name.casefold() for name in names}) == len(names)
    for name in names:
        for part in name.split("/"):
            assert not re.search(r'[<>:"|?*\\]', part), name
            assert not part.endswith((".", " ")), name
            assert part.split(".")[0].upper() not in ("CON", "PRN", "AUX", "NUL", "COM1", "LPT1"), name
        assert len(name) < 150, name


def test_every_import_has_the_case_of_its_file():
    """Where case does not count, `import lessons_lib.Film` works; elsewhere it does not."""
    here = {p.relative_to(ROOT).as_posix() for p in (ROOT / "lessons_lib").rglob("*.py")}
    for path in [ROOT / "Home.py", *(ROOT / "pages").glob("*.py"), *(ROOT / "lessons_lib").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            module = node.module if isinstance(node, ast.ImportFrom) else None
            if module and module.startswith("lessons_lib"):
                stem = module.replace(".", "/")
                assert {f"{stem}.py", f"{stem}/__init__.py"} & here, f"{path.name}: {module}"


def test_an_id_in_capitals_is_no_run(monkeypatch, tmp_path):
    """Where case does not count, R1234567 would be the folder of r1234567."""
    monkeypatch.setattr(runs, "FOLDER", tmp_path)
    (tmp_path / "rabcdef1").mkdir()
    with pytest.raises(LessonsError, match="is not the name of a run"):
        runs.folder_of("RABCDEF1")


OPEN = """
import json, sys
from tests.pages import opened, press
seen = {}
for slug in sys.argv[1:]:
    at = opened(slug, **({"num_hiddens": "8", "num_digits": "1000", "epochs": "2"} if slug == "train" else {}))
    if slug == "class":
        at = press(at, "Run")
    if slug == "train":
        at = press(at, "Train")
    seen[slug] = {"exceptions": [e.message for e in at.exception], "errors": [e.value for e in at.error],
                  "pictures": len(at.image), "title": [t.value for t in at.title]}
print(json.dumps(seen))
"""


def copied(to: Path) -> Path:
    """The project in another place; its cache by hard links, where the disk allows."""

    def link(a, b):
        try:
            os.link(a, b)
        except OSError:
            shutil.copy(a, b)

    to.mkdir(parents=True)
    for folder in ("lessons_lib", "pages", "tests", ".streamlit"):
        shutil.copytree(ROOT / folder, to / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("Home.py", "pyproject.toml"):
        shutil.copy(ROOT / file, to / file)
    shutil.copytree(ROOT / "cache", to / "cache", ignore=shutil.ignore_patterns("runs", "data"), copy_function=link)
    return to


def opens(place: Path, *slugs: str, powerless=(), **how) -> dict:
    command = [*powerless, sys.executable, "-c", OPEN, *slugs]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, encoding="utf-8", errors="replace", **how)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_a_path_with_spaces_umlauts_and_signs(tmp_path, monkeypatch):
    monkeypatch.setenv("DIFFUSION_NICE", "0")  # its worker does not stand back for what else this machine does
    place = copied(tmp_path / "Übung 3 (Größe) & mehr #1 %20 'neu'")
    seen = opens(place, "home", "forward", "class", "train", "unet")
    assert not [s for s in seen.values() if s["exceptions"] or s["errors"]], seen
    assert all(s["pictures"] for slug, s in seen.items() if slug != "train")
    (run,) = (place / "cache" / "runs" / "mnist").glob("r*")
    end = time.monotonic() + 240
    while runs.read_progress(run).get("status") not in ("finished", "failed"):  # a real worker, in that very place
        assert time.monotonic() < end, (run / "errors.txt").read_text()
        time.sleep(0.2)
    assert runs.read_progress(run)["status"] == "finished"
    assert list(run.glob("samples-*.png"))
    assert (run / "epoch-02.safetensors").exists()


@pytest.fixture
def read_only(tmp_path):
    """A copy of the project, to whose folders nothing can be added; and how a process is started that has no say in that."""
    place = copied(tmp_path / "app")
    folders = [place, *(p for p in place.rglob("*") if p.is_dir())]
    for folder in folders:  # not the files, which are the checkout's own by hard links
        folder.chmod(0o555)
    powers = "-dac_override,-dac_read_search,-fowner"  # by which root writes everywhere
    yield place, ["setpriv", "--bounding-set", powers, "--inh-caps", powers] if os.geteuid() == 0 else []
    for folder in folders:
        folder.chmod(0o755)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "geteuid") or shutil.which("setpriv") is None, reason="needs setpriv")
def test_a_read_only_checkout_a_home_that_is_not_there_and_a_bare_locale(read_only):
    """All pages open; what has to be written is one sentence. In the C locale every file is read as ASCII, unless it says how."""
    place, powerless = read_only
    bare = {"LC_ALL": "C", "LANG": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "HOME": "/nonexistent"}
    env = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", "TMPDIR": "/nonexistent", **bare}
    seen = opens(place, "home", "forward", "class", "one_step", "prompts", "train", powerless=powerless, env=env)
    train = seen.pop("train")
    assert not [s for s in seen.values() if s["exceptions"] or s["errors"]], seen
    assert not train["exceptions"]
    assert len(train["errors"]) == 1
    assert "cannot be written" in train["errors"][0]


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_ctrl_c_and_sigterm_are_all_that_is_listened_to():
    """What Windows sends is SIGINT, SIGTERM or SIGBREAK; no other signal has a meaning here."""
    names = set()
    for path in (ROOT / "lessons_lib").rglob("*.py"):
        names |= set(re.findall(r"signal\.(SIG\w+)", path.read_text(encoding="utf-8")))
    assert names <= {"SIGTERM", "SIGINT"}
    assert signal.SIGTERM
