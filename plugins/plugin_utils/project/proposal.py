# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The findings as a text of 80 columns, and as an inventory, each line of which has its reason as a comment."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import yaml

from ..text import WIDTH, wrapped
from .findings import CERTAIN, GUESS, OPTIONAL, PROCESS, QUESTION, Finding, is_placeholder
from .inspection import Inspection

__all__ = ["Proposal"]

ORDER: Final = (
    "site_name", "site_domains", "site_git_url", "site_git_ref", "site_source_directory", "site_project_directory",
    "site_requirements", "site_requirements_groups", "site_requirements_extras", "site_settings_module",
    "site_wsgi_application", "site_interface", "site_asgi_application", "site_python", "site_environment",
    "site_secrets", "site_settings", "site_secret_settings", "site_files", "site_shared_paths", "site_directories",
    "site_python_packages", "site_system_packages", "site_build", "site_release_commands", "site_first_commands",
    "site_processes", "site_schedules", "site_services", "site_health_path",
)  # fmt: skip
WORDS: Final = (
    "a", "by", "categories", "each", "files", "fill", "forms", "groups", "extras", "here", "installs", "it",
    "its", "no", "names", "none", "one", "only", "tasks", "the", "their", "there", "this", "what", "with",
    "without",
)  # fmt: skip
"""First words of reasons that are not names of files, packages or settings."""
MOST_NAMES: Final = 60
PREFIX: Final[Mapping[str, str]] = {CERTAIN: "", GUESS: "Guess: ", QUESTION: "Not found out: "}


@dataclass(frozen=True)
class Proposal:
    """An inventory for the source, what is open, and what a deploy would warn of.

    `source` is what the user has named it by: a variable and its value; `headline` are sentences about what was read.
    """

    inspection: Inspection
    source: tuple[tuple[str, str], ...]
    headline: str
    given: frozenset[str] = frozenset()
    more: tuple[Finding, ...] = ()
    checked: str = ""

    @property
    def findings(self) -> list[Finding]:
        """All findings that propose something that the user has not set."""
        found = [*self._first(), *self.inspection.proposed, *self.more]
        kept = [one for one in found if one.variable not in self.given or _is_added(one)]
        return [one for one in kept if one.variable and one.value not in (None, "")]

    def _first(self) -> Iterator[Finding]:
        site = self.inspection.site
        yield Finding("site_name", site.name, "names the site's user and its directories on the host", None, GUESS)
        if not any(one.variable == "site_domains" for one in self.inspection.findings):
            yield Finding("site_domains", [site.domain], "fill in the names that visitors use", None, GUESS)
        for name, value in self.source:
            yield Finding(name, value, "what was inspected", None)

    def text(self) -> str:
        """Return everything for a terminal."""
        parts = [wrapped(self.summary()), "Proposed inventory:\n\n" + self.inventory().rstrip("\n")]
        parts += [_section(title, findings) for title, findings in self._sections()]
        return "\n\n".join(parts) + "\n"

    def file(self) -> str:
        """Return the same as a file, with everything but the inventory in comments."""
        lines = [*_comment(self.summary(), ""), "", *self.inventory().splitlines()]
        for title, findings in self._sections():
            lines += ["", f"# {title}"]
            for finding in findings:
                lines += _comment(f"{_sentence(finding)}", "", "- ")
        return "\n".join(["---", *lines]) + "\n"

    def _sections(self) -> Iterator[tuple[str, Sequence[Finding]]]:
        questions = self.inspection.questions
        questions += [one for one in self.more if one.certainty == QUESTION and one.value in (None, "")]
        notes = self.inspection.notes + [one for one in self.more if not one.variable and one.certainty != QUESTION]
        if questions:
            yield "Not found out:", _once(questions)
        if notes:
            yield "What a deploy would warn of, or what visitors would notice:", _once(notes)
        if processes := self.inspection.of(PROCESS):
            yield "Started by files of the source, and not proposed:", _once(processes)
        if optional := self.inspection.of(OPTIONAL):
            yield "Also read from the environment, with a default:", [_shortened(one) for one in optional]

    def summary(self) -> str:
        """Return two or three sentences: what it is, how much there is to do, and what was done to find that out."""
        found = self.findings
        names = list(dict.fromkeys(finding.variable for finding in found if not finding.commented))
        guesses = sum(finding.certainty == GUESS for finding in found)
        fill = [finding for finding in found if is_placeholder(finding.value) and not finding.commented]
        questions = sum(len(one) for title, one in self._sections() if title.startswith("Not"))
        questions += sum(finding.commented and finding.certainty == QUESTION for finding in found)
        inspection = self.inspection
        what = []
        if inspection.module:
            where = f"{inspection.project}/manage.py" if inspection.project else "manage.py"
            what.append(f"{where} with the settings {inspection.module}")
        if inspection.lists:
            what.append(f"packages from {' and '.join(inspection.lists.paths)}")
        first = f"{self.headline}: {', '.join(what) or 'no Django project was found'}."
        counted = f"{_number(len(names), 'variable')} proposed, {_number(guesses, 'guess', 'guesses')} among them; "
        counted += f"{len(fill)} to fill in, {_number(questions, 'question')} left."
        return " ".join(filter(None, (first, counted, self.checked)))

    def inventory(self) -> str:
        """Return the inventory as YAML."""
        server = ["    # The server, by the name that ssh reaches it by.", "    www.example.com:"]
        lines = ["django:", "  hosts:", *server, "  vars:"]
        by_variable: dict[str, list[Finding]] = {}
        for finding in self.findings:
            by_variable.setdefault(finding.variable, []).append(finding)
        order = {name: place for place, name in enumerate(ORDER)}
        for name in sorted(by_variable, key=lambda one: (order.get(one, len(order)), one)):
            lines += self._variable(name, by_variable[name])
        return "\n".join(lines) + "\n"

    def _variable(self, name: str, findings: Sequence[Finding]) -> list[str]:
        indent = "    "
        if isinstance(findings[0].value, dict):
            return [_key(indent, name, findings), *_mapping(findings, f"{indent}  ")]
        if isinstance(findings[0].value, list) and name not in ("site_domains",):
            return [_key(indent, name, findings), *_list(findings, f"{indent}  ")]
        return [*_comment(_reason(findings[0]), indent), *_entry(name, findings[0].value, indent)]


