# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: migrations_report
short_description: Name the migrations that were applied, or count them
version_added: 0.1.0
author:
  - The pitcrew.django maintainers (@pitcrew)
description:
  - Names up to five migrations. The first deploy applies dozens, Django's own among them, which are counted by their
    application instead; the result of M(pitcrew.django.release) has the names of all.
options:
  _input:
    description: The names of the migrations, each with its application.
    type: list
    elements: str
    required: true
seealso:
  - module: pitcrew.django.release
"""

EXAMPLES = r"""
- name: Report the migrations
  pitcrew.django.report:
    text: "Applied {{ ['shop.0001_initial', 'shop.0002_price'] | pitcrew.django.migrations_report }}."
"""

RETURN = r"""
_value:
  description: A part of a sentence.
  type: str
  sample: "34 migrations: admin 3, auth 12, contenttypes 2, sessions 1, shop 16"
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

NAMED = 5


def migrations_report(names: Sequence[str]) -> str:
    if len(names) <= NAMED:
        return ", ".join(names)
    applications = Counter(name.partition(".")[0] for name in names)
    counts = ", ".join(f"{application} {number}" for application, number in sorted(applications.items()))
    return f"{len(names)} migrations: {counts}"


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"migrations_report": migrations_report}
