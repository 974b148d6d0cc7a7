"""The form below each product."""

from django import forms

from workshop.models import Enquiry


class EnquiryForm(forms.ModelForm):
    """What a visitor tells us; the product is the one whose page they are on."""

    class Meta:
        """Fields in the order in which one would say it."""

        model = Enquiry
        fields = ("name", "email", "message", "photograph")
        widgets = {  # noqa: RUF012 - Django reads it once
            "name": forms.TextInput({"autocomplete": "name"}),
            "email": forms.EmailInput({"autocomplete": "email"}),
            "message": forms.Textarea({"rows": 5}),
            "photograph": forms.FileInput({"accept": "image/jpeg,image/png,image/webp"}),
        }
