"""What is uWSGI's own: what nginx tells it, and how it stops."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from testinfra.host import Host

testinfra_hosts = ["ansible://django"]

STATUS = "curl --silent --show-error --max-time 20 --output /dev/null --write-out '%{http_code} '"
ASK = f"{STATUS} --header 'Host: shop.test'"


@pytest.mark.parametrize(
    ("origin", "status"),
    [("http://shop.test:8080", "200"), ("http://shop.test", "403"), ("https://elsewhere.test", "403")],
)
def test_the_host_has_its_port(host: Host, origin: str, status: str) -> None:
    """Django compares the origin of a form with the host that nginx tells: 200 is its complaint about the password."""
    token = "a" * 32
    answer = host.check_output(
        f"{STATUS} --header 'Host: shop.test:8080' --header 'Origin: {origin}' --cookie csrftoken={token} "
        f"--data 'csrfmiddlewaretoken={token}&username=a&password=b' http://127.0.0.1/admin/login/"
    )
    assert answer.strip() == status


def test_a_lie_about_the_host_is_not_told(host: Host) -> None:
    """The request line names the site; what the header says besides does not reach it, or Django would return 400."""
    target = "--request-target http://shop.test/healthz/ --header 'Host: elsewhere.test'"
    assert host.check_output(f"{STATUS} {target} http://127.0.0.1/").strip() == "200"


def test_long_headers(host: Host) -> None:
    """Whatever nginx takes, uWSGI takes, too: four lines of 8 kB, and no line more."""
    for lines, status in ((3, "200"), (5, "400")):
        headers = " ".join(f"--header 'X-Long-{number}: {'a' * 8000}'" for number in range(lines))
        assert host.check_output(f"{ASK} {headers} http://127.0.0.1/healthz/").strip() == status


def test_a_body_that_the_site_does_not_read(host: Host) -> None:
    """Its answer arrives all the same, every time."""
    host.check_output("head --bytes=300000 /dev/zero > /tmp/unread")
    requests = "for each in $(seq 60); do %s --data-binary @/tmp/unread http://127.0.0.1/exercise/fast/; done"
    assert host.check_output(requests % ASK).split() == ["403"] * 60


def test_a_stop_answers_what_is_under_way(host: Host, live: Callable[[], str]) -> None:
    """A request that takes two seconds gets its answer, the next one nginx's page; nothing has to be killed."""
    unit = f"shop@{live()}"
    script = f"""
        {ASK} 'http://127.0.0.1/exercise/wait/?seconds=2' > /tmp/answer & sleep 0.5
        systemctl stop {unit}; wait; cat /tmp/answer
        curl -s -H 'Host: shop.test' http://127.0.0.1/; systemctl start {unit}
    """
    answer = host.check_output(script)
    assert answer.startswith("200 ")
    assert "Back in a moment" in answer
    assert "SIGKILL" not in host.check_output("journalctl --unit %s --output cat --no-pager", unit)


def test_a_killed_worker_is_replaced(host: Host, live: Callable[[], str], answering: Callable[[], str]) -> None:
    """Also where it was the one that waited for the next request."""
    main = host.check_output("systemctl show --property=MainPID --value shop@%s", live())
    host.check_output("kill -9 $(cat /proc/%s/task/%s/children)", main, main)
    assert answering()
    assert host.check_output(f"for each in $(seq 10); do {ASK} http://127.0.0.1/healthz/; done").split() == ["200"] * 10
    assert len(host.check_output("cat /proc/%s/task/%s/children", main, main).split()) == 2
