#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: exporter_access
short_description: Give a host the certificate and the password that its exporters are read with
version_added: 0.1.0
description:
  - Creates a key and a certificate for one address, signed by itself. It is valid for ten years, and renewed a year
    before its end, or if the address changes. It cannot sign others, so that trust in it is trust in this address.
  - Writes the user and the hash of the password (SHA-512) in the format of nginx.
author:
  - The pitcrew.django maintainers (@pitcrew)
attributes:
  check_mode:
    description: Changes nothing. Without a certificate on the host, it returns an empty one.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
options:
  directory:
    description: Where C(certificate.pem), C(key.pem) and C(users) are.
    type: path
    required: true
  address:
    description: The host name or IP address that the certificate is for.
    type: str
    required: true
  user:
    description: The user that nginx asks for.
    type: str
    required: true
  password:
    description: The user's password.
    type: str
    required: true
  group:
    description: The group that may read the hash of the password, which is that of nginx's workers.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Create what the exporters are read with
  pitcrew.django.exporter_access:
    directory: /etc/nginx/pitcrew
    address: 10.0.0.11
    user: prometheus
    password: "{{ monitoring_password }}"
    group: www-data
  register: access
"""

RETURN = r"""
certificate:
  description: The certificate, which whoever reads the exporters has to trust.
  returned: success
  type: str
"""

import grp
import hmac
import ipaddress
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pitcrew.django.plugins.module_utils.files import read_text, write_file

DAYS = 3650
RENEWED_BEFORE_S = 365 * 86400
REQUEST = """
[req]
prompt = no
distinguished_name = subject
x509_extensions = extensions
[subject]
commonName = pitcrew exporters
[extensions]
subjectAltName = {name}
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
"""

Run = Callable[..., "tuple[int, str, str]"]


class AccessError(Exception):
    """openssl did not do what it was told; the message has its words."""


def openssl(run: Run, *words: str, **how: Any) -> str:
    """Run openssl, and return what it prints."""
    rc, out, err = run(["openssl", *words], **how)
    if rc != 0:
        raise AccessError(f"openssl {words[0]}: {(err or out).strip()}")
    return out.strip()


def alternative_name(address: str) -> str:
    """The address as a certificate has it."""
    try:
        return f"IP:{ipaddress.ip_address(address)}"
    except ValueError:
        return f"DNS:{address.lower()}"


def is_valid(certificate: Path, address: str, run: Run) -> bool:
    """Whether the certificate is there, is for the address, and does not end soon."""
    if not certificate.is_file():
        return False
    rc, _out, _err = run(["openssl", "x509", "-noout", "-checkend", str(RENEWED_BEFORE_S), "-in", str(certificate)])
    kind = "-checkip" if alternative_name(address).startswith("IP:") else "-checkhost"
    _rc, out, _err = run(["openssl", "x509", "-noout", kind, address, "-in", str(certificate)])
    return rc == 0 and "does match" in out


def create(certificate: Path, key: Path, address: str, run: Run) -> None:
    """Create a key and a certificate, and put both in their places once they are complete."""
    with tempfile.TemporaryDirectory() as directory:
        request, new_key, new = (Path(directory) / name for name in ("request.cnf", "key.pem", "certificate.pem"))
        # The distribution's own configuration would make it an authority.
        request.write_text(REQUEST.format(name=alternative_name(address)))
        # fmt: off
        openssl(
            run, "req", "-x509", "-config", str(request), "-days", str(DAYS), "-newkey", "ec", "-noenc",
            "-pkeyopt", "ec_paramgen_curve:prime256v1", "-keyout", str(new_key), "-out", str(new),
        )
        # fmt: on
        write_file(key, new_key.read_text(), 0o600)
        write_file(certificate, new.read_text(), 0o644)


def hashed(password: str, run: Run, salt: str | None = None) -> str:
    """Hash a password as crypt(3) does, with a new salt unless one is given. It is never among the arguments."""
    salted = ("-salt", salt) if salt else ()
    return openssl(run, "passwd", "-6", *salted, "-stdin", data=password)


def knows(users: Path, user: str, password: str, run: Run) -> bool:
    """Whether the file has this user with this password, and nobody else."""
    found = re.fullmatch(rf"{re.escape(user)}:(\$6\$([^$:\n]+)\$[^:\n]+)\n", read_text(users) or "")
    return found is not None and hmac.compare_digest(hashed(password, run, found[2]), found[1])


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "directory": {"type": "path", "required": True},
            "address": {"type": "str", "required": True},
            "user": {"type": "str", "required": True},
            "password": {"type": "str", "required": True, "no_log": True},
            "group": {"type": "str", "required": True},
        },
        supports_check_mode=True,
    )
    params, run = module.params, module.run_command
    directory = Path(params["directory"])
    certificate, users = directory / "certificate.pem", directory / "users"
    changed = False
    try:
        if not (directory / "key.pem").is_file() or not is_valid(certificate, params["address"], run):
            changed = True
            if not module.check_mode:
                directory.mkdir(mode=0o755, parents=True, exist_ok=True)
                create(certificate, directory / "key.pem", params["address"], run)
        if not knows(users, params["user"], params["password"], run):
            changed = True
            if not module.check_mode:
                owner = (0, grp.getgrnam(params["group"]).gr_gid)
                write_file(users, f"{params['user']}:{hashed(params['password'], run)}\n", 0o640, owner)
    except (AccessError, OSError, KeyError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=changed, certificate=read_text(certificate) or "")


if __name__ == "__main__":
    main()
