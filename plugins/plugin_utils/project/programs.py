# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs that files of a source start beside the web server: Procfile, units, compose files, cron and others."""

from __future__ import annotations

import json
import posixpath
import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import yaml

from ..server_version import parsed_toml
from .calendars import UntranslatableError, from_cron, from_uwsgi
from .findings import Place
from .tree import Tree

__all__ = ["COMPOSE", "KEPT", "ONCE", "SCRIPT", "UNSURE", "Program", "programs"]

KEPT: Final = "kept"
"""Something starts it again when it ends."""
ONCE: Final = "once"
"""It runs by the calendar."""
UNSURE: Final = "unsure"

UNIT, PROCFILE, COMPOSE, SUPERVISOR, UWSGI, SCRIPT = range(6)
"""Files that start programs, those that tell most about production first."""

ASIDE: Final = re.compile(
    r"(^|/)(node_modules|tests?|docs?|documentation|examples?|vendor|fixtures|\.github|\.devcontainer|site-packages|"
    r"local|dev|develop|development)/", re.IGNORECASE,
)  # fmt: skip
DEVELOPMENT: Final = re.compile(r"(^|[._-])(dev|devel|development|local|tests?|ci|debug|override|e2e)([._-]|$)", re.I)
USER: Final = re.compile(r"[a-z_][a-z0-9_-]*\$?")
PROGRAMS: Final = re.compile(r"(python[\d.]*|cd|bash|sh|env|uv|poetry|test|curl|wget|celery|flock|nice|source)$")
CRON_TIME: Final = re.compile(r"\s*(@\w+|(?:[\d*/,a-zA-Z~#-]+\s+){4}[\d*/,a-zA-Z~#-]+)\s+(\S.*)")


@dataclass(frozen=True)
class Program:
    """A command line of a file: the name that it has there, and what keeps it running.

    `calendar` is the expression of what runs by the calendar, and `trouble` why there is none. `user` is who cron runs
    it as. `conditional` is what runs only with some setting of the file.
    """

    text: str
    place: Place
    label: str
    keeping: str
    what: str
    calendar: str = ""
    trouble: str = ""
    user: str = ""
    conditional: bool = False
    rank: int = UNIT


def programs(tree: Tree) -> list[Program]:
    """Return the programs of all files, those of the files that tell most about production first."""
    found: list[Program] = []
    for name in sorted(tree.names, key=lambda one: (one.count("/"), one)):
        base = posixpath.basename(name)
        if ASIDE.search(name) or DEVELOPMENT.search(base):
            continue
        for pattern, read in READERS:
            if re.fullmatch(pattern, base):
                found += read(tree, name)
                break
        else:
            if "." not in base or base.endswith(".sh"):
                found += _script(tree, name)
    return sorted(found, key=lambda one: one.rank)


def _unit(tree: Tree, name: str) -> Iterator[Program]:
    options = _options(tree, name)
    label = posixpath.basename(name).removesuffix(".service")
    timer = f"{name.removesuffix('.service')}.timer"
    for number, text in options.get("ExecStart", []):
        text = text.lstrip("@-:+!")
        if timer in tree.names:
            times = _options(tree, timer).get("OnCalendar", [])
            trouble = "" if len(times) == 1 else f"{timer} has no OnCalendar, or several: which calendar is it?"
            calendar = times[0][1] if len(times) == 1 else ""
            yield Program(text, Place(name, number), label, ONCE, "a timer of systemd runs it", calendar, trouble)
            continue
        kinds = [kind for _line, kind in options.get("Type", [])]
        restarts = [kind for _line, kind in options.get("Restart", [])]
        keeping = KEPT if kinds != ["oneshot"] and restarts not in ([], ["no"]) else UNSURE
        keeping = ONCE if kinds == ["oneshot"] else keeping
        if keeping != ONCE:
            yield Program(text, Place(name, number), label, keeping, "a unit of systemd starts it")


def _options(tree: Tree, name: str) -> dict[str, list[tuple[int, str]]]:
    """Return the options of a unit, with lines that go on in the next one joined."""
    found: dict[str, list[tuple[int, str]]] = {}
    for number, line in _joined(tree, name):
        if (match := re.match(r"\s*(\w+)\s*=\s*(.*\S)", line)) and not line.lstrip().startswith(("#", ";")):
            found.setdefault(match[1], []).append((number, match[2]))
    return found


