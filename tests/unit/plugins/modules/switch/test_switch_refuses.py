"""A candidate that does not pass leaves everything as it was; how long it has to pass."""

from __future__ import annotations

import fcntl
import json
import os

import pytest
from ansible_collections.pitcrew.django.plugins.module_utils.lock import DeployLock, Holder
from ansible_collections.pitcrew.django.plugins.modules import switch as module
from switch_site import SECRET, Behaviour, Site

ESSENTIAL = {"domains": [], "scheme": "http", "path": "/healthz/", "status": 200, "checks": [], "home_page": False}

# A candidate that does not pass

REFUSALS = [
    pytest.param(
        Behaviour(complaint="Unit shop@green.service is masked."),
        "it does not start: Unit shop@green.service is masked.",
        id="systemd",
    ),
    pytest.param(
        Behaviour(complaint="Job for shop@green.service failed.", ended="status 1"),
        "its processes exited right after their start (status 1).",
        id="exits before it is ready",
    ),
    pytest.param(
        Behaviour(complaint="Job for shop@green.service failed.", ended="timeout"),
        "it was not ready within 60 s of its start (site_boot_timeout).",
        id="never ready",
    ),
    pytest.param(
        Behaviour(active="failed", listens=False),
        "its processes exited right after their start.",
        id="exits",
    ),
    pytest.param(
        Behaviour(active="activating", listens=False, ended="status 3"),
        "its processes exited right after their start (status 3).",
        id="exits, and will be restarted",
    ),
    pytest.param(
        Behaviour(restarts=1, listens=False, ended="killed for lack of memory"),
        "its processes exited right after their start (killed for lack of memory).",
        id="restarts",
    ),
    pytest.param(Behaviour(listens=False), "it does not respond on ", id="no socket"),
    pytest.param(Behaviour(answer=lambda _s: None), "it does not respond on ", id="no answer"),
    pytest.param(
        Behaviour(answer=lambda _s: (500, "")),
        "GET https://shop.example.com/healthz/ returned 500 instead of 200",
        id="wrong status",
    ),
    pytest.param(
        Behaviour(answer=lambda _s: (200, "r1")),
        "GET https://shop.example.com/healthz/ was answered by release r1 instead of r2",
        id="wrong release",
    ),
    pytest.param(
        Behaviour(answer=lambda _s: (200, None)),
        "returned a response without the header X-Pitcrew-Release, so it is not from release r2",
        id="unnamed release",
    ),
    pytest.param(
        Behaviour(home_page=(500, "")),
        "GET https://shop.example.com/ returned 500; correct the home page, or set site_health_home_page: false",
        id="home page",
    ),
]


@pytest.mark.parametrize(("behaviour", "reason"), REFUSALS)
def test_a_refused_candidate_leaves_everything_as_it_was(site: Site, behaviour: Behaviour, reason: str) -> None:
    """Links, units, slot files, boot order, history; its release never served, so it goes as well."""
    site.deploy("r1", public={"static": "/static"})
    before = site.tree()
    site.host.behaviours["r2"] = behaviour
    answer = site.deploy("r2")
    assert answer["failed"] is True
    assert answer["msg"].startswith("Release r2 is refused, release r1 keeps serving: ")
    assert reason in answer["msg"]
    assert answer["msg"].endswith(
        ".\n\nThe journal of shop@green:\nTraceback of shop@green.service since it was started"
    )
    assert site.tree() == before
    assert site.serves() == ("blue", "r1")
    assert site.at_rest()
    assert "live green" not in site.host.log
    assert "stop blue" not in site.host.log
    assert "shop@green.service" not in site.host.loaded


def test_the_journal_is_read_before_the_slot_goes(site: Site) -> None:
    """Afterwards systemd would not know which run was the last."""
    site.deploy("r1")
    site.host.behaviours["r2"] = Behaviour(answer=lambda _s: (500, ""))
    site.deploy("r2", patience=0)
    told = [event for event in site.host.story if not event.startswith("500")]
    assert told == ["daemon-reload", "start green", "journal green", "stop green", "daemon-reload"]


