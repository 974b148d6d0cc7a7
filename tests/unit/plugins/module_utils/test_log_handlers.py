"""Which log handlers are refused, on a real logging tree in a process of its own, as Django configures it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

# Configures the logging of the test and prints what is judged of it.
JUDGE = """
import json, logging, logging.config, logging.handlers, queue, sys
from pathlib import Path
from ansible_collections.pitcrew.django.plugins.module_utils.log_handlers import judge

class Sized(logging.handlers.RotatingFileHandler):
    pass

given = json.load(sys.stdin)
logging.config.dictConfig(given["logging"])
exec(given["more"])
print(json.dumps(judge(Path(given["release"]), Path("/var/lib/shop"), given["allow_lossy"])))
"""
WATCHED = "logging.handlers.WatchedFileHandler"
ROTATING = "logging.handlers.RotatingFileHandler"
TIMED = "logging.handlers.TimedRotatingFileHandler"
CURE = (
    "Write to stderr (logging.StreamHandler), which the journal keeps, or use logging.handlers.WatchedFileHandler and "
    "let logrotate rotate the file; or set site_allow_lossy_logging: true"
)


class Judged:
    """A directory with a release and another one beside it, in which logs are written."""

    def __init__(self, tmp_path: Path) -> None:
        self.release, self.logs = tmp_path / "release", tmp_path / "logs"
        self.release.mkdir()
        self.logs.mkdir()
        self.file = str(self.logs / "shop.log")

    def by(
        self,
        handlers: dict[str, dict[str, Any]],
        loggers: dict[str, list[str]] | None = None,
        more: str = "",
        allow_lossy: bool = False,
    ) -> tuple[list[str], list[str]]:
        """Judge handlers, which are the root logger's unless loggers have them."""
        if loggers is None:
            loggers = {"": list(handlers)}
        logging = {
            "version": 1,
            "handlers": handlers,
            "loggers": {name: {"handlers": attached} for name, attached in loggers.items()},
        }
        given = {"logging": logging, "more": more, "release": str(self.release), "allow_lossy": allow_lossy}
        done = subprocess.run(
            [sys.executable, "-c", JUDGE], input=json.dumps(given), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        complaints, notes, _shared = json.loads(done.stdout)
        return complaints, notes

    def one(self, kind: str, **options: Any) -> tuple[list[str], list[str]]:
        """Judge a single handler that writes to the file."""
        return self.by({"file": {"class": kind, "filename": self.file, **options}})


@pytest.fixture
def judged(tmp_path: Path) -> Judged:
    """Give the two directories."""
    return Judged(tmp_path)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (ROTATING, {"maxBytes": 1000, "backupCount": 3}),
        (TIMED, {"when": "D"}),
        (TIMED, {"when": "S", "backupCount": 0, "delay": True}),
    ],
)
def test_handlers_that_rotate_by_themselves(judged: Judged, kind: str, options: dict[str, Any]) -> None:
    """The sentence has the handler, its class, its logger, the file, the reason and the cure."""
    assert judged.one(kind, **options) == (
        [
            f"LOGGING: the handler 'file' ({kind}, '{judged.file}') of the logger 'root' loses lines: each process of "
            f"the site rotates the file by itself, and takes it away from the others. {CURE}"
        ],
        [],
    )


def test_a_handler_that_empties_its_file(judged: Judged) -> None:
    """Each process that starts does, while others write."""
    assert judged.one("logging.FileHandler", mode="w") == (
        [
            f"LOGGING: the handler 'file' (logging.FileHandler, '{judged.file}') of the logger 'root' loses lines: "
            f"each process of the site empties the file when it opens it, with mode 'w'. {CURE}"
        ],
        [],
    )


@pytest.mark.parametrize("kind", [WATCHED, "logging.StreamHandler", "logging.handlers.SysLogHandler"])
def test_handlers_that_lose_nothing(judged: Judged, kind: str) -> None:
    """Nothing is said about them."""
    options = {"filename": judged.file} if kind == WATCHED else {}
    assert judged.by({"handler": {"class": kind, **options}}) == ([], [])


@pytest.mark.parametrize(
    ("kind", "options"),
    [("logging.FileHandler", {}), (ROTATING, {}), (ROTATING, {"maxBytes": 9}), (ROTATING, {"backupCount": 9})],
)
def test_a_file_that_cannot_be_rotated(judged: Judged, kind: str, options: dict[str, Any]) -> None:
    """It loses nothing until somebody rotates it; RotatingFileHandler without a size or copies never does."""
    complaints, [note] = judged.one(kind, **options)
    assert complaints == []
    assert note == (
        f"LOGGING: the handler 'file' ({kind}, '{judged.file}') of the logger 'root' never reopens its file, so "
        "logrotate could rotate it only with copytruncate, which loses lines. Use logging.handlers.WatchedFileHandler, "
        "which writes the same and can be rotated"
    )


def test_a_subclass(judged: Judged) -> None:
    """It is named, and what it is."""
    [complaint], _notes = judged.one("__main__.Sized", maxBytes=1000, backupCount=3)
    assert complaint.startswith(
        f"LOGGING: the handler 'file' (__main__.Sized, a {ROTATING}, '{judged.file}') of the logger 'root' loses"
    )


