"""What visitors and the deployer ask for."""

from django.urls import path

from workshop import views

urlpatterns = [
    path("", views.home, name="home"),
    path("products/<slug:slug>/", views.product, name="product"),
    path("enquiries/<uuid:reference>/", views.enquiry, name="enquiry"),
    path("healthz/", views.healthz, name="healthz"),
]
