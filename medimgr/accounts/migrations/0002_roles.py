"""Makes room for the groups of the three roles, which are made after each migration (accounts.roles).

A group that an installation has already under one of these names keeps its members and permissions under
another: nobody may do more than before because of a name.
"""

from typing import Any

from django.db import migrations

ROLES = ("viewer", "operator", "administrator")


def make_room(apps: Any, schema_editor: Any) -> None:
    """Rename what is in the way."""
    groups = apps.get_model("auth", "Group").objects.using(schema_editor.connection.alias)
    for group in groups.filter(name__in=ROLES):
        name, number = f"{group.name} (before roles)", 2
        while groups.filter(name=name).exists():
            name, number = f"{group.name} (before roles {number})", number + 1
        group.name = name
        group.save(update_fields=["name"])


class Migration(migrations.Migration):
    """Needs the groups of Django alone."""

    dependencies = [("accounts", "0001_initial")]

    operations = [migrations.RunPython(make_room, migrations.RunPython.noop)]
