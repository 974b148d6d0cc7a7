# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of variables: which are ours, which are misspelt, and which the collection computes and nobody can set."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final

from .complaints import Complaint, listed
from .specification import Roles

__all__ = [
    "COMPUTED",
    "PREFIXES",
    "SYNONYMS",
    "check_names",
    "distance",
    "is_computed",
    "nearest",
    "suggestions",
    "unknown_names",
]

PREFIXES: Final = ("site_", "gunicorn_", "uwsgi_", "nginx_", "release_", "monitoring_")
"""Variables that begin with one of these belong to this collection."""

COMPUTED: Final[Mapping[str, tuple[str, str]]] = {
    "site_user": ("the site's user has the site's name", "set site_name"),
    "site_root": ("a site is in /srv, in a directory with its name", "set site_name"),
    "site_state": ("a site writes to /var/lib, to a directory with its name", "set site_name"),
    "site_application": ("it follows from the settings module", "set site_wsgi_application or site_asgi_application"),
    "site_counts_requests": ("it follows from site_metrics", "set site_metrics"),
    "site_hostnames": ("it follows from the domains", "set site_domains"),
    "site_visitor_scheme": ("it follows from the certificate", "set site_scheme"),
    "site_candidate": ("it follows from the source", "to run a release that is kept, set site_release"),
    "site_process_environment": ("it combines several variables", "set site_environment"),
    "site_services_environment": ("it follows from site_services", "set site_environment"),
    "site_process_secrets": ("it combines several variables", "set site_secrets"),
    "site_given_secrets": ("it combines several variables", "set site_secrets"),
    "site_places": ("they follow from the release", "leave it out"),
    "gunicorn_requirement": ("it follows from the version", "set gunicorn_version"),
    "gunicorn_backlog": ("it follows from the plan", "set backlog in gunicorn_settings"),
    "gunicorn_processes": ("it follows from the plan", "set site_workers"),
    "uwsgi_requirement": ("it follows from the version", "set uwsgi_version"),
    "uwsgi_backlog": ("it follows from the plan", "set listen in uwsgi_settings"),
    "uwsgi_processes": ("it follows from the plan", "set site_workers"),
    "site_plan": ("it is the plan", "set site_workers, site_threads or site_plan_inputs"),
    "site_status": ("it is the result of inspecting the site", "leave it out"),
    "site_reported": ("it is what was found on a host for the report", "leave it out"),
    "site_switch_is_last": ("it belongs to the playbooks", "leave it out"),
    "gunicorn_files": ("they follow from the plan", "set gunicorn_settings"),
    "uwsgi_files": ("they follow from the plan", "set uwsgi_settings"),
    "release_source": ("it is the source once it is packed", "set site_git_url or site_source_directory"),
    "release_finished": ("it is the result of a build", "leave it out"),
    "release_id": ("a release is named after its source", "to run one that is kept, set site_release"),
}
"""Why a computed variable cannot be set, and what can be set instead. Those that tasks set are all here."""

SYNONYMS: Final[Mapping[str, str]] = {
    "site_repo": "site_git_url",
    "site_git_repo": "site_git_url",
    "site_git_repository": "site_git_url",
    "site_git_branch": "site_git_ref",
    "site_git_tag": "site_git_ref",
    "site_git_version": "site_git_ref",
    "site_wsgi": "site_wsgi_application",
    "site_wsgi_module": "site_wsgi_application",
    "site_asgi": "site_interface",
    "site_asgi_module": "site_asgi_application",
    "site_worker_count": "site_workers",
    "site_workers_count": "site_workers",
    "site_ssl_certificate": "site_tls_certificate",
    "site_ssl_key": "site_tls_key",
    "site_allowed_hosts": "site_domains",
    "site_service": "site_services",
    "site_cron": "site_schedules",
    "site_cronjobs": "site_schedules",
    "site_timers": "site_schedules",
}
"""Other names that the field has for some of the variables; none that a user would have for something else."""

SHORT: Final = 5
"""In a name with at most this many letters after its prefix, only one may differ: short names are similar by chance."""


def distance(one: str, other: str) -> int:
    """Count the letters to change, insert, remove or swap with their neighbour to get from one word to the other."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        earlier, before, row = before, row, [i]
        for j, counterpart in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != counterpart))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == counterpart:
                cost = min(cost, earlier[j - 2] + 1)
            row.append(cost)
    return row[-1]


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Give the known name that differs from this one by a letter or two, if there is one."""
    prefix = next((prefix for prefix in PREFIXES if name.startswith(prefix)), "")
    found = min(((distance(name, other), other) for other in known if other.startswith(prefix)), default=None)
    if found is None:
        return None
    return found[1] if found[0] <= _tolerance(name[len(prefix) :], found[1][len(prefix) :]) else None


def suggestions(name: str, known: Iterable[str]) -> list[str]:
    """Give the known name that was meant, or up to three if that is open; none for a name that resembles none.

    It is open where only the last word differs, by too much for a slip: site_git_key is neither site_git_ref nor
    site_git_url, and both are worth naming.
    """
    if name in SYNONYMS:
        return [SYNONYMS[name]]
    names = list(known)
    near = nearest(name, names)
    if near is None:
        return []
    (stem, last), (same, other) = name.rpartition("_")[::2], near.rpartition("_")[::2]
    if stem != same or distance(last, other) <= _tolerance(last, other):
        return [near]
    siblings = [sibling for sibling in names if sibling.rpartition("_")[0] == stem]
    return sorted(siblings, key=lambda sibling: (distance(name, sibling), sibling))[:3]


def _tolerance(one: str, other: str) -> int:
    return 1 if min(len(one), len(other)) <= SHORT else 2


def check_names(names: Iterable[str], roles: Roles, own: Collection[str]) -> Iterator[Complaint]:
    """Refuse variables that would have no effect: misspelt ones, and those that are computed."""
    for name in sorted(names):
        if is_computed(name, roles):
            reason, cure = COMPUTED.get(name, ("it follows from other variables", "leave it out"))
            listed_in_vain = (
                "; site_custom_variables cannot free a name that the collection uses" if name in own else ""
            )
            yield Complaint(
                name,
                f"cannot be set: {reason}",
                f"{cure}, or rename it if it is a variable of your own{listed_in_vain}",
            )
        elif _is_unknown(name, roles, own) and (meant := suggestions(name, roles.options)):
            yield Complaint(
                name,
                "there is no such variable",
                f"did you mean {_either(meant)}? If it is a variable of your own, list it in site_custom_variables",
            )


def _either(names: list[str]) -> str:
    return " or ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def unknown_names(names: Iterable[str], roles: Roles, own: Collection[str]) -> str:
    """Return a warning about unknown variables that begin with site_; empty if there are none."""
    unknown = [
        name
        for name in sorted(names)
        if name.startswith("site_") and _is_unknown(name, roles, own) and not suggestions(name, roles.options)
    ]
    if not unknown:
        return ""
    these, are = ("this", "is") if len(unknown) == 1 else ("these", "are")
    return (
        f"{listed(unknown)}: pitcrew.django has no such variable{'s' if len(unknown) > 1 else ''}. "
        f"If {these} {are} your own, list {'it' if len(unknown) == 1 else 'them'} in site_custom_variables."
    )


def _is_unknown(name: str, roles: Roles, own: Collection[str]) -> bool:
    is_known = name in roles.options or is_computed(name, roles) or name in own
    return name.startswith(PREFIXES) and not is_known


def is_computed(name: str, roles: Roles) -> bool:
    """Whether a role of the collection, or one of its playbooks, gives the variable its value."""
    return name in roles.computed or name in COMPUTED
