"""What `pitcrew.django.status` reports about a healthy site, and about everything that can be wrong with one."""

from __future__ import annotations

import getpass
import json
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from deploys import Play, ansible_playbook
from testinfra.host import Host

testinfra_hosts = ["ansible://django"]

Status = Callable[..., tuple[dict[str, Any], Play]]

DROP_IN = "/etc/systemd/system/shop@.service.d/test.conf"


@pytest.fixture
def status(playbook: Callable[..., Play], host: Host, tmp_path: Path) -> Status:
    """Ask for the status: what is written for programs, and what people see."""

    def ask(**variables: Any) -> tuple[dict[str, Any], Play]:
        file = tmp_path / "status.json"
        play = playbook("status", site_status_file=str(file), **variables).succeeded()
        found: dict[str, Any] = json.loads(file.read_text())
        return found[host.backend.get_hostname()], play

    return ask


def test_a_site_that_is_well(status: Status, live: Callable[[], str], answering: Callable[[], str]) -> None:
    """Who, when, what, how many and how fast; nothing is changed."""
    found, play = status()
    print(play.output)
    assert found["healthy"]
    assert found["complaints"] == found["notes"] == found["edited"] == found["pending"] == []
    assert (found["slot"], found["state"], found["release"]) == (live(), "active", answering())
    assert found["by"] == f"{getpass.getuser()} on {platform.node()}"
    assert found["workers"]["running"] == found["workers"]["planned"] > 0
    assert 0 < found["memory_mb"]["now"] < found["memory_mb"]["most"]
    assert found["oom_kills"] == found["restarts"] == 0
    assert all(0 < took < 2000 for took in found["response_ms"].values())
    assert "All is well." in play.output
    assert play.changed[next(iter(play.changed))] == 0


def test_a_file_that_was_edited(status: Status, host: Host) -> None:
    """By hand, after the deploy; put back, all is well again."""
    path = "/srv/shop/live/gunicorn.conf.py"
    host.check_output("cp -a %s /root/kept && echo '# faster' >> %s", path, path)
    found, play = status()
    host.check_output("cat /root/kept > %s", path)
    (complaint,) = found["complaints"]
    assert "gunicorn.conf.py was edited by hand" in complaint
    assert "Attention is needed on 1 of 1 hosts." in play.output
    assert any("gunicorn.conf.py" in note and "a deploy would switch" in note for note in found["notes"])
    assert status()[0]["healthy"]


def test_a_static_file_that_is_gone(status: Status, host: Host) -> None:
    """On disk, and for visitors: the stylesheet is a fault, the images are a note."""
    path = "/srv/shop/live/public/static/workshop"
    host.check_output("mv %s %s.gone", path, path)
    found, play = status()
    host.check_output("mv %s.gone %s", path, path)
    print(play.output)
    on_disk, through_nginx = found["complaints"]
    assert "GET http://shop.test/ names /static/workshop/" in on_disk
    assert ", which does not exist; add what is missing" in on_disk
    assert through_nginx.startswith("On 127.0.0.1:80, GET http://shop.test/ names /static/workshop/")
    assert ", which returned 404; add what is missing" in through_nginx
    (images,) = found["notes"]
    assert images.startswith("GET http://shop.test/ names /static/workshop/logo.")
    assert images.endswith(", which do not exist.")
    assert all(took > 0 for took in found["response_ms"].values())
    assert status()[0]["healthy"]


def test_an_inventory_that_says_otherwise(status: Status) -> None:
    """That is no fault: it is what the next deploy would bring."""
    found, _play = status(site_request_timeout=31)
    assert found["healthy"]
    assert "gunicorn.conf.py" in found["differences"]


def test_answers_with_long_headers(status: Status, host: Host) -> None:
    """Visitors get an error that only nginx can explain."""
    ask = "curl --silent --output /dev/null --write-out '%%{http_code}' --header 'Host: shop.test' http://127.0.0.1%s"
    assert host.check_output(ask, "/exercise/headers/?kb=40") == "502"
    (complaint,) = status()[0]["complaints"]
    assert complaint.startswith(
        "nginx returned 502 for 1 response with more than 32k of headers, the last one to GET /exercise/"
    )
    host.check_output("truncate --size=0 /var/log/nginx/error.log")
    assert status()[0]["healthy"]


def test_a_plan_that_is_impossible(status: Status) -> None:
    """Just then somebody wants to know how the site is."""
    found, _play = status(site_workers=4000)
    assert "site_workers" in found["complaints"][0]
    assert found["state"] == "active"
    assert found["response_ms"]["proxy"] > 0


def test_workers_that_were_killed(
    status: Status, host: Host, live: Callable[[], str], answering: Callable[[], str]
) -> None:
    """The main process replaces one; systemd replaces the main process, and the status reports that."""
    main = host.check_output("systemctl show --property=MainPID --value shop@%s", live())
    host.check_output("kill -KILL %s", main)
    answering()
    found, _play = status()
    assert found["restarts"] == 1
    assert found["healthy"]
    assert "has restarted" in found["notes"][0]