@pytest.mark.parametrize(("behaviour", "reason"), REFUSALS)
def test_a_first_release_that_is_refused_leaves_nothing(site: Site, behaviour: Behaviour, reason: str) -> None:
    """Not even a link; the site is not there."""
    site.host.behaviours["r2"] = behaviour
    answer = site.deploy("r2")
    assert "Release r2 is refused, nothing serves yet: " in answer["msg"]
    assert reason.replace("green", "blue") in answer["msg"].replace("green", "blue")
    assert not os.path.lexists(site.root / "live")
    assert not os.path.lexists(site.root / "slots/blue")
    assert not os.path.lexists(site.root / "history")
    assert not os.path.lexists(site.root / "releases/r2")
    assert sorted(path.name for path in site.units.rglob("*")) == []
    assert site.host.show("shop@blue.service").stopped


def test_a_release_that_served_is_kept_when_it_is_refused(site: Site) -> None:
    """Going back to it may fail for another reason; it stays on disk, and what serves goes on."""
    site.deploy("r1")
    site.deploy("r2")
    site.host.behaviours["r1"] = Behaviour(answer=lambda _s: (500, ""))
    assert "Release r1 is refused, release r2 keeps serving" in site.deploy("r1")["msg"]
    assert (site.root / "releases/r1/release.json").exists()
    assert site.serves() == ("green", "r2")
    assert site.at_rest()


def test_the_release_that_serves_is_kept_when_its_environment_is_refused(site: Site) -> None:
    """Even where the history was lost: it is live, and the history says so again."""
    site.deploy("r1")
    before = site.tree()
    (site.root / "history").unlink()
    site.host.behaviours["r1"] = Behaviour(answer=lambda _s: (500, ""))
    answer = site.deploy("r1", environment={"DEBUG": True})
    assert "Release r1 is refused, release r1 keeps serving: " in answer["msg"]
    assert site.tree() == before
    assert site.at_rest()


def test_a_refused_release_can_be_kept(site: Site) -> None:
    """Its slot goes as always; where the release is comes before its journal. The next one that serves removes it."""
    site.deploy("r1")
    before = site.tree()
    site.host.behaviours["r2"] = Behaviour(active="failed", listens=False)
    python = site.build("r2") / "venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text("")
    message = site.deploy("r2", keep_refused=True, project="web")["msg"]
    kept = str(site.root / "releases/r2")
    refused, where, journal = message.split("\n\n")
    assert refused.startswith("Release r2 is refused, release r1 keeps serving: ")
    assert where.startswith(f"It is kept in {kept} until a deploy succeeds (site_keep_refused).")
    assert f"{kept}/app/web" in where
    assert f"EnvironmentFile={site.root}/live/secrets" in where
    assert journal.startswith("The journal of shop@green:\n")
    assert SECRET not in message
    assert {path: text for path, text in site.tree().items() if not path.startswith(kept)} == before
    assert (site.root / "releases/r2/environment").read_text() == (site.root / "live/environment").read_text()
    assert SECRET not in "".join(text for path, text in site.tree().items() if path.startswith(kept))
    assert "site_release: 'r2' is not on this host, which has r1" in site.run("r2")["msg"]
    site.deploy("r3")
    assert not (site.root / "releases/r2").exists()


