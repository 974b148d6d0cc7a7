# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start Django as C(python manage.py) does: by the project's own script, up to the point where it hands over to Django.

A script may add directories to sys.path, read a file of variables, set defaults or replace modules before it does that,
and libraries compare C(__main__.__file__) with files. What the script asks Django for is never done: our own work is.
"""

from __future__ import annotations

import builtins
import importlib.util
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.abc import MetaPathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

from ansible_collections.pitcrew.django.plugins.module_utils.exceptions import in_words

__all__ = ["Additions", "ManageScript"]

MANAGEMENT = "django.core.management"


@dataclass(frozen=True)
class Additions:
    """What the script has added for its own process: directories of sys.path, and variables by name."""

    path: tuple[str, ...] = ()
    variables: dict[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.path or self.variables)


class _Interception(MetaPathFinder):
    """Finds Django's management when it is imported for the first time, and changes what it starts."""

    def __init__(self, change: Callable[[ModuleType], None]) -> None:
        self.change = change

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> Any:
        if name != MANAGEMENT:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is None or spec.loader is None:
            return spec
        load = spec.loader.exec_module

        def load_and_change(module: ModuleType) -> None:
            load(module)
            self.change(module)

        spec.loader.exec_module = load_and_change  # type: ignore[method-assign]
        return spec


class ManageScript:
    """The script that starts the Django of a project: its manage.py, or for one without it C(python -m django).

    The process then looks as if it had been started by it: `__main__`, sys.argv and sys.path[0].
    """

    def __init__(self, project: Path) -> None:
        self.project = project
        sys.path[0] = str(project)
        self.path_before = list(sys.path)
        self.environment_before = dict(os.environ)
        own = project / "manage.py"
        self.path: Path | None = own if own.is_file() else self._of_django()
        self.name = "manage.py" if own.is_file() else "python -m django"
        self.reached = False
        self.added = Additions()
        self.enter("check", "--deploy")

    @staticmethod
    def _of_django() -> Path | None:
        try:
            spec = importlib.util.find_spec("django.__main__")
        except Exception:  # Whatever is wrong with Django, the work will tell.
            return None
        return Path(spec.origin) if spec and spec.origin else None

    def enter(self, *words: str) -> None:
        """Set the arguments of the process to those of a command."""
        sys.argv = [str(self.path or self.project / "manage.py"), *words]

    def run(self, work: Callable[[], None]) -> str:
        """Run the script, and the work once it starts Django; C(work) raises nothing.

        Return why the script did not get there, and an empty text if it did. What it does afterwards is its own affair.
        """
        if self.path is None:
            return ""
        hook = _Interception(lambda module: self._have_it_do(module, work))
        sys.meta_path.insert(0, hook)
        try:
            code = compile(self.path.read_bytes(), str(self.path), "exec", dont_inherit=True)
            main = ModuleType("__main__")
            vars(main).update(__file__=str(self.path), __builtins__=builtins)
            if self.path.name == "__main__.py":
                main.__package__ = "django"
            sys.modules["__main__"] = main
            exec(code, vars(main))
        except BaseException as error:  # SystemExit too: a script may end the process
            if not self.reached:
                where = f" (line {line})" if (line := self._line(error)) else ""
                return f"it ended with {in_words(error)}{where}"
        finally:
            if hook in sys.meta_path:
                sys.meta_path.remove(hook)
        return "" if self.reached else "it does not use django.core.management"

    def _have_it_do(self, module: ModuleType, work: Callable[[], None]) -> None:
        utility = getattr(module, "ManagementUtility", None)
        if utility is None:
            return
        commands = utility.execute

        def execute(_utility: Any) -> None:
            utility.execute = commands
            self.reached = True
            work()

        utility.execute = execute

    def _line(self, error: BaseException) -> int | None:
        if isinstance(error, SyntaxError) and error.filename == str(self.path):
            return error.lineno
        found, trace = None, error.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == str(self.path):
                found = trace.tb_lineno
            trace = trace.tb_next
        return found

    def settle(self) -> str:
        """Return to the project's directory and to the site's settings module; return the module it had chosen itself.

        The result is empty if it left the choice to the environment. What else it has added is noted now: Django will
        set variables as well.
        """
        variables = {
            name: value
            for name, value in os.environ.items()
            if name != "DJANGO_SETTINGS_MODULE" and self.environment_before.get(name) != value
        }
        self.added = Additions(tuple(entry for entry in sys.path if entry not in self.path_before), variables)
        os.chdir(self.project)
        wanted, chosen = self.environment_before.get("DJANGO_SETTINGS_MODULE"), os.environ.get("DJANGO_SETTINGS_MODULE")
        if wanted is None or chosen == wanted:
            return ""
        os.environ["DJANGO_SETTINGS_MODULE"] = wanted
        return chosen if chosen and chosen != os.environ.get("SITE_SETTINGS_MODULE") else ""
