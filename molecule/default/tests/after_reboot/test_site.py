"""What a site is on its host: the interface, whichever server runs it. Before a reboot and after it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from testinfra.host import Host

testinfra_hosts = ["ansible://django"]

SECRET = "a key that only this test host knows, long enough for Django's check of it, 0123456789"

SLOT = "/srv/shop/slots/(blue|green)"
METRICS = "/run/shop-(blue|green)/metrics"
WRITTEN = {
    "drwxr-x--- root:shop": "/srv/shop(/releases(/[^/]+(/app|/overrides)?)?|/venvs(/[^/]+(/venv)?)?)?",
    "drwxr-x--- shop:shop": "/srv/shop/cache|/var/lib/shop(/media)?|/run/shop-(blue|green)(/metrics)?",
    "drwxr-xr-x root:root": (
        f"/srv/shop/(slots|watch)|{SLOT}(/public)?|/etc/nginx/conf.d|/etc/systemd/system/nginx.service.d"
    ),
    # Who had them could take the site over, or keep it from being deployed.
    "-rw------- root:root": f"{SLOT}/(environment|secrets|deployed)|/srv/shop/.lock|/run/pitcrew-shop.lock",
    "-rw-r----- root:shop": "/srv/shop/releases/[^/]+/overrides/site_overrides.py",
    "-rw-r--r-- root:root": (
        f"{SLOT}/(gunicorn.conf.py|uwsgi.ini|application.py|site_[a-z]+.(py|json))|/srv/shop/watch/site_[a-z]+.py"
        "|/srv/shop/(history|site.json|last-run.json)"
        "|/srv/shop/releases/[^/]+/release.json|/srv/shop/venvs/[^/]+/complete"
        "|/etc/nginx/conf.d/(pitcrew|shop).conf|/etc/systemd/system/(shop@blue|shop@green|shop-boot|nginx.service.d/pitcrew)[^/]+"
    ),
    "lrwxrwxrwx root:root": f"/srv/shop/live|{SLOT}/(release|http.sock|uwsgi.sock)|/srv/shop/releases/[^/]+/venv",
    # nginx follows a link only to what the link's owner owns.
    "lrwxrwxrwx root:shop": f"{SLOT}/public/static",
    "lrwxrwxrwx shop:shop": f"{SLOT}/public/media",
    # Their mode follows the server's umask.
    "-rw-rw---- shop:shop": f"{METRICS}/[a-z]+[a-z0-9_-]*[.](db|pid)",
    "-rw-r----- shop:shop": f"{METRICS}/[a-z]+[a-z0-9_-]*[.](db|pid)",
    "srwxrwx--- shop:shop": "/run/shop-(blue|green)/app.sock",
    "srw------- shop:shop": "/run/shop-(blue|green)/gunicorn.ctl",
    "srw-rw---- shop:shop": "/run/shop-(blue|green)/(app|stats).sock",
}


def ask(host: Host, path: str, *options: str, name: str = "shop.test") -> str:
    """Status, headers and body of what a visitor gets on the host."""
    command = "curl --silent --include --header 'Host: %s' %s http://127.0.0.1%s"
    return host.run(command % (name, " ".join(options), path)).stdout.replace("\r", "")


@pytest.fixture(autouse=True, scope="module")
def _answers(answering: Callable[[], str]) -> None:
    """After a boot the first answer takes a moment."""
    answering()


@pytest.mark.parametrize(
    ("path", "words"),
    [("/", "bicycle workshop"), ("/admin/login/", "Log in"), ("/healthz/", "ok")],
    ids=["home page", "admin", "health"],
)
def test_page(host: Host, path: str, words: str) -> None:
    """The site answers for its own name."""
    answer = ask(host, path)
    assert answer.startswith("HTTP/1.1 200 OK\n")
    assert words in answer


def test_unknown_host_gets_no_answer(host: Host) -> None:
    """Not even an error: the connection is closed."""
    assert host.run("curl --silent --header 'Host: elsewhere.test' http://127.0.0.1/").rc == 52


def test_nothing_listens_for_tls(host: Host) -> None:
    """No site of the host has a certificate."""
    assert host.run("curl --silent --insecure https://127.0.0.1/").rc == 7


def test_static_files(host: Host) -> None:
    """Those that the page names are there, and may be kept for ever since their names carry a hash."""
    (style,) = set(re.findall(r'href="(/static/[^"]+\.css)"', ask(host, "/")))
    answer = ask(host, style)
    assert answer.startswith("HTTP/1.1 200 OK\n")
    assert "Cache-Control: max-age=315360000\n" in answer
    assert ask(host, "/static/../manage.py", "--path-as-is").startswith("HTTP/1.1 40")
    assert ask(host, "/static../release.json", "--path-as-is").startswith("HTTP/1.1 404")


def test_uploads(host: Host) -> None:
    """What the site writes to MEDIA_ROOT is served, and never as a page of the site."""
    with host.sudo("shop"):
        host.check_output("printf '<script>' > /var/lib/shop/media/note.html")
    answer = ask(host, "/media/note.html")
    assert answer.startswith("HTTP/1.1 200 OK\n")
    assert "Content-Security-Policy: sandbox;" in answer
    assert "X-Content-Type-Options: nosniff\n" in answer


@pytest.mark.parametrize(
    "swap",
    ["ln -s /etc/hostname media/hostname", "mv media kept && ln -s /etc media"],
    ids=["a file", "the whole directory"],
)
def test_uploads_are_no_way_out(host: Host, swap: str) -> None:
    """Links that the site's own process puts there show nothing that is not its own, such as files of another site."""
    as_site = "cd /var/lib/shop && runuser -u shop -- sh -c"
    host.check_output(f"{as_site} '{swap}'")
    try:
        assert not ask(host, "/media/hostname").startswith("HTTP/1.1 200 ")
    finally:
        host.check_output(f"{as_site} 'if [ -d kept ]; then rm media && mv kept media; else rm media/hostname; fi'")


