"""A view that fails on a live site leaves its traceback in the journal, once, whatever the project's LOGGING says."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from deploys import Play
from testinfra.host import Host

testinfra_hosts = ["ansible://django"]

SILENT = {
    "version": 1,
    "disable_existing_loggers": True,
    "handlers": {"nowhere": {"class": "logging.NullHandler"}},
    "root": {"handlers": ["nowhere"]},
}
OURS = r"Internal Server Error \(500\): GET {} \(request ([0-9a-f]{{32}})\)\nTraceback \(most recent call last\):\n"


@pytest.fixture
def failing(host: Host, live: Callable[[], str]) -> Callable[[str], str]:
    """Ask for an address that fails, and give what the live slot has written to the journal."""

    def ask(path: str) -> str:
        status = "curl --silent --output /dev/null --write-out '%{http_code}' --header 'Host: shop.test'"
        assert host.check_output(f"{status} 'http://127.0.0.1{path}?token=correct-horse'") == "500"
        run = host.check_output(f"systemctl show --property=InvocationID --value shop@{live()}")
        return host.check_output(
            f"journalctl --sync; journalctl --no-pager --output=cat _SYSTEMD_INVOCATION_ID={run.strip()}"
        )

    return ask


@pytest.mark.parametrize("server", ["gunicorn", "uwsgi"])
@pytest.mark.parametrize("logging", [{}, SILENT], ids=["Django's own logging", "disable_existing_loggers"])
def test_a_project_that_logs_nothing(
    host: Host, deploy: Callable[..., Play], failing: Callable[[str], str], server: str, logging: dict[str, Any]
) -> None:
    """Which request it was, as in nginx's log, without what its query may keep secret, and every frame."""
    deploy(site_server=server, site_settings={"LOGGING": logging}).succeeded()
    for path, error in (
        ("/exercise/fail/", "There are no wheels."),
        ("/exercise/fail-later/", "There are no wheels to wait"),
    ):
        journal = failing(path)
        [request] = re.findall(OURS.format(path), journal)
        line = json.loads(host.check_output(f"grep --fixed-strings {request} /var/log/nginx/shop.access.log"))
        assert (line["path"], line["status"], line["release"] != "") == (path, 500, True)
        assert journal.count(f"LookupError: {error}") == 1
        assert "correct-horse" not in journal
    assert journal.count("exercise/views.py") == 2


def test_a_project_that_logs_errors_itself(deploy: Callable[..., Play], failing: Callable[[str], str]) -> None:
    """The example does, to stderr: its own line and traceback are all there is."""
    deploy().succeeded()
    journal = failing("/exercise/fail/")
    assert journal.count("ERROR django.request Internal Server Error: /exercise/fail/\n") == 1
    assert journal.count("Traceback") == journal.count("LookupError: There are no wheels.") == 1
