# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that a source tells about its site, in order: first by reading, then with what Django itself says."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from .building import build_findings
from .commands import command_findings
from .environment import Site, Trial, optional_findings, propose_environment
from .findings import CERTAIN, GUESS, NOTE, QUESTION, Finding, Place
from .interface import interface_findings
from .lists import Lists, find_lists, list_findings, python_requirement, system_packages
from .modules import Choice, choose_project, choose_settings, import_roots
from .processes import process_findings
from .roots import module_roots
from .routes import health_findings
from .settings import LOCAL_HOSTS, Settings, judge_settings
from .tree import Tree
from .values import ClassValue, Scope, known

__all__ = ["Inspection", "inspect_source", "site_name"]

TAKEN: Final = ("default", "pitcrew", "root", "www-data", "site", "app", "src", "django", "web", "backend", "project")
"""Names that hosts already use, or that say nothing about a site."""

FOREIGN_HOSTS: Final = (
    r"\.(local|localhost|test|lan|internal|example)$|example\.|(^|\.)(railway|onrender|herokuapp|fly|pythonanywhere|"
    r"vercel|ngrok(-free)?)\."
)
"""Hosts that are not the site's on a server of one's own."""


@dataclass(frozen=True)
class Inspection:
    """What was found, and what is needed to load the settings for real."""

    findings: tuple[Finding, ...]
    site: Site
    project: str = ""
    module: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    configuration: str = ""
    lists: Lists | None = None
    roots: tuple[str, ...] = ()
    python: str = ""
    python_place: Place | None = None
    python_certainty: str = CERTAIN
    settings: Settings | None = None
    usual_findings: tuple[Finding, ...] = ()
    read_values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def proposed(self) -> list[Finding]:
        """The findings that propose a value, some of them as a comment."""
        return [one for one in self.findings if one.variable and one.value not in (None, "") and one.certainty != NOTE]

    @property
    def questions(self) -> list[Finding]:
        """What could not be found out."""
        return [one for one in self.findings if one.certainty == QUESTION and one.value in (None, "")]

    def of(self, certainty: str) -> list[Finding]:
        """Return the findings of one kind."""
        return [one for one in self.findings if one.certainty == certainty]

    @property
    def notes(self) -> list[Finding]:
        """What a deploy would warn of."""
        return [one for one in self.findings if one.certainty == NOTE]

    def reading(self, values: Mapping[str, Any]) -> Inspection:
        """Return the same with other values of settings, as Django has them."""
        if self.settings is None:
            return self
        scope = self.settings.scope.copy()
        scope.values |= values
        scope.conditional -= set(values)
        settings = replace(self.settings, scope=scope)
        return replace(self, findings=(*self.usual_findings, *_of_settings(settings)), settings=settings)


def site_name(label: str) -> str:
    """Make a name for the site of that of its repository or directory."""
    base = re.sub(r"\.git$", "", label.rstrip("/")).replace("\\", "/").rpartition("/")[2].rpartition(":")[2]
    name = re.sub(r"[^a-z0-9]+", "-", base.lower()).strip("-")
    name = re.sub(r"^[^a-z]+", "", re.sub(r"-(com|org|net|io|app|dev)$", "", name))[:24].rstrip("-")
    return name if name and name not in TAKEN else f"{name}site"[:24] if name else "mysite"


def inspect_source(tree: Tree, label: str, given: Mapping[str, Any] | None = None) -> Inspection:
    """Read a source; `given` are the variables that the user has set, which count as they are."""
    known_values = dict(given or {})
    name = str(known_values.get("site_name") or site_name(label))
    domains = known_values.get("site_domains") or []
    site = Site(name, str(domains[0]) if domains else f"{name}.example.com")
    project = _project(tree, known_values)
    first: list[Finding] = []
    if project is None:
        return _without_project(tree, site, first)
    if project.value != "":
        first.append(project.finding("site_project_directory"))
    elif project.certainty != CERTAIN:
        first.append(Finding("", None, project.reason, project.place, QUESTION))
    roots = import_roots(tree, project.value)
    lists = find_lists(tree, project.value, _as_list(known_values.get("site_requirements")))
    settings_choice, roots = _settings_module(tree, project.value, roots, known_values)
    first += [*list_findings(tree, project.value, lists), *system_packages(lists)]
    if settings_choice is None:
        question = "no module of the source sets INSTALLED_APPS or ROOT_URLCONF: which one has the settings?"
        first.append(Finding("site_settings_module", "", question, None, QUESTION))
        found = (*first, *process_findings(tree, project.value, Scope(""), lists))
        return Inspection(found, site, project.value, lists=lists, roots=tuple(roots))
    first.append(settings_choice.finding("site_settings_module"))
    configuration = _configuration(tree, roots, settings_choice.value)
    trial = Trial(tree, roots, settings_choice.value, configuration)
    site, hosts = _with_domain(site, trial, domains)
    if hosts:
        first.append(Finding("site_domains", hosts, "the source names them in ALLOWED_HOSTS", None, GUESS))
    proposed = propose_environment(trial, site, lists, _texts(known_values))
    if configuration:
        reason = "the settings are classes (django-configurations), and this one is for production"
        proposed.add("DJANGO_CONFIGURATION", configuration, reason, settings_choice.place, GUESS)
    evaluation, scope = trial.run(proposed.values)
    settings = Settings(tree, project.value, settings_choice.value, site, evaluation, scope, proposed, lists)
    first += interface_findings(tree, project.value, roots, settings_choice.value, scope, known_values)
    first += proposed.findings
    first += optional_findings(proposed)
    required = python_requirement(tree, project.value)
    return Inspection(
        findings=(*first, *_of_settings(settings)),
        site=site,
        project=project.value,
        module=settings_choice.value,
        environment={**proposed.values, **_masked(known_values.get("site_secrets"))},
        configuration=configuration,
        lists=lists,
        roots=tuple(roots),
        python=required[0] if required else "",
        python_place=required[1] if required else None,
        python_certainty=required[2] if required else CERTAIN,
        settings=settings,
        usual_findings=tuple(first),
        read_values=scope.values,
    )


