"""Keeps the groups of the three roles as they are declared, whenever the database is migrated.

The groups called ``viewer``, ``operator`` and ``administrator`` are medimgr's own: what was added to them or
taken from them by hand is put right. All other groups are left alone.
"""

from typing import Any

from django.apps import AppConfig
from django.apps import apps as installed
from django.db import transaction

from medimgr.lib.roles import Role, permissions_of


def keep_roles(app_config: AppConfig, using: str = "default", apps: Any = installed, **_signal: Any) -> None:
    """Give the group of each role its permissions and no others.

    Answers Django's ``post_migrate``, which comes once for each app, after its permissions were made: the
    last app's is the one. Three queries where nothing is to be done; writes what differs alone, in one
    transaction.
    """
    if app_config.label != _last_app():
        return
    try:
        groups, permissions = apps.get_model("auth", "Group"), apps.get_model("auth", "Permission")
    except LookupError:  # migrated back to before there were any
        return
    with transaction.atomic(using=using):
        rows = permissions.objects.using(using).values_list("content_type__app_label", "codename", "pk")
        ids = {f"{app}.{codename}": pk for app, codename, pk in rows}
        present = {group.name: group for group in groups.objects.using(using).filter(name__in=list(Role))}
        through = groups.permissions.through.objects.using(using)
        held = set(through.filter(group__name__in=list(Role)).values_list("group__name", "permission_id"))
        for role in Role:
            group = present.get(role) or groups.objects.using(using).create(name=role.value)
            due = {ids[name] for name in permissions_of(role) if name in ids}
            has = {pk for name, pk in held if name == role}
            through.bulk_create(
                [through.model(group_id=group.pk, permission_id=pk) for pk in sorted(due - has)],
                ignore_conflicts=True,  # two that migrate at once
            )
            if has - due:
                through.filter(group_id=group.pk, permission_id__in=has - due).delete()


def _last_app() -> str:
    return [app.label for app in installed.get_app_configs() if app.models_module is not None][-1]