def _joined(tree: Tree, name: str) -> Iterator[tuple[int, str]]:
    begun, text = 0, ""
    for number, line in tree.lines(name):
        begun = begun or number
        if line.rstrip().endswith("\\"):
            text += line.rstrip()[:-1] + " "
            continue
        yield begun, text + line
        begun, text = 0, ""
    if text:
        yield begun, text


def _process(text: str, place: Place, label: str) -> Program:
    return Program(text, place, label, KEPT, f"{posixpath.basename(place.file)} starts it as {label!r}", rank=PROCFILE)


def _procfile(tree: Tree, name: str) -> Iterator[Program]:
    for number, line in tree.lines(name):
        match = re.match(r"([\w-]+):\s*(.+)", line)
        if match and match[1] not in ("web", "release"):
            yield _process(match[2].strip(), Place(name, number), match[1])


class _Loader(yaml.SafeLoader):
    """Reads compose files with tags of their own, whose values do not matter here."""


def _any_tag(loader: yaml.SafeLoader, _suffix: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    return loader.construct_sequence(node, deep=True) if isinstance(node, yaml.SequenceNode) else node.value


_Loader.add_multi_constructor("!", _any_tag)


def _yaml(tree: Tree, name: str) -> dict[str, Any]:
    try:
        found = yaml.load(tree.read(name) or "", Loader=_Loader)
    except (yaml.YAMLError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _line(tree: Tree, name: str, text: str) -> int:
    """Return the line that has the beginning of a command."""
    word = next((word for word in text.split() if len(word) > 3), text)
    return tree.line_of(name, re.escape(text[:60])) or tree.line_of(name, re.escape(word))


def _compose(tree: Tree, name: str) -> Iterator[Program]:
    services = _yaml(tree, name).get("services")
    for label, service in services.items() if isinstance(services, dict) else ():
        if not isinstance(service, dict) or DEVELOPMENT.search(str(label)):
            continue
        command = service.get("command") or service.get("entrypoint")
        text = shlex.join(map(str, command)) if isinstance(command, list) else str(command or "")
        if text:
            restarts = str(service.get("restart", "")) in ("always", "unless-stopped")
            begun = tree.line_of(name, rf"^\s+[\"']?{re.escape(str(label))}[\"']?:\s*(#.*|&\w+)?$")
            found = next(
                (number for number, line in tree.lines(name) if number > begun and re.match(r"\s*command:", line)),
                begun,
            )
            yield Program(
                text, Place(name, found), str(label), KEPT if restarts else UNSURE,
                f"{posixpath.basename(name)} starts it as {str(label)!r}", conditional=bool(service.get("profiles")),
                rank=COMPOSE,
            )  # fmt: skip


def _supervisor(tree: Tree, name: str) -> Iterator[Program]:
    label = ""
    for number, line in _joined(tree, name):
        if section := re.match(r"\s*\[(?:program:)?([\w.-]+)", line):
            label = section[1]
        elif match := re.match(r"\s*command\s*=\s*(.*\S)", line):
            what = f"{posixpath.basename(name)} starts it as {label!r}"
            yield Program(match[1], Place(name, number), label, KEPT, what, rank=SUPERVISOR)


def _uwsgi(tree: Tree, name: str) -> Iterator[Program]:
    conditional, variable = False, ""
    base = posixpath.basename(name)
    for number, line in tree.lines(name):
        option, _equals, value = (part.strip() for part in line.partition("="))
        if option.startswith(("if-", "endif")):
            conditional = option != "endif"
            variable = value if option == "if-env" else ""
        elif option in ("attach-daemon", "attach-daemon2"):
            command = next((part[4:] for part in value.split(",") if part.startswith("cmd=")), value)
            # What the condition has found.
            command = command.replace("%(_)", f"${{{variable}}}") if variable else command
            what = f"{base} starts it"
            yield Program(command, Place(name, number), "", KEPT, what, conditional=conditional, rank=UWSGI)
        elif option == "cron" and (match := re.match(r"((?:-?\d+\s+){5})(.*)", value)):
            yield _scheduled(match[2], Place(name, number), base, partial(from_uwsgi, match[1]))


def _scheduled(
    text: str, place: Place, what: str, translated: Callable[[], str], user: str = "", label: str = ""
) -> Program:
    try:
        return Program(text, place, label, ONCE, f"{what} runs it", translated(), user=user)
    except UntranslatableError as error:
        return Program(text, place, label, ONCE, f"{what} runs it", trouble=str(error), user=user)


def _cron(tree: Tree, name: str) -> Iterator[Program]:
    base = posixpath.basename(name)
    zone = ""
    for number, line in tree.lines(name):
        if match := re.match(r"\s*CRON_TZ\s*=\s*[\"']?([\w/+-]+)", line):
            zone = match[1]
        match = CRON_TIME.match(line)
        if match is None or line.lstrip().startswith("#"):
            continue
        text, user = match[2].replace("\\%", "%"), ""
        words = text.split(None, 2)
        if len(words) > 1 and USER.fullmatch(words[0]) and not PROGRAMS.match(words[0]):
            user, text = words[0], text[len(words[0]) :].strip()
        time = match[1]
        yield _scheduled(text, Place(name, number), base, partial(from_cron, time, zone), user)


def _heroku(tree: Tree, name: str) -> Iterator[Program]:
    run = _yaml(tree, name).get("run")
    for label, command in run.items() if isinstance(run, dict) else ():
        text = command.get("command") if isinstance(command, dict) else command
        text = " && ".join(map(str, text)) if isinstance(text, list) else text
        if label not in ("web", "release") and isinstance(text, str):
            yield _process(text, Place(name, _line(tree, name, text)), str(label))


def _fly(tree: Tree, name: str) -> Iterator[Program]:
    processes = parsed_toml(tree.read(name) or "").get("processes")
    for label, text in processes.items() if isinstance(processes, dict) else ():
        if label not in ("web", "app") and isinstance(text, str):
            yield _process(text, Place(name, _line(tree, name, text)), label)


def _render(tree: Tree, name: str) -> Iterator[Program]:
    for service in _yaml(tree, name).get("services") or []:
        text = service.get("startCommand") if isinstance(service, dict) else None
        if not isinstance(text, str):
            continue
        label, place = str(service.get("name", "")), Place(name, _line(tree, name, text))
        if service.get("type") == "worker":
            yield _process(text, place, label)
        elif service.get("type") == "cron":
            time = str(service.get("schedule", ""))
            # Render's cron runs by UTC.
            yield _scheduled(text, place, name, partial(from_cron, time, "UTC"), label=label)


def _heroku_app(tree: Tree, name: str) -> Iterator[Program]:
    """Read the cron lines of an app.json, as Dokku has them."""
    try:
        found = json.loads(tree.read(name) or "")
    except ValueError:
        return
    lines = found.get("cron") if isinstance(found, dict) else None
    for one in lines if isinstance(lines, list) else ():
        if isinstance(one, dict) and isinstance(one.get("command"), str):
            place, time = Place(name, _line(tree, name, one["command"])), str(one.get("schedule", ""))
            yield _scheduled(one["command"], place, name, partial(from_cron, time))


def _script(tree: Tree, name: str) -> Iterator[Program]:
    """Give the lines of a script of a shell, of which only workers are of interest: nothing tells who starts it."""
    text = tree.read(name) or ""
    if len(text) > 20_000 or not re.match(r"#!\s*\S*(env )?\S*sh\b", text):
        return
    for number, line in _joined(tree, name):
        if not line.lstrip().startswith("#"):
            what = f"{posixpath.basename(name)} starts it"
            yield Program(line.strip(), Place(name, number), "", UNSURE, what, rank=SCRIPT)


READERS: Final[tuple[tuple[str, Callable[[Tree, str], Iterator[Program]]], ...]] = (
    (r".*\.service(\.(j2|in|example|sample|dist))?", _unit),
    (r"Procfile", _procfile),
    (r"(docker-)?compose[\w.-]*\.ya?ml", _compose),
    (r".*supervisor.*\.(conf|ini)", _supervisor),
    (r".*uwsgi.*\.ini", _uwsgi),
    (r"(.*[._-])?cron[\w-]*(\.(txt|tab))?", _cron),
    (r"heroku\.ya?ml", _heroku),
    (r"fly[\w.-]*\.toml", _fly),
    (r"render\.ya?ml", _render),
    (r"app\.json", _heroku_app),
)
