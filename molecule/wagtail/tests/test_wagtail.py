"""A project as `wagtail start` makes it, on PostgreSQL: its pages, its admin and their files come through nginx."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from deploys import Play
from testinfra.host import Host

testinfra_hosts = ["ansible://django"]


def get(host: Host, path: str) -> str:
    """What a visitor gets; fails for any status but 200."""
    command = "curl --fail --silent --show-error --header 'Host: mysite.test' http://127.0.0.1%s"
    return host.run_expect([0], command, path).stdout_bytes.decode(errors="replace")


PAGES = [("/", "Welcome to your new Wagtail site!"), ("/admin/login/", "Sign in to Wagtail")]


@pytest.mark.parametrize(("path", "words"), PAGES)
def test_page_with_its_files(host: Host, path: str, words: str) -> None:
    """The page says what it should, and every file that it names is there."""
    page = get(host, path)
    assert words in page
    files = set(re.findall(r'(?:href|src)="(/static/[^"?]+)', page))
    assert len(files) >= 2
    for file in files:
        get(host, file)


def test_database(host: Host) -> None:
    """Wagtail's own first page is in PostgreSQL."""
    query = "SELECT title FROM wagtailcore_page WHERE depth = 2"
    with host.sudo("mysite"):
        assert host.check_output("psql --no-align --tuples-only --command %s mysite", query).strip() == "Home"


def test_uploads_outlive_a_release(host: Host) -> None:
    """MEDIA_ROOT, which the project keeps beside its code, is a directory of the site."""
    assert host.file("/srv/mysite/live/release/app/media").linked_to == "/var/lib/mysite/media"
    assert host.file("/var/lib/mysite/media").user == "mysite"


def test_no_secret_on_a_command_line(host: Host) -> None:
    """Nor in a file that others may read."""
    secret = host.ansible.get_variables()["site_secret_settings"]["SECRET_KEY"]
    assert secret not in host.check_output("ps axww -o args")
    found = host.run("grep --recursive --files-with-matches --fixed-strings -- %s /etc /srv /var/lib /var/log", secret)
    assert found.stdout.split() == ["/srv/mysite/slots/blue/secrets"]
    assert host.file("/srv/mysite/slots/blue/secrets").mode == 0o600


PROGRAM = """
from django.contrib.auth import get_user_model
get_user_model().objects.create_superuser("anna", "anna@example.com", "seven spokes and a bell")
"""
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="


def manage(host: Host, program: str) -> None:
    """Run a program in the site's own environment and sandbox, as docs/operations.md says."""
    live = "/srv/mysite/live"
    host.check_output(
        f"systemd-run --quiet --pipe --wait --uid=mysite --working-directory={live}/release/app "
        f"-p EnvironmentFile={live}/environment -p EnvironmentFile={live}/secrets "
        f"{live}/release/venv/bin/python manage.py shell -c %s",
        program,
    )


def test_what_a_site_does_all_day_works_in_the_sandbox(host: Host) -> None:
    """Somebody logs in, with the session in Redis, uploads a picture, which is served, and gets a mail."""
    manage(host, PROGRAM)
    jar = "--cookie /tmp/jar --cookie-jar /tmp/jar"
    curl = f"curl --fail --silent --show-error {jar} --resolve mysite.test:80:127.0.0.1 http://mysite.test"

    def submit(path: str, *fields: str) -> str:
        (token, *_more) = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', host.check_output(f"{curl}{path}"))
        form = " ".join(f"--form '{field}'" for field in (f"csrfmiddlewaretoken={token}", *fields))
        return host.check_output(f"{curl}{path} --write-out '%{{http_code}}' --output /dev/null {form}")

    assert submit("/admin/password_reset/", "email=anna@example.com") == "302"
    assert "Subject:" in host.check_output("cat /var/tmp/mail/new/*")
    assert submit("/admin/login/", "username=anna", "password=seven spokes and a bell", "next=/admin/") == "302"
    assert "session" in host.check_output("redis-cli --scan")
    host.check_output(f"echo {PIXEL} | base64 --decode > /tmp/pixel.png")
    assert submit("/admin/images/add/", "title=A pixel", "file=@/tmp/pixel.png;type=image/png") == "302"
    assert host.check_output("stat --format '%U %a' /var/lib/mysite/media/original_images/pixel.png") == "mysite 644"
    get(host, "/media/original_images/pixel.png")


def connected(host: Host) -> list[list[str]]:
    """Give, for each connection to PostgreSQL, the processes that have the client's end of it open.

    Each end has a line: the server's has the path of the socket, and the number of the client's end.
    """
    lines = host.check_output("ss --unix --processes --numeric --no-header").splitlines()
    ends = {line.split()[7] for line in lines if "/.s.PGSQL.5432 " in line}
    return [re.findall(r"pid=(\d+)", line) for line in lines if line.split()[5] in ends]


def test_another_server(host: Host, deploy: Callable[..., Play]) -> None:
    """Under uWSGI the same pages with the same files, and no connection to the database that two processes share."""
    deploy(site_server="uwsgi").succeeded()
    for path, words in PAGES * 5:
        test_page_with_its_files(host, path, words)
    found = connected(host)
    assert found
    assert [processes for processes in found if len(processes) != 1] == []
    slot = host.file("/srv/mysite/live").linked_to.rpartition("/")[2]
    main = host.check_output("systemctl show --property=MainPID --value mysite@%s", slot)
    workers = host.check_output("cat /proc/%s/task/%s/children", main, main).split()
    assert {process for (process,) in found} <= set(workers)