def _is_added(finding: Finding) -> bool:
    """Whether a value is added to what the user has set; processes have names of the user's, so nothing is added."""
    named = finding.variable in ("site_processes", "site_schedules")
    return isinstance(finding.value, (dict, list)) and not named and not finding.commented


def _shortened(finding: Finding) -> Finding:
    names = finding.reason.split(", ")
    if len(names) <= MOST_NAMES:
        return finding
    return replace(finding, reason=f"{', '.join(names[:MOST_NAMES])} and {len(names) - MOST_NAMES} more")


def _number(count: int, singular: str, plural: str = "") -> str:
    return f"{count} {singular if count == 1 else plural or f'{singular}s'}"


def _once(findings: Sequence[Finding]) -> list[Finding]:
    return list({str(finding): finding for finding in findings}.values())


def _section(title: str, findings: Sequence[Finding]) -> str:
    return "\n".join([title, *(wrapped(_sentence(finding), "- ", "  ") for finding in findings)])


def _sentence(finding: Finding) -> str:
    text = _capital(str(finding))
    return f"{finding.variable}: {text}" if finding.variable and finding.variable not in text else text


def _reason(finding: Finding) -> str:
    text = str(finding)
    prefix = "If wanted: " if finding.commented and finding.certainty == CERTAIN else PREFIX[finding.certainty]
    return f"{prefix}{text}." if prefix else f"{_capital(text)}."


def _capital(text: str) -> str:
    """Begin a sentence with a capital letter, unless its first word is a name."""
    return text[0].upper() + text[1:] if text.split(" ")[0] in WORDS else text


def _comment(text: str, indent: str, item: str = "") -> list[str]:
    folded = textwrap.wrap(text, WIDTH - len(indent) - 2 - len(item), break_long_words=False, break_on_hyphens=False)
    return [f"{indent}# {item if number == 0 else ' ' * len(item)}{line}" for number, line in enumerate(folded)]


def _key(indent: str, name: str, findings: Sequence[Finding]) -> str:
    """Write the name of a variable; as a comment if all that is proposed for it is one."""
    return f"{indent}{'# ' if all(finding.commented for finding in findings) else ''}{name}:"


def _as_comment(lines: Sequence[str], indent: str) -> list[str]:
    return [f"{indent}# {line[len(indent) :]}" for line in lines]


def _mapping(findings: Sequence[Finding], indent: str) -> list[str]:
    lines: list[str] = []
    seen: set[str] = set()
    for finding in findings:
        fresh = {key: value for key, value in finding.value.items() if key not in seen}
        if fresh:
            lines += _comment(_reason(finding), indent)
        for key, value in fresh.items():
            seen.add(key)
            entry = _entry(str(key), value, indent, WIDTH - 2 if finding.commented else WIDTH)
            lines += _as_comment(entry, indent) if finding.commented else entry
    return lines


def _list(findings: Sequence[Finding], indent: str) -> list[str]:
    lines: list[str] = []
    seen: list[Any] = []
    for finding in findings:
        fresh = [value for value in finding.value if value not in seen]
        if fresh:
            lines += _comment(_reason(finding), indent)
        for value in fresh:
            seen.append(value)
            item = _item(value, indent, WIDTH - 2 if finding.commented else WIDTH)
            lines += _as_comment(item, indent) if finding.commented else item
    return lines


def _flow(value: Any) -> str:
    """Write a value in one line, as YAML reads it back."""
    text = yaml.safe_dump(_plain(value), default_flow_style=True, width=10_000, sort_keys=False, allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...")


def _plain(value: Any) -> Any:
    """Return a value without the types that Ansible gives to what it has read."""
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    return str(value) if isinstance(value, str) else value


def _entry(key: str, value: Any, indent: str, width: int = WIDTH) -> list[str]:
    """Write a key with its value, folded if it is wider than `width`, in characters."""
    line = f"{indent}{_flow(key)}: {_flow(value)}"
    if len(line) <= width:
        return [line]
    if isinstance(value, Mapping) and value:
        inner = [part for name, one in value.items() for part in _entry(str(name), one, f"{indent}  ", width)]
        return [f"{indent}{_flow(key)}:", *inner]
    if isinstance(value, list) and value:
        return [f"{indent}{_flow(key)}:", *(part for one in value for part in _item(one, f"{indent}  ", width))]
    if isinstance(value, str) and " " in value and "\n" not in value and "  " not in value:
        folded = textwrap.wrap(value, width - len(indent) - 2, break_long_words=False, break_on_hyphens=False)
        return [f"{indent}{_flow(key)}: >-", *(f"{indent}  {part}" for part in folded)]
    return [line]


def _item(value: Any, indent: str, width: int = WIDTH) -> list[str]:
    line = f"{indent}- {_flow(value)}"
    if len(line) <= width or not isinstance(value, Mapping):
        return [line]
    lines = [part for name, one in value.items() for part in _entry(str(name), one, f"{indent}  ", width)]
    return [f"{indent}- {lines[0].lstrip()}", *lines[1:]]
