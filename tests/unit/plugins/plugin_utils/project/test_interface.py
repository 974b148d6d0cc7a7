"""Which sources are served by ASGI."""

from __future__ import annotations

from typing import Any

import pytest
from inspected import WSGI, inspect, proposed, with_settings

ASGI = WSGI.replace("wsgi", "asgi")
SOCKETS = ASGI + 'application = ProtocolTypeRouter({"http": application, "websocket": URLRouter([])})\n'


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        # Every project of startproject has one.
        ({"shop/asgi.py": ASGI}, {}),
        ({"shop/asgi.py": SOCKETS}, {"site_interface": "asgi"}),
        ({"shop/wsgi.py": None, "shop/asgi.py": ASGI}, {"site_interface": "asgi"}),
        (
            {"shop/wsgi.py": None, "site/asgi_live.py": ASGI},
            {"site_interface": "asgi", "site_asgi_application": "site.asgi_live:application"},
        ),
        ({"shop/asgi.py": ASGI, "Procfile": "web: daphne shop.asgi:application\n"}, {"site_interface": "asgi"}),
        (
            {"shop/asgi.py": ASGI, "Dockerfile": 'RUN pip install uvicorn\nCMD ["uvicorn", "shop.asgi:application"]\n'},
            {"site_interface": "asgi"},
        ),
        ({"shop/asgi.py": ASGI, "Dockerfile": "CMD granian --interface wsgi shop.asgi:application\n"}, {}),
        ({"shop/asgi.py": ASGI, "run-dev.sh": "uvicorn shop.asgi:application\n"}, {}),
        (
            {"shop/asgi.py": ASGI, "shop/views.py": "async def events(r):\n    return R(type='text/event-stream')\n"},
            {"site_interface": "asgi"},
        ),
        ({"shop/asgi.py": ASGI, "shop/views.py": "def events(r):\n    return R(type='text/event-stream')\n"}, {}),
    ],
)
def test_the_interface(files: dict[str, Any], expected: dict[str, str]) -> None:
    inspection = inspect(files)
    found = proposed(inspection)
    names = ("site_interface", "site_asgi_application", "site_wsgi_application")
    assert {name: found[name] for name in names if name in found} == expected
    assert inspection.questions == []


@pytest.mark.parametrize("app", ["channels", "daphne"])
def test_installed_apps(app: str) -> None:
    text = f"INSTALLED_APPS += ['{app}']\nASGI_APPLICATION = 'shop.asgi.application'\n"
    inspection = with_settings(text, **{"shop/asgi.py": ASGI})
    assert proposed(inspection)["site_interface"] == "asgi"
    assert "site_asgi_application" not in proposed(inspection)


def test_what_the_user_has_set() -> None:
    found = proposed(inspect({"shop/asgi.py": SOCKETS}, site_interface="wsgi"))
    assert not {"site_interface", "site_asgi_application"} & set(found)
    found = proposed(inspect({"shop/wsgi.py": None, "web/asgi.py": ASGI}, site_interface="asgi"))
    assert found["site_asgi_application"] == "web.asgi:application"


def test_the_reason_and_its_place() -> None:
    (finding,) = [one for one in inspect({"shop/asgi.py": SOCKETS}).findings if one.variable == "site_interface"]
    assert str(finding) == "the application serves WebSockets (shop/asgi.py, line 5)"