def test_a_refused_release_that_has_changed_the_database(site: Site) -> None:
    """The message begins with what the live release can no longer do; the release is kept to take that back."""
    site.deploy("r1")
    site.host.behaviours["r2"] = Behaviour(answer=lambda _s: (500, ""))
    python = site.build("r2") / "venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text("")
    demand = {"migration": "depot.0002_colour", "tables": ["depot_bike"], "before": "0001_initial", "backup": "/b/1"}
    (site.root / "demands").write_text(json.dumps([{**demand, "known_by": ["r2"]}]))
    sentences, kept, _journal = site.deploy("r2")["msg"].split("\n\n")
    stays, cause, *more = sentences.splitlines()
    assert stays == (
        "Release r2 is refused, and depot.0002_colour stays applied: until a release that knows it is live, "
        "release r1, which keeps serving, cannot add rows to depot_bike."
    )
    assert cause == "The cause: GET https://shop.example.com/healthz/ returned 500 instead of 200."
    assert more == ["The database from before is /b/1."]
    assert kept.startswith(f"It is kept in {site.root}/releases/r2 until a deploy succeeds. To take back what it did")
    assert kept.endswith("python -m django migrate depot 0001_initial")


@pytest.mark.parametrize(
    ("behaviour", "sentence"),
    [
        (Behaviour(answer=lambda _s: (500, "")), "returned 500 instead of 200: LookupError: no such page."),
        (Behaviour(answer=lambda _s: (404, "")), "returned 404 instead of 200; set site_health_path to"),
        (Behaviour(active="failed", listens=False), "its processes exited right after their start: LookupError: no"),
        (
            Behaviour(home_page=(500, "")),
            "GET https://shop.example.com/ returned 500: LookupError: no such page; correct the home page",
        ),
    ],
    ids=["the page", "another cause", "the start", "the home page"],
)
def test_the_exception_in_the_journal(
    site: Site, monkeypatch: pytest.MonkeyPatch, behaviour: Behaviour, sentence: str
) -> None:
    """It is in the first sentence, which the line "fatal:" repeats."""
    text = "Traceback (most recent call last):\n  File 'x', line 1\nLookupError: no such page"
    monkeypatch.setattr(site.host, "journal", lambda _unit, _since: text)
    site.deploy("r1")
    site.host.behaviours["r2"] = behaviour
    message = site.deploy("r2")["msg"]
    assert sentence in message.split("\n")[0]
    assert message.count("LookupError") == (1 if "404" in sentence else 2)


