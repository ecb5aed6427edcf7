"""Administration of accounts and groups: Django's own, with scopes, and nobody gives more than he has."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, Permission, User
from django.db.models import ManyToManyField, Model
from django.http import HttpRequest

from medimgr.accounts.models import AccountScope
from medimgr.accounts.rank import groups_to_give, may_manage_accounts, outranks, permissions_held
from medimgr.accounts.scope_form import ScopeForm
from medimgr.lib.roles import Role

if TYPE_CHECKING:
    StackedInline = admin.StackedInline[AccountScope, Any]
    Users = UserAdmin[User]
else:
    StackedInline = admin.StackedInline
    Users = UserAdmin


class ScopeInline(StackedInline):
    """What an account, or the members of a group, are limited to. None: to nothing but permissions."""

    model = AccountScope
    form = ScopeForm
    extra = 0
    max_num = 1
    verbose_name_plural = "limited to services and workstations"
    classes = ("scope",)


def _held_as_choice(field: Any, request: HttpRequest) -> Any:
    """Let a field offer what the user may give himself."""
    user = request.user
    if isinstance(user, User) and field is not None and not user.is_superuser:
        if field.queryset.model is Permission:
            field.queryset = field.queryset.filter(pk__in=permissions_held(user).values("pk"))
        elif field.queryset.model is Group:
            field.queryset = groups_to_give(user)
    return field


class _Unlimited:
    """For who is not limited to some groups and tags: others could lift their own limits here."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Return whether the index shows it."""
        return super().has_module_permission(request) and may_manage_accounts(request.user)  # type: ignore[misc]

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Return whether the user may look."""
        return super().has_view_permission(request, obj) and may_manage_accounts(request.user)  # type: ignore[misc]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may add one."""
        return super().has_add_permission(request) and may_manage_accounts(request.user)  # type: ignore[misc]

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Return whether the user may change it."""
        return super().has_change_permission(request, obj) and self._may_manage(request, obj)  # type: ignore[misc]

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Return whether the user may delete it."""
        return super().has_delete_permission(request, obj) and self._may_manage(request, obj)  # type: ignore[misc]

    def _may_manage(self, request: HttpRequest, obj: Model | None) -> bool:
        user = request.user
        if not (isinstance(user, User) and may_manage_accounts(user)):
            return False
        if isinstance(obj, User):
            return outranks(user, obj)
        return obj is None or groups_to_give(user).filter(pk=obj.pk).exists()


class AccountAdmin(_Unlimited, Users):
    """Accounts, with their scope."""

    inlines = (ScopeInline,)
    list_display = ("username", "first_name", "last_name", "email", "roles", "is_active", "is_staff")

    def get_queryset(self, request: HttpRequest) -> Any:
        """Return the accounts with their groups, in two queries."""
        return super().get_queryset(request).prefetch_related("groups")

    @admin.display(description="Groups")
    def roles(self, user: User) -> str:
        """Return the groups, a superuser's first of all that."""
        names = [group.name for group in user.groups.all()]
        return ", ".join(["superuser", *names] if user.is_superuser else names)

    def get_inlines(self, request: HttpRequest, obj: User | None) -> Any:
        """Return the scope's form for who is there already and is no superuser, whom nothing limits."""
        return () if obj is None or obj.is_superuser else super().get_inlines(request, obj)

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Return what can't be changed: only a superuser makes another."""
        fixed = super().get_readonly_fields(request, obj)
        return fixed if getattr(request.user, "is_superuser", False) else (*fixed, "is_superuser")

    def formfield_for_manytomany(
        self, db_field: "ManyToManyField[Any, Any]", request: HttpRequest, **options: Any
    ) -> Any:
        """Return the field with what the user may give."""
        return _held_as_choice(super().formfield_for_manytomany(db_field, request, **options), request)


class RoleAdmin(_Unlimited, GroupAdmin):
    """Groups, with their scope. Those of the roles are medimgr's: only their scope is set here."""

    inlines = (ScopeInline,)

    def get_inlines(self, request: HttpRequest, obj: Group | None) -> Any:
        """Return the scope's form for a group that is there already."""
        return super().get_inlines(request, obj) if obj is not None else ()

    def get_readonly_fields(self, request: HttpRequest, obj: Group | None = None) -> Any:
        """Return what can't be changed."""
        return ("name", "permissions") if _is_role(obj) else super().get_readonly_fields(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Refuse for the roles, which would come back."""
        return super().has_delete_permission(request, obj) and not _is_role(obj)

    def formfield_for_manytomany(
        self, db_field: "ManyToManyField[Any, Any]", request: Any, **options: Any
    ) -> Any:
        """Return the field with what the user may give."""
        return _held_as_choice(super().formfield_for_manytomany(db_field, request, **options), request)


def _is_role(group: Model | None) -> bool:
    return isinstance(group, Group) and group.name in list(Role)


admin.site.unregister(User)
admin.site.unregister(Group)
admin.site.register(User, AccountAdmin)
admin.site.register(Group, RoleAdmin)
