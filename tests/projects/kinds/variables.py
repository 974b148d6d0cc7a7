"""Variables that cannot work, have a name that no variable has, or are the user's own."""

from __future__ import annotations

from kind import Kind, Live, Refused

__all__ = ["KINDS"]

KINDS = [
    Kind(
        "three_bad_variables",
        Refused(
            shows=("site_workers", "0", "site_health_path", "healthz", "site_upload_limit", "ten megabytes"),
            untouched=True,
        ),
        variables={"site_workers": 0, "site_health_path": "healthz", "site_upload_limit": "ten megabytes"},
        host="web12",
    ),
    Kind(
        "misspelt_variables",
        Refused(shows=("site_heath_path", "site_health_path", "site_worker", "site_workers"), untouched=True),
        variables={"site_heath_path": "/healthz/", "site_worker": 2},
        host="web12",
    ),
    Kind(
        "the_users_own_variable",
        Live(visits=(), shows=("site_contact", "site_custom_variables"), warns=True),
        variables={"site_contact": "ops@example.com"},
        playbook="plan",
        host="web12",
    ),
    Kind(
        "the_users_own_variable_is_listed",
        Live(visits=(), never=("site_contact",)),
        variables={"site_contact": "ops@example.com", "site_custom_variables": ["site_contact"]},
        playbook="plan",
        host="web12",
    ),
    Kind(
        "an_account_of_ones_own",
        Refused(shows=("site_user", "site_name"), untouched=True),
        variables={"site_user": "deploy"},
        host="web12",
    ),
]
