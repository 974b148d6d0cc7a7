# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The services that a site has on its own host: what is there, as the fact C(pitcrew_services), and how each one is."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Collection, Mapping
from typing import Any

from ansible_collections.pitcrew.django.plugins.module_utils.postgresql import Postgresql, PostgresqlError
from ansible_collections.pitcrew.django.plugins.module_utils.redis_instances import Redis, RedisError, instances
from ansible_collections.pitcrew.django.plugins.module_utils.systemd import Systemd

__all__ = ["SERVICES", "command", "examine", "read_services"]

SERVICES = ("postgresql", "redis")
PATIENCE_S = 60


def command(words: list[str], text: str = "") -> tuple[int, str, str]:
    """Run a command with a text on its standard input; return its status, what it printed and its errors."""
    # From a directory that every user may enter, and with messages in English.
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    try:
        done = subprocess.run(
            words,
            input=text,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            cwd="/",
            env=environment,
            check=False,
            timeout=PATIENCE_S,
        )
    except FileNotFoundError:
        return 127, "", f"{words[0]} is not installed"
    except subprocess.TimeoutExpired:
        return 124, "", f"no answer within {PATIENCE_S} s"
    return done.returncode, done.stdout, done.stderr


def read_services(name: str, services: Collection[str], packages: Collection[str]) -> dict[str, Any]:
    """Return what the host has of the services that a site asks for; PostgreSQL is None if it is not installed."""
    found: dict[str, Any] = {}
    if "postgresql" in services:
        found["postgresql"] = Postgresql(command).read(name, packages)
    if "redis" in services:
        systemd = Systemd(command)
        found["redis"] = {"installed": "redis-server" in packages, **Redis(command, systemd).read(name)}
    return found


def examine(name: str, found: Mapping[str, Any]) -> tuple[list[dict[str, str]], list[str]]:
    """Return how each of these services is, as C(service), C(state) and C(use), and what is wrong, in sentences."""
    rows: list[dict[str, str]] = []
    complaints: list[str] = []
    if "postgresql" in found:
        _examine_postgresql(name, found["postgresql"], rows, complaints)
    if "redis" in found:
        _examine_redis(name, found["redis"], rows, complaints)
    return rows, complaints


def _examine_postgresql(
    name: str, found: Mapping[str, Any] | None, rows: list[dict[str, str]], complaints: list[str]
) -> None:
    label = f"PostgreSQL {found['version']}" if found and "version" in found else "PostgreSQL"
    if found is None:
        rows.append({"service": label, "state": "absent", "use": ""})
        complaints.append("PostgreSQL is not on this host, but in site_services: deploy")
    elif "problem" in found:
        rows.append({"service": label, "state": "unusable", "use": ""})
        complaints.append(f"{found['problem'][0].upper()}{found['problem'][1:]}: {found['cure']}")
    elif found["database"] is None:
        rows.append({"service": label, "state": "running", "use": "no database"})
        complaints.append(f"PostgreSQL has no database {name}: deploy, or restore a backup")
    else:
        try:
            use = Postgresql(command).use(name, found)
        except PostgresqlError as error:
            complaints.append(f"PostgreSQL does not tell how large the site's database is: {error}")
            use = {"size_mb": "?", "connections": "?"}
        told = f"{use['size_mb']:.0f} MB" if use["size_mb"] != "?" else "?"
        rows.append(
            {"service": label, "state": "running", "use": f"database {name}: {told}, {use['connections']} connections"}
        )


def _examine_redis(name: str, found: Mapping[str, Any], rows: list[dict[str, str]], complaints: list[str]) -> None:
    systemd = Systemd(command)
    redis = Redis(command, systemd)
    for one in instances(name):
        label = "Redis, cache" if one.suffix else "Redis"
        if not found["installed"]:
            rows.append({"service": label, "state": "absent", "use": ""})
            continue
        state, use = systemd.show(one.unit).active, ""
        if state == "active":
            state = "running"
            try:
                sizes = redis.use(one)
                use = f"{sizes['used_mb']:.1f} of {sizes['most_mb']:.0f} MB"
            except RedisError as error:
                complaints.append(str(error))
        else:
            complaints.append(f"{one.unit} is not running ({state}): systemctl start {one.unit}, or deploy")
        rows.append({"service": label, "state": state, "use": use})
    if not found["installed"]:
        complaints.append("Redis is not on this host, but in site_services: deploy")
