"""A site's variables against a host: its accounts, its files, its limits, and the plan for it."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.pitcrew.django.plugins.plugin_utils.site_inputs.complaints import Complaint
from ansible_collections.pitcrew.django.plugins.plugin_utils.site_inputs.plan import plan_site
from ansible_collections.pitcrew.django.plugins.plugin_utils.site_inputs.validation import (
    PlayVariables,
    validate_on_host,
)
from ansible_collections.pitcrew.django.plugins.plugin_utils.sizing.planning import PlanWithProcesses
from test_site_variables import ROLES, SITE, TLS

HOST = {"home": None, "absent": []}
CAPACITY = {"cpus": 2, "memory_mb": 4096, "somaxconn": 4096}


def checked(
    host: dict[str, Any] | None = None,
    capacity: dict[str, Any] | None = None,
    server: str = "gunicorn",
    hosts: int = 1,
    services: dict[str, Any] | None = None,
    **variables: Any,
) -> list[str]:
    facts = {"pitcrew_site": {**HOST, **(host or {})}, "pitcrew_capacity": {**CAPACITY, **(capacity or {})}}
    if services is not None:
        facts["pitcrew_services"] = services
    found, plan = validate_on_host(ROLES, PlayVariables({**SITE, **variables}), facts, server, "/var/lib/shop", hosts)
    assert plan is not None or found
    return [str(complaint) for complaint in found]


def test_a_host_that_will_do() -> None:
    assert checked() == []
    assert checked(host={"home": "/var/lib/shop"}, server="uwsgi", **TLS) == []


def test_an_account_of_somebody_else() -> None:
    assert checked(host={"home": "/home/shop"}) == [
        'site_name: "shop" is already an account on this host, with the home directory /home/shop; choose another name'
    ]


def test_a_host_that_only_balances_has_no_account() -> None:
    assert checked(host={"home": "/home/shop"}, site_backends=["10.0.0.11:80"]) == []


def test_a_certificate_that_is_not_there() -> None:
    (sentence,) = checked(host={"absent": ["/etc/ssl/shop.key"]}, **TLS)
    assert sentence == (
        'site_tls_key: "/etc/ssl/shop.key" is not on the host; get the certificate first, or deploy without it'
    )


@pytest.mark.parametrize(("server", "refused"), [("uwsgi", True), ("gunicorn", False)])
def test_a_listen_queue_that_the_kernel_does_not_allow(server: str, refused: bool) -> None:
    sentences = checked(capacity={"somaxconn": 128}, server=server, uwsgi_settings={"listen": 256})
    assert sentences == refused * [
        "uwsgi_settings: listen: 256 is above 128, the host's net.core.somaxconn, and uWSGI would not start; "
        "raise that with sysctl, or leave listen to the plan"
    ]
    assert checked(capacity={"somaxconn": 128}, server=server, uwsgi_settings={"listen": None}) == []


def test_a_listen_queue_that_is_no_number() -> None:
    (sentence,) = checked(server="uwsgi", uwsgi_settings={"listen": "many"})
    assert sentence == 'uwsgi_settings: listen: "many" is not a whole number; leave it out'


@pytest.mark.parametrize(("server", "refused"), [("uwsgi", True), ("gunicorn", False)])
def test_the_distribution_s_uwsgi_has_the_distribution_s_python(server: str, refused: bool) -> None:
    variables = {"uwsgi_package": "distribution", "site_python": "/usr/local/bin/python3"}
    assert checked(server=server, **variables) == refused * [
        'uwsgi_package: "distribution" runs the distribution\'s Python, but site_python is "/usr/local/bin/python3"; '
        "leave out site_python, or set uwsgi_package: pyuwsgi"
    ]


def test_what_the_plan_refuses_has_the_name_that_the_user_knows() -> None:
    (sentence,) = checked(capacity={"memory_mb": 1024}, site_workers="40")
    assert sentence.startswith("site_workers: (1024 MB - 128 MB reserve) = 896 MB cannot hold 65 MB master")
    (sentence,) = checked(hosts=9, site_database_connections=4)
    assert sentence.startswith("site_database_connections: 4 connections / 9 hosts")
    (sentence,) = checked(capacity={"memory_mb": 128})
    assert sentence.startswith("site_plan_inputs: memory_mb: (128 MB - ")
    (sentence,) = checked(server="uwsgi", site_plan_inputs={"free_threaded": True})
    assert sentence.startswith("site_plan_inputs: free_threaded: uWSGI needs the interpreter lock")


def test_everything_is_said_at_once() -> None:
    sentences = checked(
        host={"absent": ["/etc/ssl/shop.key"], "home": "/home/shop"},
        capacity={"memory_mb": 1024},
        site_workers=40,
        **TLS,
    )
    assert [sentence.partition(":")[0] for sentence in sentences] == ["site_name", "site_workers", "site_tls_key"]


def test_the_plan_is_that_of_the_server_that_will_run() -> None:
    """A release that is kept may run under another one than the inventory's; the inventory's own inputs come last."""
    facts = {"pitcrew_capacity": CAPACITY}
    plan = plan_site({**SITE, "site_threads": 3}, facts, "uwsgi", 2)
    assert not isinstance(plan, Complaint)
    assert (plan.server, plan.threads, plan.inputs["db_hosts"]) == ("uwsgi", 3, 2)
    plan = plan_site({**SITE, "site_plan_inputs": {"db_hosts": 5}}, facts, "gunicorn", 2)
    assert not isinstance(plan, Complaint)
    assert plan.inputs["db_hosts"] == 5


APACHE = {"program": "apache2", "pid": 123, "unit": "apache2.service"}


@pytest.mark.parametrize(
    ("holder", "sentence"),
    [
        (
            APACHE,
            "port 80: apache2 (pid 123) listens on it, and nginx needs it; "
            "stop and disable it: sudo systemctl disable --now apache2",
        ),
        (
            {"program": "python3", "pid": 4711, "unit": None},
            "port 80: python3 (pid 4711) listens on it, and nginx needs it; stop it: sudo kill 4711",
        ),
        (
            {"program": "docker-proxy", "pid": 9, "unit": "docker.service"},
            "port 80: docker-proxy (pid 9) listens on it, and nginx needs it; "
            "stop the container that publishes it: sudo docker ps --filter publish=80",
        ),
        (
            {"program": "systemd", "pid": 1, "unit": None},
            "port 80: systemd (pid 1) listens on it, and nginx needs it; "
            "stop and disable the socket unit that it belongs to: sudo systemctl list-sockets",
        ),
        (
            {"program": None, "pid": None, "unit": None},
            "port 80: another program listens on it, and nginx needs it; "
            "find it and stop it: sudo ss -ltnp 'sport = :80'",
        ),
    ],
)
def test_a_port_that_another_program_has(holder: dict[str, Any], sentence: str) -> None:
    """It is named, with the command that frees the port."""
    assert checked(host={"nginx": {"other_listeners": [{"port": 80, **holder}]}}) == [sentence]


def test_the_port_of_tls() -> None:
    """It is needed by a site with a certificate only."""
    nginx = {"other_listeners": [{"port": 80, **APACHE}, {"port": 443, **APACHE}]}
    assert [sentence.split(":")[0] for sentence in checked(host={"nginx": nginx}, **TLS)] == ["port 80", "port 443"]
    assert [sentence.split(":")[0] for sentence in checked(host={"nginx": nginx})] == ["port 80"]


def test_a_file_that_takes_ipv4_with_ipv6() -> None:
    """The site could not listen there, as only a reload after the switch would show; on 443 with a certificate only."""
    nginx = {
        "both_protocols": {"80": "/etc/nginx/conf.d/app.conf:2", "443": "/etc/nginx/conf.d/app.conf:9", "81": "x:1"}
    }
    first = (
        "port 80: /etc/nginx/conf.d/app.conf:2 has ipv6only=off and so takes IPv4 as well, where the site has to "
        "listen; replace it by listen 80 and listen [::]:80"
    )
    second = (
        "port 443: /etc/nginx/conf.d/app.conf:9 has ipv6only=off and so takes IPv4 as well, where the site has to "
        "listen; replace it by listen 443 ssl and listen [::]:443 ssl"
    )
    assert checked(host={"nginx": nginx}) == [first]
    assert checked(host={"nginx": nginx}, **TLS) == [first, second]


def test_a_name_that_another_file_has() -> None:
    """Its requests would not reach the site."""
    nginx = {"names_before": {"shop.test": "/etc/nginx/conf.d/app.conf:3", "x": "/y:1"}}
    assert checked(host={"nginx": nginx}, site_domains=["www.shop.test", "Shop.test"]) == [
        'site_domains: "Shop.test" is served by /etc/nginx/conf.d/app.conf:3, which nginx reads before the site\'s own '
        "file; remove it there, or from site_domains"
    ]


# Services on the site's own host

POSTGRESQL = {
    "cluster": "15/main",
    "max_connections": 100,
    "reserved": 3,
    "others": 0,
    "shared_buffers_mb": 128.0,
    "role": None,
    "database": None,
    "mark": "pitcrew.django: site shop",
}
OTHERWISE = "choose another site_name, or leave postgresql out and set DATABASE_URL in site_secrets"


@pytest.mark.parametrize(
    "found",
    [
        None,
        POSTGRESQL,
        {**POSTGRESQL, "role": {"is_ours": True}},
        {**POSTGRESQL, "role": {"is_ours": True}, "database": {"owner": "shop"}},
    ],
)
def test_a_postgresql_that_will_do(found: dict[str, Any] | None) -> None:
    """None at all, one without anything of the site, and one that has what an earlier deploy created."""
    assert checked(services={"postgresql": found}, site_services=["postgresql"]) == []


def test_a_role_of_somebody_else() -> None:
    found = {**POSTGRESQL, "role": {"is_ours": False}, "database": {"owner": "shop"}}
    assert checked(services={"postgresql": found}, site_services=["postgresql"]) == [
        'site_services: postgresql: the role "shop" was there before the site, in 15/main; if it is the site\'s, mark '
        "it: sudo -u postgres psql -c 'COMMENT ON ROLE \"shop\" IS $$pitcrew.django: site shop$$'; if not, " + OTHERWISE
    ]


@pytest.mark.parametrize("role", [None, {"is_ours": True}])
def test_a_database_of_somebody_else(role: dict[str, Any] | None) -> None:
    found = {**POSTGRESQL, "role": role, "database": {"owner": "legacy"}}
    assert checked(services={"postgresql": found}, site_services=["postgresql"]) == [
        'site_services: postgresql: the database "shop" belongs to "legacy", in 15/main; ' + OTHERWISE
    ]


def test_a_server_that_cannot_be_used() -> None:
    """The host found out why, and what to do."""
    found = {"cluster": "15/main", "problem": "its cluster 15/main is down", "cure": "start it"}
    assert checked(services={"postgresql": found}, site_services=["postgresql"]) == [
        "site_services: postgresql: its cluster 15/main is down; start it"
    ]


def test_a_redis_of_somebody_else() -> None:
    found = {"installed": True, "foreign": ["/etc/redis/redis-shop.conf"]}
    assert checked(services={"redis": found}, site_services=["redis"]) == [
        "site_services: redis: /etc/redis/redis-shop.conf was not written for the site; rename that instance, choose "
        "another site_name, or leave redis out and set REDIS_URL in site_environment"
    ]


def test_services_of_a_site_with_several_hosts() -> None:
    assert checked(services={"postgresql": None}, hosts=2, site_services=["postgresql"]) == [
        'site_services: ["postgresql"] would give each of the site\'s 2 hosts data of its own; leave them out, have '
        "them on one host, and set DATABASE_URL and REDIS_URL in site_secrets; if each host is a site of its own, set "
        "site_hosts to one of them at a time, with -e"
    ]


def test_a_host_that_only_balances_has_no_services() -> None:
    assert checked(hosts=2, site_services=["postgresql"], site_backends=["10.0.0.11:80", "10.0.0.12:80"]) == []


def test_connections_of_a_server_with_many_databases() -> None:
    """What the plan refuses has the user's variable, and the server's own number."""
    (sentence,) = checked(services={"postgresql": {**POSTGRESQL, "others": 99}}, site_services=["postgresql"])
    assert sentence.startswith(
        "site_database_connections: 0 connections of PostgreSQL ((100 max_connections - 3 reserved - 5 kept) / "
        "100 databases)"
    )


def test_sizes_that_the_user_sets_are_those_of_the_plan() -> None:
    """They replace what follows from the host."""
    values = {**SITE, "site_services": ["postgresql", "redis"], "site_plan_inputs": {"redis_mb": 300}}
    facts = {"pitcrew_capacity": CAPACITY, "pitcrew_services": {"postgresql": POSTGRESQL}}
    plan = plan_site(values, facts, "gunicorn", 1)
    assert not isinstance(plan, Complaint)
    assert (plan.inputs["redis_mb"], plan.inputs["redis_cache_mb"]) == (300.0, 128)
    assert plan.inputs["postgresql_connections"] == 100


def test_a_process_with_the_name_of_another_site() -> None:
    """Its unit would have the name of that site's."""
    processes = {"beat": {"command": "true"}, "rq": {"preset": "rq"}}
    assert checked(host={"neighbours": ["shop-beat", "shop-two"]}, site_processes=processes) == [
        'site_processes["beat"]: its unit would have the name of the site shop-beat, which is on this host; rename '
        "the process"
    ]
    assert checked(host={"neighbours": ["shop-two"]}, site_processes=processes) == []