def _as_list(value: Any) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else [str(value)] if value else []


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    """Return the environment that the user has set."""
    found: dict[str, str] = {}
    for name in ("site_environment", "site_secrets"):
        given = values.get(name)
        found |= {str(key): str(value) for key, value in given.items()} if isinstance(given, Mapping) else {}
    return found


def _masked(secrets: Any) -> dict[str, str]:
    """Return values as long as the user's secrets, which no code of a project gets to see; URLs without the login."""
    given = secrets if isinstance(secrets, Mapping) else {}
    return {
        str(name): re.sub(r"//[^/]*@", "//", str(value)) if "://" in str(value) else "x" * max(50, len(str(value)))
        for name, value in given.items()
    }


def _project(tree: Tree, given: Mapping[str, Any]) -> Choice | None:
    if directory := given.get("site_project_directory"):
        return Choice(str(directory), "set in the inventory", None, CERTAIN)
    return choose_project(tree)


def _without_project(tree: Tree, site: Site, first: list[Finding]) -> Inspection:
    lists = find_lists(tree, "")
    what = "the source has no manage.py: is it a Django project? An application that is installed from a package needs "
    first.append(Finding("site_package", "", f"{what}site_package instead of a source", None, QUESTION))
    return Inspection((*first, *list_findings(tree, "", lists)), site, lists=lists)


def _settings_module(
    tree: Tree, project: str, roots: list[str], given: Mapping[str, Any]
) -> tuple[Choice | None, list[str]]:
    """Choose the settings module; what manage.py alone does not import comes last, as a deploy finds that, too."""
    more = [*roots, *(root for root in module_roots(tree, project) if root not in roots)]
    if module := given.get("site_settings_module"):
        return Choice(str(module), "set in the inventory", None, CERTAIN), more
    choice = choose_settings(tree, project, roots)
    return (choice, roots) if choice is not None else (choose_settings(tree, project, more), more)


def _configuration(tree: Tree, roots: Sequence[str], module: str) -> str:
    """Return the class of django-configurations that is for production; empty if there are no such classes."""
    _evaluation, scope = Trial(tree, list(roots), module).run({})
    classes = {
        name: value
        for name, value in scope.values.items()
        if isinstance(value, ClassValue) and any(base.startswith("configurations.") for base in value.bases)
    }
    if not classes:
        return ""
    production = [name for name in classes if re.search(r"prod|live|deploy|heroku", name, re.IGNORECASE)]
    others = [name for name in classes if not re.search(r"dev|test|local|base|common|mixin", name, re.IGNORECASE)]
    return (production or others or list(classes))[-1]


def _with_domain(site: Site, trial: Trial, domains: Sequence[str]) -> tuple[Site, list[str]]:
    """Take the domains from ALLOWED_HOSTS, where the source names some that visitors can reach."""
    hosts = trial.run({})[1].get("ALLOWED_HOSTS")
    if domains or not isinstance(hosts, list):
        return site, []
    found = []
    for host in hosts:
        name = str(host).lstrip(".") if known(host) else ""
        if name in LOCAL_HOSTS or not re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)*\.[a-z]{2,}", name):
            continue
        if not re.search(FOREIGN_HOSTS, name):
            found.append(name)
    return (replace(site, domain=found[0]), found) if found else (site, [])


def _of_settings(settings: Settings) -> Iterator[Finding]:
    yield from build_findings(settings.tree, settings.project, settings.scope)
    yield from command_findings(settings.tree, settings.scope)
    yield from judge_settings(settings)
    yield from health_findings(settings)
    reads = settings.evaluation.reads
    yield from process_findings(settings.tree, settings.project, settings.scope, settings.lists, reads)
