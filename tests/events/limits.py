"""What tests of limited streams share: scopes, limited accounts, and machines' tokens."""

from collections.abc import Sequence

from django.contrib.auth.models import User

from medimgr.accounts.machine_tokens import Issuer, issue
from medimgr.accounts.models import AccountScope
from medimgr.lib.scope import Scope, group_label, tag_labels


def reaching(*groups: str, tags: Sequence[str] = (), sees_everything: bool = False) -> Scope:
    """Return the scope that reaches services in ``groups`` and workstations with ``tags``."""
    return Scope(tag_labels(tags).union(*map(group_label, groups)), sees_everything=sees_everything)


def limit(user: User, *groups: str, tags: Sequence[str] = (), sees_everything: bool = False) -> None:
    """Limit an account to services in ``groups`` and workstations with ``tags``, and to nothing else."""
    AccountScope.objects.update_or_create(
        user=user,
        defaults={
            "service_groups": list(groups),
            "workstation_tags": list(tags),
            "sees_everything": sees_everything,
        },
    )


def machine_token(user: User, *permissions: str, name: str = "", groups: Sequence[str] = ()) -> str:
    """Return a new machine's token of ``user``, by default one that may look at services."""
    issued = issue(
        name or f"token {user} {len(permissions)} {','.join(groups)}",
        user,
        Issuer("test", "command"),
        permissions=permissions or ("monitoring.view_service",),
        groups=groups,
        days=1,
    )
    return issued.token
