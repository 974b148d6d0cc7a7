"""One address, for visitors and for whoever asks whether the site is healthy."""

import os

from django.conf import settings
from django.http import HttpRequest, JsonResponse
from django.urls import path
from runs.models import Job


def home(request: HttpRequest) -> JsonResponse:
    """Say which release and process answers, after a query."""
    return JsonResponse({"jobs": Job.objects.count(), "release": settings.RELEASE, "pid": os.getpid()})


urlpatterns = [path("", home)]