@pytest.mark.parametrize(("megabytes", "status"), [(9, 200), (11, 413)])
def test_upload_limit(host: Host, megabytes: int, status: int) -> None:
    """nginx refuses what is larger than site_upload_limit, 10m."""
    host.check_output("head --bytes=%sM /dev/zero > /tmp/upload", str(megabytes))
    answer = ask(host, "/exercise/echo/", "--request POST --data-binary @/tmp/upload --header 'Expect:'")
    assert answer.startswith(f"HTTP/1.1 {status} ")


def test_release_is_told_to_the_host_only(host: Host, address: str) -> None:
    """Requests from the host itself learn the release and visitors do not; the site's own headers reach them."""
    release = host.file("/srv/shop/live/release").linked_to.rpartition("/")[2]
    assert f"X-Pitcrew-Release: {release}\n" in ask(host, "/")
    visitor = host.check_output("curl -s -o /dev/null -D - -H 'Host: shop.test' http://%s/", address)
    assert "X-Pitcrew-Release" not in visitor
    assert f"X-Release: {release}" in visitor.splitlines()
    assert "Server: nginx\r\n" in visitor


def test_processes(host: Host) -> None:
    """As many workers as the plan asks for on 1 CPU and 1 GB, under one master that is the site's user's."""
    (master,) = [process for process in host.process.filter(user="shop") if process.ppid == 1]
    workers = [process for process in host.process.filter(user="shop") if process.ppid == master.pid]
    assert len(workers) == 2


def test_units(host: Host, live: Callable[[], str]) -> None:
    """One slot runs, which starts at boot, and the other does not; an operator who looks is told so."""
    slots = {slot for slot in ("blue", "green") if host.service(f"shop@{slot}").is_running}
    assert slots == {live()}
    assert host.service("shop-boot").is_enabled
    assert "shop@" not in host.check_output("ls /etc/systemd/system/multi-user.target.wants")
    assert host.service("nginx").is_enabled
    told = host.check_output("systemctl status --no-pager shop@%s", live())
    assert f"/etc/systemd/system/shop@{live()}.service; static)" in told
    assert host.check_output("systemctl show --property=NeedDaemonReload --value shop@%s", live()) == "no"


def test_sandbox(host: Host, live: Callable[[], str]) -> None:
    """systemd's own judgement of what the process can reach: 2.0 at most, from 0, all closed, to 10, all open."""
    host.check_output("systemd-analyze security --no-pager --threshold=20 shop@%s.service", live())


def test_files(host: Host) -> None:
    """Owner and mode of everything that a deploy writes, but for what is inside of releases and packages."""
    deep = "-path /srv/shop/releases/*/app/* -o -path /srv/shop/venvs/*/venv/* -o -path /srv/shop/cache/*"
    units = "/etc/systemd/system/shop@* /etc/systemd/system/shop-boot.service /etc/systemd/system/nginx.service.d"
    listing = (
        rf"set -f; find /srv/shop \( {deep} \) -prune -o -printf '%M %u:%g %p\n'; set +f;"
        f"find /run/shop-* /run/pitcrew-shop.lock {units} -printf '%M %u:%g %p\\n';"
        "find /etc/nginx/conf.d /var/lib/shop -maxdepth 1 ! -name '*sqlite3*' -printf '%M %u:%g %p\\n'"
    )
    found = dict(reversed(line.rsplit(" ", 1)) for line in host.check_output(listing).splitlines())
    assert len(found) > 30
    assert {path: words for path, words in found.items() if not re.fullmatch(WRITTEN.get(words, ""), path)} == {}


def test_code_is_out_of_the_reach_of_its_process(host: Host) -> None:
    """Nothing below the site's directory is the site's user's or group's to write, but the cache of packages."""
    found = "find /srv/shop -path /srv/shop/cache -prune -o ! -type l ( -user shop -o -perm /022 ) -print"
    assert host.check_output(found.replace("(", r"\(").replace(")", r"\)")) == ""


def test_secret_is_nowhere_else(host: Host) -> None:
    """Neither on a command line, nor in another file, nor in the journal."""
    assert SECRET not in host.check_output("ps axww -o args")
    slot = Path(host.file("/srv/shop/live").linked_to).name
    where = "/etc /srv /var/lib /var/log /tmp /root /home /run"
    found = host.run(f"grep -rlsF -- {SECRET[:40]!r} {where}").stdout.split()
    assert [path for path in found if "/journal/" not in path] == [f"/srv/shop/slots/{slot}/secrets"]
    assert SECRET not in host.check_output("journalctl --no-pager")
