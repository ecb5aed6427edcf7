/* The dialogs of the actions that take something: they stay open with the fault beside its field until it is accepted. */
"use strict";

(() => {
  const { fleetActions } = medimgr;

  /** Open a dialog; values: what its fields begin with; send(body): raises ApiError. Resolves when it closes. */
  function open(name, { of, typed = null, values = {}, send }) {
    const dialog = document.getElementById(`form-${name}`);
    const form = dialog.querySelector("form");
    const go = form.querySelector("[type=submit]");
    const fields = [...form.querySelectorAll("[name]")];
    const check = form.querySelector("[data-typed]");
    form.reset();
    for (const field of fields) field.value = values[field.name] ?? "";
    form.querySelector("[data-of]").textContent = of;
    if (check) form.querySelector("[data-typed-title]").textContent = typed;
    showFaults(form, {}, "");
    go.disabled = false;

    async function submit(event) {
      event.preventDefault();
      if (check && check.value.trim() !== typed) { showFaults(form, { typed: ["That is not its title."] }, ""); check.focus(); return; }
      const body = {};
      for (const field of fields) {
        const text = field.value.trim();
        if (!text && field.name !== "title") continue;
        // What is no number goes as it is: the server says what is wrong with it.
        body[field.name] = "number" in field.dataset && /^\d{1,9}$/.test(text) ? Number(text) : field.name === "title" ? field.value : text;
      }
      go.disabled = true;
      try {
        await send(body);
        dialog.close();
      } catch (error) {
        showFaults(form, error.errors || {}, error.message);
        form.querySelector("[aria-invalid=true]")?.focus();
      } finally {
        go.disabled = false;
      }
    }
    const cancel = () => dialog.close();
    form.addEventListener("submit", submit);
    form.querySelector("[data-cancel]").addEventListener("click", cancel);
    dialog.showModal();
    (check || fields[0]).focus();
    if (fields[0].select && !check) fields[0].select();
    return new Promise((resolve) => {
      dialog.addEventListener("close", () => {
        form.removeEventListener("submit", submit);
        form.querySelector("[data-cancel]").removeEventListener("click", cancel);
        resolve();
      }, { once: true });
    });
  }

  /** errors: sentences by field, as the API names them; what is of no field here is said below. */
  function showFaults(form, errors, message) {
    const told = new Set();
    for (const place of form.querySelectorAll("[data-fault]")) {
      const name = place.dataset.fault;
      const said = Object.entries(errors).filter(([field]) => field.split(".").at(-1) === name).flatMap(([field, sentences]) => { told.add(field); return sentences; });
      place.textContent = said.join(" ");
      const field = place.parentElement.querySelector("input, select");
      if (said.length) field.setAttribute("aria-invalid", "true");
      else field.removeAttribute("aria-invalid");
    }
    form.querySelector("[data-fault-of-all]").textContent = told.size && told.size === Object.keys(errors).length ? "" : message;
  }

  /** Ask for an action on an emulator that takes something. */
  medimgr.askForEmulator = (store, item, verb) => open(verb, {
    of: item.title,
    typed: item.title.trim(),
    values: verb === "rename" ? { title: item.title } : verb === "modify" ? { cpu: item.cpu, memory_mb: item.memory_mb, width: item.width, height: item.height, dpi: item.dpi } : {},
    send: (body) => fleetActions.askEmulator(store, item, verb, body),
  });

  medimgr.askForNewEmulator = (store, host) => open("create", { of: host.name, send: (body) => fleetActions.askHost(store, host, "create-emulator", body) });

  medimgr.TAKES_SOMETHING = new Set(["rename", "clone", "modify", "install-app", "delete"]);
})();
