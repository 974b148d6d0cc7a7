"""Addresses under /exercise/, present only with SHOP_EXERCISE=1."""

from django.urls import path

from exercise import views

urlpatterns = [
    path("fast/", views.fast),
    path("wait/", views.wait),
    path("echo/", views.echo),
    path("events/", views.events),
    path("hang/", views.hang),
    path("headers/", views.headers),
    path("fail/", views.fail),
    path("fail-later/", views.fail_later),
    path("later/", views.later),
    path("log/<int:first>/", views.log),
    path("memory/", views.memory),
    path("seen/", views.seen),
    path("stream/", views.stream),
    path("cpu/", views.cpu),
    path("query/", views.query),
    path("request/", views.work),
]
