# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether an error says that a table or a column does not exist, as before the first migration."""

from __future__ import annotations

import re

__all__ = ["lacks_tables"]

# PostgreSQL; SQLite; MySQL and MariaDB; Oracle.
MISSING = re.compile(
    r"(?:relation|column|table) \S+ (?:of relation \S+ )?does not exist|no such (?:table|column):|"
    r"Table '\S+' doesn't exist|Unknown column '\S+' in|ORA-00942|ORA-00904"
)


def lacks_tables(error: BaseException | None) -> bool:
    """Whether it, or what it was raised from, is an error of the database about a table or a column that is missing."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        names = {kind.__name__ for kind in type(error).__mro__}
        if names & {"ProgrammingError", "OperationalError"} and MISSING.search(str(error)):
            return True
        error = error.__cause__ or error.__context__
    return False