def test_a_site_that_does_not_start_at_boot(status: Status, host: Host, deploy: Callable[..., Play]) -> None:
    """An operator disabled it; the next deploy makes up for that, and restarts nothing."""
    host.check_output("systemctl disable shop-boot")
    found, _play = status()
    assert [complaint.partition(".service ")[2] for complaint in found["complaints"]] == [
        "may not start at boot: shop-boot.service is disabled or out of date; deploy again"
    ]
    play = deploy().succeeded()
    again, _play = status()
    assert (again["healthy"], again["slot"]) == (True, found["slot"]), play.output
    assert host.service("shop-boot").is_enabled


def test_nginx_that_is_down(status: Status, host: Host) -> None:
    """The site is well behind it: its own socket says so."""
    host.check_output("systemctl stop nginx")
    found, _play = status()
    host.check_output("systemctl start nginx")
    (complaint,) = found["complaints"]
    assert complaint.startswith("On 127.0.0.1:80, shop.test does not respond")
    assert found["response_ms"]["socket"] > 0
    assert found["response_ms"]["proxy"] is None


def test_a_unit_that_systemd_gives_up(
    status: Status, host: Host, live: Callable[[], str], deploy: Callable[..., Play]
) -> None:
    """The state is named as systemd names it, with the way out, which works."""
    unit = f"shop@{live()}.service"
    host.check_output("mkdir -p $(dirname %s)", DROP_IN)
    text = "[Unit]\nStartLimitBurst=2\n[Service]\nType=exec\nExecStart=\nExecStart=/bin/false\nRestartSec=100ms\n"
    host.check_output("printf %%b %s > %s", text.replace("\n", "\\n"), DROP_IN)
    host.check_output("systemctl daemon-reload; systemctl restart %s || true", unit)
    host.check_output(f"for t in $(seq 100); do systemctl is-failed {unit} && exit; sleep 0.1; done; exit 1")
    answer = host.check_output("curl --silent --include --header 'Host: shop.test' http://127.0.0.1/").splitlines()
    assert answer[0].split()[1] == "502", "what a visitor sees meanwhile"
    assert "Retry-After: 10" in answer
    assert "Back in a moment" in answer[-1]
    found, play = status()
    print(play.output)
    assert found["state"] == "start-limit-hit"
    assert f"systemctl reset-failed {unit}" in found["complaints"][0]
    assert found["drop_ins"] == [DROP_IN]
    assert "start-limit-hit" in play.output
    host.check_output("rm %s; systemctl daemon-reload; systemctl reset-failed %s", DROP_IN, unit)
    deploy().succeeded()
    assert status()[0]["healthy"]


def test_a_command_of_manage_py_that_fails(host: Host) -> None:
    """The recipe of the documentation tells by its exit status, and leaves no failed unit."""
    text = (Path(__file__).parents[3] / "docs/operations.md").read_text().partition("## Running manage.py")[2]
    recipe = text.partition("sudo systemd-run")[2].partition("```")[0]
    before = host.check_output("systemctl list-units --failed --no-legend --plain")
    for command, status in (("check", 0), ("no-such-command", 1)):
        # Nobody is at a terminal here.
        words = recipe.replace("--pty", "--pipe --wait").replace("createsuperuser", command)
        assert host.run(f"systemd-run {words}").rc == status
    assert host.check_output("systemctl list-units --failed --no-legend --plain") == before


def test_a_migration_that_is_not_applied(status: Status, host: Host) -> None:
    """Somebody took it back by hand."""
    forget = "import sqlite3; c = sqlite3.connect('/var/lib/shop/shop.sqlite3'); {}; c.commit()"
    delete = "c.execute(\"DELETE FROM django_migrations WHERE name = '0002_first_products'\")"
    host.check_output("python3 -c %s", forget.format(delete))
    found, _play = status()
    columns = "INSERT INTO django_migrations (app, name, applied) VALUES"
    insert = f"c.execute(\"{columns} ('workshop', '0002_first_products', '2026-01-01')\")"
    host.check_output("python3 -c %s", forget.format(insert))
    assert found["pending"] == ["workshop.0002_first_products"]
    assert "workshop.0002_first_products" in found["complaints"][0]
    assert status()[0]["healthy"]


def test_a_host_without_the_site_and_one_that_is_not_there(host: Host, inventory: Path, tmp_path: Path) -> None:
    """Each has its line, and neither keeps the others from being shown."""
    known = yaml.safe_load((inventory / "runtime.yml").read_text())["lab"]
    # What says where it lies by the place of the inventory has to be said again.
    source = {"site_source_directory": f"{inventory}/../../../tests/example"}
    web = {**known["vars"], **known["hosts"]["web"], **source}
    hosts = {
        "bare": {**web, "site_name": "blog"},
        "gone": {**web, "ansible_port": 9, "ansible_ssh_common_args": "-o ConnectTimeout=2"},
    }
    more = tmp_path / "more.yml"
    more.write_text(yaml.safe_dump({"django": {"hosts": hosts}}))
    file = tmp_path / "status.json"
    play = ansible_playbook("pitcrew.django.status", inventory, f"--inventory={more}", site_status_file=str(file))
    print(play.output)
    found = json.loads(file.read_text())
    assert found["web"]["healthy"]
    assert found["bare"]["complaints"] == ["blog is not on this host; deploy it"]
    assert found["gone"] == {}
    assert "! gone: could not be reached or inspected" in play.output
    assert "Attention is needed on 2 of 3 hosts." in play.output
