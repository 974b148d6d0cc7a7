"""Addresses of the site."""

from django.conf import settings
from django.conf.urls.static import static
from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("", include("workshop.urls")),
    path("admin/", admin.site.urls),
    # Only while DEBUG is on; the web server does this in production.
    *static(settings.MEDIA_URL, document_root=settings.MEDIA_ROOT),
]
if settings.EXERCISE:
    urlpatterns.append(path("exercise/", include("exercise.urls")))