def test_all_at_once(judged: Judged) -> None:
    """Each handler once, with all loggers that it has."""
    handlers = {
        name: {"class": TIMED, "filename": str(judged.logs / name), "delay": True} for name in ("orders", "all")
    }
    loggers = {"": ["all"], "shop.orders": ["orders"], "django": ["all"], "shop": []}
    complaints, _notes = judged.by(handlers, loggers)
    assert [complaint.partition(" loses ")[0] for complaint in complaints] == [
        f"LOGGING: the handler 'all' ({TIMED}, '{judged.logs}/all') of the loggers 'django', 'root'",
        f"LOGGING: the handler 'orders' ({TIMED}, '{judged.logs}/orders') of the logger 'shop.orders'",
    ]


def test_the_target_of_a_memory_handler(judged: Judged) -> None:
    """Its records arrive in the file in the end."""
    handlers = {
        "file": {"class": TIMED, "filename": judged.file},
        "memory": {"class": "logging.handlers.MemoryHandler", "capacity": 10, "target": "file"},
    }
    [complaint], _notes = judged.by(handlers, {"shop": ["memory"]})
    assert f"the handler 'file' ({TIMED}, '{judged.file}') of the logger 'shop' loses lines" in complaint


def test_the_listener_of_a_queue_handler(judged: Judged) -> None:
    """dictConfig gives it to the handler from Python 3.12 on."""
    more = f"""
handler = logging.handlers.QueueHandler(queue.Queue())
file = logging.handlers.TimedRotatingFileHandler({judged.file!r})
handler.listener = logging.handlers.QueueListener(handler.queue, file)
logging.getLogger("shop").addHandler(handler)
"""
    [complaint], _notes = judged.by({}, more=more)
    assert f"the handler ({TIMED}, '{judged.file}') of the logger 'shop' loses lines" in complaint


CONCURRENT = """
import types
module = types.ModuleType("concurrent_log_handler")
exec("import logging.handlers; {name} = type('{name}', (logging.handlers.{base},), {{}})", vars(module))
handler = module.{name}({file!r}{more})
handler.name = "file"
logging.getLogger("shop").addHandler(handler)
"""


@pytest.mark.parametrize(
    ("name", "base", "more"),
    [
        ("ConcurrentRotatingFileHandler", "BaseRotatingHandler", ", 'a'"),
        ("ConcurrentTimedRotatingFileHandler", "TimedRotatingFileHandler", ""),
    ],
)
def test_handlers_that_agree_on_when_to_rotate(judged: Judged, name: str, base: str, more: str) -> None:
    """Those of the package concurrent-log-handler pass; the note says what that costs."""
    code = CONCURRENT.format(name=name, base=base, more=more, file=judged.file)
    complaints, [note] = judged.by({}, more=code)
    assert complaints == []
    assert "makes processes wait for each other at a lock for each line" in note


def test_handlers_that_are_let_pass(judged: Judged) -> None:
    """Nothing is said about any of them, except what cannot work."""
    inside = str(judged.release / "shop.log")
    handlers = {
        "timed": {"class": TIMED, "filename": judged.file},
        "plain": {"class": "logging.FileHandler", "filename": judged.file},
        "inside": {"class": WATCHED, "filename": inside},
    }
    [complaint], notes = judged.by(handlers, allow_lossy=True)
    assert complaint == (
        f"LOGGING: the handler 'inside' ({WATCHED}, '{inside}') of the logger 'root' writes into the release, which "
        "the site's process cannot change. Write to stderr (logging.StreamHandler), which the journal keeps, or to a "
        "file in '/var/lib/shop'"
    )
    assert notes == []


def test_a_handler_with_two_mistakes(judged: Judged) -> None:
    """One sentence, and a cure for both."""
    inside = str(judged.release / "shop.log")
    [complaint], _notes = judged.by({"file": {"class": TIMED, "filename": inside}})
    assert complaint == (
        f"LOGGING: the handler 'file' ({TIMED}, '{inside}') of the logger 'root' writes into the release, which the "
        "site's process cannot change, and loses lines: each process of the site rotates the file by itself, and takes "
        "it away from the others. Write to stderr (logging.StreamHandler), which the journal keeps, or to a file in "
        "'/var/lib/shop', by logging.handlers.WatchedFileHandler"
    )


def test_a_link_out_of_the_release(judged: Judged) -> None:
    """As site_shared_paths makes them."""
    (judged.release / "logs").symlink_to(judged.logs)
    assert judged.by({"file": {"class": WATCHED, "filename": str(judged.release / "logs/shop.log")}}) == ([], [])


@pytest.mark.parametrize("name", ["/dev/stderr", "/dev/null"])
def test_what_is_no_file(judged: Judged, name: str) -> None:
    """Nobody rotates it."""
    assert judged.by({"file": {"class": "logging.FileHandler", "filename": name}}) == ([], [])


def test_a_handler_that_no_logger_has(judged: Judged) -> None:
    """It writes nothing."""
    assert judged.by({"file": {"class": TIMED, "filename": judged.file}}, {}) == ([], [])
