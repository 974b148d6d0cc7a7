"""The watch of a site's processes: written, started, and removed without a trace."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.pitcrew.django.plugins.module_utils import host as host_module
from ansible_collections.pitcrew.django.plugins.module_utils.hosted_site import HostedSite
from ansible_collections.pitcrew.django.plugins.module_utils.process_watch import ProcessWatch

TEXTS = {
    "timer": "[Timer]\n[Install]\nWantedBy=timers.target\n",
    "service": "[Service]\n",
    "files": {"site_liveness.py": "print()\n", "site_request.py": "import ssl\n"},
}


class Systemd:
    """Note the orders, and do what they do to links."""

    def __init__(self, units: Path) -> None:
        self.units = units
        self.orders: list[str] = []
        self.complaint: str | None = None

    def order(self, *words: str) -> str | None:
        """Do as systemctl does."""
        self.orders.append(" ".join(words))
        link = self.units / "timers.target.wants" / words[-1]
        if words[0] == "enable" and not self.complaint:
            link.parent.mkdir(exist_ok=True)
            link.unlink(missing_ok=True)
            link.symlink_to(self.units / words[-1])
        if words[0] == "disable":
            link.unlink(missing_ok=True)
        return self.complaint if words[0] != "daemon-reload" else None


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Systemd:
    """Give a systemd without units."""
    monkeypatch.setattr(host_module, "UNITS", tmp_path / "system")
    monkeypatch.setattr(host_module, "RUN", tmp_path / "run")
    (tmp_path / "system").mkdir()
    (tmp_path / "shop").mkdir()
    return Systemd(tmp_path / "system")


@pytest.fixture
def watch(systemd: Systemd, tmp_path: Path) -> ProcessWatch:
    """Give the watch of a site that has none yet."""
    return ProcessWatch(HostedSite("shop", str(tmp_path / "shop")), systemd)  # type: ignore[arg-type]


def test_established_once(watch: ProcessWatch, systemd: Systemd, tmp_path: Path) -> None:
    assert not watch.settled(TEXTS)
    watch.establish(TEXTS)
    assert (tmp_path / "system/shop-liveness.timer").read_text() == TEXTS["timer"]
    assert (tmp_path / "system/shop-liveness.service").read_text() == TEXTS["service"]
    assert (tmp_path / "shop/watch/site_request.py").read_text() == "import ssl\n"
    assert systemd.orders == ["daemon-reload", "enable shop-liveness.timer", "restart shop-liveness.timer"]
    assert watch.settled(TEXTS)
    watch.establish(TEXTS)
    assert len(systemd.orders) == 3


@pytest.mark.parametrize(
    "changed", [{"timer": "[Timer]\n"}, {"service": "[Unit]\n"}, {"files": {**TEXTS["files"], "site_request.py": "\n"}}]
)
def test_a_change(watch: ProcessWatch, changed: dict[str, str]) -> None:
    watch.establish(TEXTS)
    texts = {**TEXTS, **changed}
    assert not watch.settled(texts)
    watch.establish(texts)
    assert watch.settled(texts)


def test_removed_without_a_trace(watch: ProcessWatch, systemd: Systemd, tmp_path: Path) -> None:
    watch.establish(TEXTS)
    watch.state.parent.mkdir(parents=True)
    watch.state.write_text('{"failures": 1}\n')
    assert watch.found == {"failures": 1}
    assert not watch.settled(None)
    watch.establish(None)
    assert watch.settled(None)
    assert systemd.orders[-2:] == ["disable --now shop-liveness.timer", "daemon-reload"]
    assert [path.name for path in tmp_path.rglob("*") if "liveness" in path.name or path.name == "watch"] == []


def test_a_timer_that_does_not_start(watch: ProcessWatch, systemd: Systemd) -> None:
    systemd.complaint = "Unit is masked."
    with pytest.raises(OSError, match=r"^the live slot would not be watched: Unit is masked\.$"):
        watch.establish(TEXTS)
    assert not watch.settled(TEXTS)


@pytest.mark.parametrize("text", ["", "{", "[]", "7"])
def test_a_state_that_is_cut_off(watch: ProcessWatch, text: str) -> None:
    watch.state.parent.mkdir(parents=True)
    watch.state.write_text(text)
    assert watch.found == {}
