"""The entry point of ASGI servers."""

import os

from django.core.asgi import get_asgi_application

import shop.slow_import  # noqa: F401 - importing it is what takes the time

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")

application = get_asgi_application()
