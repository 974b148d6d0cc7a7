"""The entry point of WSGI servers."""

import os

from django.core.wsgi import get_wsgi_application

import shop.slow_import  # noqa: F401 - importing it is what takes the time

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")

application = get_wsgi_application()
