"""The entry point of ASGI servers."""

import os
from typing import Any

from django.core.asgi import get_asgi_application

import shop.slow_import  # noqa: F401 - importing it is what takes the time

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")

pages = get_asgi_application()

from django.conf import settings  # noqa: E402 - they are ready now
from exercise import live  # noqa: E402


async def application(scope: dict[str, Any], receive: live.Receive, send: live.Send) -> None:
    """Serve pages by Django and, in load tests, WebSockets."""
    if scope["type"] == "websocket" and settings.EXERCISE:
        await live.serve(scope, receive, send)
    else:
        await pages(scope, receive, send)