def test_a_switch_to_a_release_that_does_not_know_the_database(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is made, with a warning."""
    warnings: list[str] = []
    monkeypatch.setattr(module.AnsibleModule, "warn", lambda _self, text: warnings.append(text))
    site.deploy("r1")
    demand = {"migration": "depot.0002_colour", "tables": ["depot_bike"], "before": "0001_initial"}
    (site.root / "demands").write_text(json.dumps([{**demand, "known_by": ["r1"]}]))
    site.deploy("r2")
    assert warnings == [
        "depot.0002_colour stays applied: until a release that knows it is live, release r2, which serves now, cannot "
        "add rows to depot_bike."
    ]


def test_a_release_that_served_is_not_set_aside(site: Site) -> None:
    """It is kept for a rollback as it is."""
    site.deploy("r1")
    site.deploy("r2")
    site.host.behaviours["r1"] = Behaviour(answer=lambda _s: (500, ""))
    assert "site_keep_refused" not in site.deploy("r1", keep_refused=True)["msg"]
    assert (site.root / "releases/r1/release.json").exists()


def test_a_slot_that_cannot_be_written_is_refused(site: Site) -> None:
    """Whatever the reason: a sentence, and everything as it was."""
    site.deploy("r1")
    before = site.tree()
    answer = site.deploy("r2", public={"files/static": "/static", "files": "/media"})
    assert "Release r2 is refused, release r1 keeps serving: " in answer["msg"]
    assert "public/files" in answer["msg"]
    assert "The journal of" not in answer["msg"]
    assert site.tree() == before
    assert site.at_rest()


def test_the_deploy_after_a_refused_one(site: Site) -> None:
    """It finds the slot free."""
    site.deploy("r1")
    site.host.behaviours["r2"] = Behaviour(active="failed", listens=False)
    site.deploy("r2")
    assert site.deploy("r3")["slot"] == "green"
    assert site.serves() == ("green", "r3")
    assert site.at_rest()


# The home page

PAGE = '<link rel="stylesheet" href="/static/app.css"><script src="/static/app.js"></script>'


def test_a_home_page_that_names_a_missing_file(site: Site) -> None:
    """The files are looked up where nginx will serve them from; the cure is a file, or not to care."""
    static = site.root / "static"
    static.mkdir()
    (static / "app.css").touch()
    public = {"public": {"static": str(static)}, "static": "static"}
    site.deploy("r1")
    site.host.behaviours |= dict.fromkeys(("r2", "r3", "r4"), Behaviour(home_page=(200, PAGE)))
    assert (
        "Release r2 is refused, release r1 keeps serving: GET https://shop.example.com/ names /static/app.js, which "
        "does not exist; add what is missing to the project's static files, or set site_health_home_page: false "
        "if nginx_extra_directives serve it."
    ) in site.deploy("r2", **public)["msg"]
    assert site.deploy("r3", **public, health={"host": "shop.example.com", "home_page": False})["slot"] == "green"
    (static / "app.js").touch()
    assert site.deploy("r4", **public)["slot"] == "blue"


def test_all_that_is_wrong_with_a_candidate(site: Site) -> None:
    """Health path, further checks and home page, in one refusal."""
    site.host.behaviours["r1"] = Behaviour(answer=lambda _s: (404, ""), home_page=(500, ""))
    health = {
        "host": "shop.example.com",
        "path": "/healthz/",
        "checks": [{"path": "/api/"}, {"path": "/x/", "status": 404}],
    }
    assert (
        "GET https://shop.example.com/healthz/ returned 404 instead of 200; set site_health_path to a path that "
        "returns 200, or site_health_status to 404.\n"
        "GET https://shop.example.com/api/ returned 404 instead of 200; correct its path or status in "
        "site_health_checks.\n"
        "GET https://shop.example.com/ returned 500; correct the home page, or set site_health_home_page: false."
    ) in site.deploy("r1", health=health)["msg"]


def test_a_slot_that_served_is_not_judged_by_its_home_page(site: Site) -> None:
    """Visitors wait for it; what they get was good enough when it went live."""
    site.host.behaviours["r1"] = Behaviour(home_page=(500, ""))
    essential = {"host": "shop.example.com", "path": "/healthz/", "home_page": False}
    site.deploy("r1", health=essential)
    site.host.stop("shop@blue.service")
    assert "failed" not in site.run("r1")
    site.host.behaviours["r2"] = Behaviour(complaint="no")
    assert "r1 keeps serving" in site.deploy("r2", overlap=False)["msg"]
    assert site.at_rest()


# How long to wait


@pytest.mark.parametrize(
    ("boots", "wrong", "slot"),
    [(0, 4.5, "green"), (0, 5.5, None), (20, 4.5, "green"), (20, 5.5, None), (59.5, 0, "green"), (61, 0, None)],
)
def test_wrong_answers_are_forgiven_for_a_while(site: Site, boots: float, wrong: float, slot: str | None) -> None:
    """Five seconds, counted from the first answer and not from the start, which may take a minute."""

    def answer(seconds: float) -> tuple[int, str | None] | None:
        if seconds < boots:
            return None
        return (503, "") if seconds < boots + wrong else (200, "")

    site.deploy("r1")
    site.host.behaviours["r2"] = Behaviour(answer=answer)
    assert site.deploy("r2", patience=5, boot_timeout=60).get("slot") == slot
    assert site.serves() == (("green", "r2") if slot else ("blue", "r1"))


@pytest.mark.parametrize(("seconds", "serving"), [(0.9, "r2"), (1.2, "r1")])
def test_patience_and_boot_time_are_the_site_s(site: Site, seconds: float, serving: str) -> None:
    """The numbers given count."""
    site.deploy("r1")
    site.host.behaviours["r2"] = Behaviour(answer=lambda now: (200, "") if now >= seconds else (503, ""))
    site.deploy("r2", patience=1, boot_timeout=60)
    assert site.serves()[1] == serving


def test_a_silent_release_is_given_its_boot_time_and_no_more(site: Site) -> None:
    """It waits no longer than the option allows."""
    site.deploy("r1")
    start = site.host.clock.now
    site.host.behaviours["r2"] = Behaviour(listens=False)
    site.deploy("r2", boot_timeout=30)
    assert site.host.clock.now - start == pytest.approx(30, abs=0.2)


def test_the_healthy_status_is_the_site_s(site: Site) -> None:
    """The expected status may be a redirect."""
    site.host.behaviours["r1"] = Behaviour(answer=lambda _s: (302, ""))
    assert site.deploy("r1", health={"host": "shop.example.com", "path": "/old/", "status": 302})["slot"] == "blue"


# What is refused before anything happens


def test_a_release_that_is_not_there(site: Site) -> None:
    """The message names those that are, finished ones only; nothing is touched."""
    site.deploy("r1")
    site.build("r2")
    (site.root / "releases/r3/app").mkdir(parents=True)
    site.host.log.clear()
    before = site.tree()
    answer = site.run("r3")
    assert "site_release: 'r3' is not on this host" in answer["msg"]
    assert "has r1, r2" in answer["msg"]
    assert site.tree() == before
    assert site.host.log == []


def test_no_release_on_an_empty_host(site: Site) -> None:
    """A rollback where nothing was ever live."""
    assert site.run("")["msg"] == "site_release: no release is on this host; deploy one."


def test_a_variable_that_cannot_be_one(site: Site) -> None:
    """Told in a sentence, and nothing is touched."""
    site.deploy("r1")
    before = site.tree()
    answer = site.run("r1", environment={"MY-NAME": "x"})
    assert "site_environment: 'MY-NAME' is not the name" in answer["msg"]
    assert site.tree() == before


@pytest.mark.parametrize("release", ["r2", "r1"], ids=["switch", "settle"])
def test_another_switch_under_way(site: Site, release: str) -> None:
    """One at a time; the second fails, and touches nothing."""
    site.deploy("r1")
    site.build("r2")
    site.hosted.boot_link.unlink()
    site.host.log.clear()
    before = site.tree()
    with (site.root / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        answer = site.run(release)
    assert answer["failed"] is True
    assert f"Another run is working on the site in {site.root}; wait" in answer["msg"]
    assert site.tree() == before
    assert site.host.log == []


def test_the_lock_is_free_again(site: Site) -> None:
    """After a switch, and after a refusal."""
    site.deploy("r1")
    site.host.behaviours["r2"] = Behaviour(complaint="no")
    site.deploy("r2")
    with (site.root / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_switch_that_ended_while_this_one_began(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """What counts is what is live once the lock is had."""
    site.deploy("r1")
    site.build("r2")
    lock = fcntl.flock

    def late(handle: int, operation: int) -> None:
        monkeypatch.setattr(fcntl, "flock", lock)
        module.Switch(
            {
                "files": {},
                "protocol": "http",
                "boot_timeout": 9,
                "patience": 5,
                "drain_timeout": 9,
                "keep": 5,
                "keep_refused": False,
                "overlap": True,
                "watch": None,
                "processes": [],
                "schedules": [],
                "record": {},
            }
            | site.params
            | {"release": "r2", "health": {**ESSENTIAL, "host": "shop"}},
            site.host,
        ).switch()
        lock(handle, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    site.deploy("r3")
    assert site.host.outages == []


def test_the_history_says_who_it_was(site: Site) -> None:
    """Whose run has the site; another run that has lost it changes nothing any more."""
    anna = Holder("anna", "laptop", "", 1_750_000_000)
    DeployLock(site.root).take(anna, 600)
    site.deploy("r1", lock=anna.token)
    assert site.hosted.releases.history()[-1]["by"] == "anna on laptop"
    site.build("r2")
    before = site.tree()
    assert "taken over by anna on laptop" in site.run("r2", lock="another")["msg"]
    assert site.tree() == before