def test_a_site_with_the_name_of_a_process_of_another() -> None:
    """A deploy would take that process for its own idle slot, and stop it."""
    taken = {"site": "sh", "file": "/etc/systemd/system/shop@blue.service"}
    assert checked(host={"taken": taken}) == [
        'site_name: "shop" would have the unit of a background process of the site sh, '
        "/etc/systemd/system/shop@blue.service; choose another name; if that site has no such process any more, remove "
        "the file"
    ]
    assert checked(host={"taken": None}) == []


def test_processes_that_do_not_fit() -> None:
    """The only one is named, and several are together; each is a term of the sum."""
    large = {"preset": "celery", "application": "shop", "concurrency": 40}
    (sentence,) = checked(site_processes={"worker": large})
    assert sentence.startswith("site_processes[worker]: (4096 MB - 410 MB reserve) = 3686 MB cannot hold ")
    assert "beside the background processes worker 3900 MB; lower count or concurrency, set memory_mb" in sentence
    (sentence,) = checked(site_processes={"worker": large, "alerts": {"command": "true"}})
    assert sentence.startswith("site_processes: (4096 MB - 410 MB reserve) = 3686 MB cannot hold ")
    assert "worker 3900 MB + alerts 130 MB = 4030 MB" in sentence


def test_connections_that_do_not_suffice_for_processes() -> None:
    (sentence,) = checked(
        site_processes={"worker": {"preset": "rq", "count": 4}}, site_database_connections=12, hosts=2
    )
    assert sentence.startswith(
        "site_processes[worker]: (12 connections - 2 x (worker 2 x 4 x 1) of background processes)"
    )


def test_processes_and_their_share_are_planned() -> None:
    facts = {"pitcrew_site": HOST, "pitcrew_capacity": {"cpus": 2, "memory_mb": 16384, "somaxconn": 4096}}
    values = {**SITE, "site_processes": {"rq": {"preset": "rq", "count": 2}}, "site_processes_cpu_share": 0.5}
    plan = plan_site(values, facts, "gunicorn", 1)
    assert isinstance(plan, PlanWithProcesses)
    assert (plan.processes["rq"].count, plan.processes["rq"].concurrency, plan.background.cpu_share) == (2, 2, 0.5)
