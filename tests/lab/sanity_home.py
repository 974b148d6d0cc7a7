"""Create a home directory in which ansible-test can set up its virtual environments: sanity_home.py DIRECTORY.

ansible-test downloads get-pip from a server of its own, which some networks block. If its cache has a script of that
name, it uses that instead: the one written here uses the pip that comes with Python, so that a package index is all
that is needed. ansible-test passes on HOME but none of pip's variables, so pip's settings go into a file there.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import ansible_test

GET_PIP = """\
import subprocess
import sys

wanted = [word for word in sys.argv[1:] if word not in ("--no-setuptools", "--no-wheel")]
subprocess.check_call([sys.executable, "-m", "ensurepip"])
subprocess.check_call([sys.executable, "-m", "pip", "install", "--upgrade", *wanted])
"""


def pip_versions() -> list[str]:
    """Return the versions of pip that this ansible-test asks for; the script's name contains one."""
    source = Path(ansible_test.__file__).parent / "_internal" / "python_requirements.py"
    return re.findall(r"pip='([0-9.]+)'", source.read_text())


def pip_settings() -> dict[str, str]:
    """Return pip's global settings; the environment takes precedence over files."""
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], check=True, capture_output=True, text=True
    ).stdout
    settings = {}
    for level in ("global", ":env:"):
        for name, value in re.findall(rf"^{level}\.([\w-]+)=(.*)$", listed, re.MULTILINE):
            settings[name] = " ".join(ast.literal_eval(value).split())
    return settings


def main() -> None:
    """Write the scripts and pip's settings."""
    home = Path(sys.argv[1])
    cache = home / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    for version in pip_versions():
        (cache / f"get_pip_{version.replace('.', '_')}.py").write_text(GET_PIP)

    config = home / ".pip" / "pip.conf"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.touch(mode=0o600)
    config.write_text("[global]\n" + "".join(f"{name} = {value}\n" for name, value in pip_settings().items()))


if __name__ == "__main__":
    main()
