"""Products and enquiries."""

import uuid

from django.core.validators import FileExtensionValidator
from django.db import models
from django.urls import reverse

from workshop.photographs import at_most_five_megabytes, enquiry_photograph

PHOTOGRAPH_VALIDATORS = (FileExtensionValidator(["jpg", "jpeg", "png", "webp"]), at_most_five_megabytes)


class Product(models.Model):
    """Something on the shelf or on the workbench, with a drawing that ships with the site or a photograph."""

    class Drawing(models.TextChoices):
        """The drawings below static/workshop/drawings."""

        BELL = "bell"
        BICYCLE = "bicycle"
        REPAIR = "repair"
        SADDLE = "saddle"
        SERVICE = "service"
        WHEEL = "wheel"

    name = models.CharField(max_length=80)
    slug = models.SlugField(unique=True)
    summary = models.CharField(max_length=120)
    description = models.TextField()
    price = models.DecimalField(max_digits=8, decimal_places=2)
    drawing = models.CharField(max_length=20, choices=Drawing)
    photograph = models.ImageField(
        upload_to="products/",
        blank=True,
        validators=PHOTOGRAPH_VALIDATORS,
        help_text="Shown instead of the drawing.",
    )
    position = models.PositiveSmallIntegerField(default=0, help_text="Low numbers come first.")

    class Meta:
        """Products appear in the order of the shop window."""

        ordering = ("position", "name")

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        """Return the address of the product's page."""
        return reverse("product", args=[self.slug])

    @property
    def drawing_path(self) -> str:
        """Return the name of the drawing among the static files."""
        return f"workshop/drawings/{self.drawing}.svg"


class Enquiry(models.Model):
    """A visitor's question about a product; its address cannot be guessed, for it shows what they wrote."""

    reference = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="enquiries")
    name = models.CharField("your name", max_length=80)
    email = models.EmailField("your e-mail address")
    message = models.TextField("what can we do for you?", max_length=2000)
    photograph = models.ImageField(
        "a photograph, if it helps",
        upload_to=enquiry_photograph,
        blank=True,
        validators=PHOTOGRAPH_VALIDATORS,
        help_text="JPEG, PNG or WebP, up to 5 MB.",
    )
    received = models.DateTimeField(auto_now_add=True)
    answered = models.BooleanField(default=False)

    class Meta:
        """The newest question comes first."""

        ordering = ("-received",)
        verbose_name_plural = "enquiries"

    def __str__(self) -> str:
        return f"{self.name}: {self.product}"

    def get_absolute_url(self) -> str:
        """Return the address of the receipt."""
        return reverse("enquiry", args=[self.reference])
