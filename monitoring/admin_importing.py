"""The admin's page for importing services: upload or paste, look at the difference, confirm."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.urls.resolvers import URLPattern

from medimgr.lib.access import may_everywhere
from medimgr.lib.admin_classes import ScopedAdmin
from monitoring.import_requests import import_sent, request_restarts
from monitoring.importers import telling
from monitoring.importers.faults import ImportProblem
from monitoring.importers.formats import FORMATS, Format
from monitoring.importers.importing import Import
from monitoring.importers.sources import Options, Source, from_bytes
from monitoring.models import Service
from operations.request_origin import requester_of

LARGEST_UPLOAD = 1024 * 1024
MOST_FILES = 20
_TEMPLATE = "admin/monitoring/service/import.html"
_GUESS = "what it looks like"


class ImportForm(forms.Form):
    """What to import, and how."""

    format = forms.ChoiceField(
        choices=[("", _GUESS), *((name, name) for name in FORMATS)], required=False, label="Format"
    )
    name = forms.CharField(
        max_length=200, required=False, label="File name", help_text="Of a pasted text, such as web.service."
    )
    text = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 16, "class": "vLargeTextField", "spellcheck": "false"}),
        required=False,
        max_length=LARGEST_UPLOAD,
        strip=False,
        label="Text",
    )
    node = forms.CharField(max_length=63, required=False, help_text="This machine's where it is left empty.")
    directory = forms.CharField(
        max_length=500, required=False, help_text="Where the file stands on the node, such as /srv/app."
    )
    env = forms.CharField(
        max_length=63, required=False, label="PM2 environment", help_text="Takes env_NAME too."
    )
    restart = forms.BooleanField(required=False, label="Restart what needs it to apply")


class ImportingServices(ScopedAdmin[Service]):
    """Adds the page to the services' admin."""

    def get_urls(self) -> list[URLPattern]:
        """Return the URLs with that of the import before them, since the others take any word as a key."""
        view = self.admin_site.admin_view(self.import_view)
        return [path("import/", view, name="monitoring_service_import"), *super().get_urls()]

    def may_import(self, request: HttpRequest) -> bool:
        """Return whether the user may add and change every service that there is or could be."""
        return all(may_everywhere(request.user, verb, Service) for verb in ("add", "change"))

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Show the list, with a link to the page for who may import."""
        return super().changelist_view(
            request, {**(extra_context or {}), "may_import": self.may_import(request)}
        )

    def import_view(self, request: HttpRequest) -> HttpResponse:
        """Show the form; on a POST the difference; on one that confirms, import and go to the list."""
        if not self.may_import(request):
            raise PermissionDenied
        form = ImportForm(request.POST if request.method == "POST" else None)
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "title": "Import services",
            "opts": self.opts,
            "media": self.media,
            "form": form,
            "may_restart": may_everywhere(request.user, "restart", Service),
        }
        if request.method == "POST" and form.is_valid():
            answer = self._import(request, form, context)
            if answer is not None:
                return answer
        request.current_app = self.admin_site.name
        # Never cached, as all of the admin: it may show a text that was pasted, with values of variables.
        return TemplateResponse(request, _TEMPLATE, context)

    def _import(self, request: HttpRequest, form: ImportForm, context: dict[str, Any]) -> HttpResponse | None:
        confirmed = "confirmed" in request.POST
        try:
            sources = _sources(request, form)
            done = import_sent(
                sources,
                _format(form),
                Options(env=form.cleaned_data["env"]),
                node=form.cleaned_data["node"] or settings.MEDIMGR_NODE,
                dry_run=not confirmed,
                requester=requester_of(request, "admin"),
            )
        except ImportProblem as problem:
            context["faults"] = problem.faults
            return None
        if confirmed:
            self._tell(request, done, restart=form.cleaned_data["restart"])
            return HttpResponseRedirect(reverse("admin:monitoring_service_changelist"))
        context |= {
            "title": "Import these services?",
            "sources": sources,
            "changes": [_shown(change) for change in done.changes],
            "summary": telling.summary(done.changes, dry_run=True),
            "not_mapped": [remark for remark in done.remarks if not remark.mapped],
            "notes": [remark for remark in done.remarks if remark.mapped],
            "to_restart": done.to_restart,
        }
        return None

    def _tell(self, request: HttpRequest, done: Import, *, restart: bool) -> None:
        self.message_user(request, telling.summary(done.changes, dry_run=False), messages.SUCCESS)
        if not done.to_restart:
            return
        if restart and may_everywhere(request.user, "restart", Service):
            batch = request_restarts(done, requester_of(request, "admin"))
            keys = ", ".join(operation.target_key for operation in batch.operations)
            if keys:
                self.message_user(request, f"Restarts were asked for: {keys}.", messages.SUCCESS)
            for refusal in batch.refused:
                message = f"Restart {refusal.service}: refused. {refusal.detail}"
                self.message_user(request, message, messages.ERROR)
        else:
            message = f"Restart to apply: {', '.join(done.to_restart)}."
            self.message_user(request, message, messages.WARNING)


def _shown(change: Any) -> dict[str, Any]:
    rows = [row | {"effect": telling.effect(row["restart"])} for row in telling.fields(change)]
    return {"key": change.key, "what": change.what, "rows": rows, "created": change.what == "created"}


def _format(form: ImportForm) -> Format | None:
    chosen = form.cleaned_data["format"]
    return next((name for name in FORMATS if name == chosen), None)


def _sources(request: HttpRequest, form: ImportForm) -> list[Source]:
    """Return what was uploaded, pasted, or carried over from the page that showed the difference."""
    directory = form.cleaned_data["directory"].rstrip("/")
    uploads = [file for file in request.FILES.getlist("file") if isinstance(file, UploadedFile)]
    names, texts = request.POST.getlist("source_name"), request.POST.getlist("source_text")
    found = [Source(name, text, directory) for name, text in zip(names, texts, strict=False)]
    if uploads:
        found = [_uploaded(file, directory) for file in uploads[: MOST_FILES + 1]]
    elif form.cleaned_data["text"].strip():
        # A browser sends lines that end as on Windows.
        text = form.cleaned_data["text"].replace("\r\n", "\n")
        found = [Source(form.cleaned_data["name"] or "the text", text, directory)]
    return found


def _uploaded(file: UploadedFile, directory: str) -> Source:
    content = file.read(LARGEST_UPLOAD + 1)
    return from_bytes(file.name or "file", content, directory=directory, largest=LARGEST_UPLOAD)
