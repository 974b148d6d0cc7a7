"""A site changes its application server and returns, under load: to its visitors a switch like any other."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from deploys import Play
from load import Load
from testinfra.host import Host

testinfra_hosts = ["ansible://django"]

# What belongs to one server only, in the directory of a slot.
FILES = {
    "gunicorn": {"gunicorn.conf.py", "http.sock", "site_hang.py"},
    "uwsgi": {"application.py", "uwsgi.ini", "uwsgi.sock"},
}
COMMON = {
    "deployed",
    "environment",
    "public",
    "release",
    "secrets",
    "site_application.py",
    "site_errors.py",
    "site_metrics.py",
    "site_wsgi.json",
    "site_wsgi.py",
}


def server(host: Host, slot: str) -> str:
    """Name the server by what the main process of a slot runs; there is no other process of the site."""
    (main,) = [process for process in host.process.filter(user="shop") if process.ppid == 1]
    assert host.check_output("systemctl show --property=MainPID --value shop@%s", slot) == str(main.pid)
    return "uwsgi" if "uwsgi" in main.args else "gunicorn"


def assert_nothing_of_another_server(host: Host, slot: str, name: str) -> None:
    """Judge the live slot: its files, its unit, its sockets, and that there is no second one."""
    assert server(host, slot) == name
    assert set(host.file("/srv/shop/live").listdir()) == COMMON | FILES[name]
    unit = host.file(f"/etc/systemd/system/shop@{slot}.service").content_string
    assert f"Django under {name}\n" in unit
    assert ("gunicorn" in unit) is (name == "gunicorn")
    assert [path for path in host.file("/run").listdir() if path.startswith("shop-")] == [f"shop-{slot}"]
    sockets = {"gunicorn": {"app.sock", "gunicorn.ctl", "metrics"}, "uwsgi": {"app.sock", "metrics", "stats.sock"}}
    assert set(host.file(f"/run/shop-{slot}").listdir()) == sockets[name]
    configuration = host.file("/etc/nginx/conf.d/shop.conf").content_string
    first = {"gunicorn": "proxy_pass http://shop;", "uwsgi": "uwsgi_pass shop;"}
    assert first[name] in configuration


def test_there_and_back_under_load(
    deploy: Callable[..., Play],
    playbook: Callable[..., Play],
    address: str,
    host: Host,
    live: Callable[[], str],
) -> None:
    """From gunicorn to uWSGI and back, and then by rollback to the release that was built for uWSGI."""
    steps = [
        ("uwsgi", lambda: deploy(site_server="uwsgi")),
        ("gunicorn", lambda: deploy(site_server="gunicorn")),
        ("uwsgi", lambda: playbook("rollback", site_release=built["uwsgi"])),
        ("gunicorn", lambda: playbook("rollback", site_release=built["gunicorn"], site_server="uwsgi")),
    ]
    built = {}
    changes = []
    with Load(f"http://{address}", host="shop.test", rate=50, seconds=400) as load:
        for name, change in steps:
            slot = live()
            changes.append(load.now())
            change().succeeded()
            assert live() != slot
            assert_nothing_of_another_server(host, live(), name)
            built.setdefault(name, host.file("/srv/shop/live/release").linked_to.rpartition("/")[2])
        report = load.stop()
    print(f"\ngunicorn, uWSGI, gunicorn, uWSGI, gunicorn:\n{report}")
    assert len(report.releases) == 2
    assert report.lost == []
    assert len(report.late) == len(report.late_by_client), report.late
    for start, end in pairwise([0.0, *changes[1:], float("inf")]):
        assert report.between(start, end).stale == []


def test_a_bad_release_under_the_other_server(
    deploy: Callable[..., Play], host: Host, live: Callable[[], str], answering: Callable[[], str]
) -> None:
    """A server that cannot start is refused as any release; the site stays with the one it has."""
    before = live(), answering()
    play = deploy(site_server="uwsgi", uwsgi_settings={"no-such-option": True}).refused()
    assert "no-such-option" in play.words
    assert (live(), answering()) == before
    assert server(host, live()) == "gunicorn"


def test_another_protocol_of_the_same_server(
    deploy: Callable[..., Play], host: Host, live: Callable[[], str], answering: Callable[[], str]
) -> None:
    """uWSGI answers by HTTP as well."""
    deploy(site_server="uwsgi", uwsgi_protocol="http").succeeded()
    assert server(host, live()) == "uwsgi"
    assert host.file("/srv/shop/live/http.sock").exists
    assert answering()
