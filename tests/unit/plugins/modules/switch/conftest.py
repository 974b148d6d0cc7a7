"""What the tests of a switch share."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.pitcrew.django.plugins.module_utils import host as host_module
from ansible_collections.pitcrew.django.plugins.module_utils import releases as releases_module
from ansible_collections.pitcrew.django.plugins.module_utils import slot_processes as processes_module
from ansible_collections.pitcrew.django.plugins.module_utils import timing as timing_module
from ansible_collections.pitcrew.django.plugins.module_utils.hosted_site import HostedSite
from ansible_collections.pitcrew.django.plugins.modules import switch as module
from switch_site import Clock, Host, Site, waiting_room


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Site]:
    """Give a host with the site's directory and nothing in it."""
    root, units = tmp_path / "srv/shop", tmp_path / "system"
    (root / "releases").mkdir(parents=True)
    units.mkdir()
    monkeypatch.setattr(host_module, "UNITS", units)
    # The path of a unix socket is short: shorter than those of pytest may be.
    with tempfile.TemporaryDirectory(dir="/tmp") as run:
        monkeypatch.setattr(host_module, "RUN", Path(run))
        clock = Clock()
        host = Host(HostedSite("shop", str(root)), clock)
        replace_link = module.replace_link

        def noted(link: Path, target: str) -> None:
            if link.name == "live":
                host.note(f"live {Path(target).name}")
            replace_link(link, target)

        monkeypatch.setattr(module, "replace_link", noted)
        monkeypatch.setattr(module, "time", clock)
        monkeypatch.setattr(releases_module, "time", clock)
        monkeypatch.setattr(processes_module, "time", clock)
        monkeypatch.setattr(timing_module, "time", clock)
        # No power is lost here, and a busy disk takes its time.
        monkeypatch.setattr(os, "fsync", lambda _file: None)
        monkeypatch.setattr(module, "Systemd", lambda _run: host)
        hangup = signal.getsignal(signal.SIGHUP)
        yield Site(root, units, waiting_room(root, Path(run)), host, capsys)
        signal.signal(signal.SIGHUP, hangup)
        for server in host.servers.values():
            server.close()
