/* The table of a workstation's emulators: the live twin of _emulator.html, with its selection. */
"use strict";

(() => {
  const { words, actions, fleet, fleetActions } = medimgr;

  class Row {
    constructor(root) {
      this.root = root;
      this.fields = {};
      for (const node of root.querySelectorAll("[data-field]")) this.fields[node.dataset.field] = node;
      this.pick = root.querySelector("[data-pick]");
      this.pick.disabled = false;
      this.buttons = root.querySelectorAll("[data-action]");
    }

    show(store, item) {
      const { root, fields } = this;
      medimgr.setAttribute(root, "data-state", item.state);
      medimgr.setText(fields.index, String(item.index));
      medimgr.setText(fields.title, item.title);
      medimgr.setText(fields.serial, item.adb_serial);
      medimgr.setText(fields.size, item.width ? `${item.width}×${item.height}, ${item.dpi} dpi` : words.NOTHING);
      medimgr.setText(fields.cpu, item.cpu === null ? words.NOTHING : String(item.cpu));
      medimgr.setText(fields.memory, item.memory_mb ? `${item.memory_mb} MB` : words.NOTHING);
      medimgr.setText(fields.pid, item.pid === null ? words.NOTHING : String(item.pid));
      medimgr.setAttribute(fields.pid, "title", item.vbox_pid === null ? "" : `virtual machine: ${item.vbox_pid}`);
      medimgr.setAttribute(this.pick, "aria-label", `Select ${item.title}`);
      medimgr.setAttribute(root.querySelector("summary"), "aria-label", `More: ${item.title}`);
      for (const button of this.buttons) {
        medimgr.setAttribute(button, "aria-label", `${button.textContent}: ${item.title}`);
        medimgr.allow(button, fleetActions.emulatorWhyNot(store, item, button.dataset.action));
      }
      this.tick(item);
    }

    /** What changes by the clock alone. */
    tick(item) {
      medimgr.setText(this.fields.said, fleet.stateWords(item.state, item.state_since));
      actions.showProgress(this.fields.progress, item);
    }
  }

  medimgr.EmulatorTable = class {
    constructor(table, store) {
      Object.assign(this, { table, store, body: table.tBodies[0] });
      this.rows = new Map();
      this.last = null;
      for (const row of this.body.querySelectorAll("tr.emulator")) this.rows.set(Number(row.dataset.emulator), new Row(row));
      this.all = document.getElementById("pick-all");
      this.bar = document.getElementById("selection");
      this.all.addEventListener("click", () => { for (const { pick } of this.rows.values()) pick.checked = this.all.checked; this.showPicked(); });
      this.body.addEventListener("click", (event) => this.onClick(event));
      document.getElementById("selection-clear").addEventListener("click", () => { for (const { pick } of this.rows.values()) pick.checked = false; this.showPicked(); });
      this.bar.addEventListener("click", (event) => {
        const button = event.target.closest("[data-batch]");
        if (!button) return;
        const refusal = medimgr.refusal(button);
        if (refusal) medimgr.notice(refusal, { level: "info", seconds: 6 });
        else fleetActions.onEmulators(store, this.picked(), button.dataset.batch);
      });
      // A menu closes where something else is pressed, and by Escape.
      document.addEventListener("click", (event) => { for (const menu of document.querySelectorAll(".menu[open]")) if (!menu.contains(event.target) || event.target.closest(".menu-items button")) menu.open = false; });
      document.addEventListener("keydown", (event) => {
        const menu = event.key === "Escape" && document.querySelector(".menu[open]");
        if (!menu) return;
        menu.open = false;
        menu.querySelector("summary").focus();
      });
    }

    show(id) {
      const item = this.store.emulators.get(id);
      if (item) (this.rows.get(id) || this.add(item)).show(this.store, item);
    }

    add(item) {
      const root = document.getElementById("emulator-template").content.firstElementChild.cloneNode(true);
      root.dataset.emulator = item.id;
      root.id = `emulator-${item.id}`;
      const row = new Row(root);
      const after = [...this.rows.keys()].map((id) => this.store.emulators.get(id)).filter((other) => other && other.index > item.index).sort((a, b) => a.index - b.index)[0];
      if (after) this.rows.get(after.id).root.before(root);
      else this.body.append(root);
      this.rows.set(item.id, row);
      return row;
    }

    remove(id) {
      this.rows.get(id)?.root.remove();
      this.rows.delete(id);
      this.showPicked();
    }

    tick() {
      for (const [id, row] of this.rows) if (this.store.emulators.has(id)) row.tick(this.store.emulators.get(id));
    }

    picked() { return [...this.rows].filter(([, { pick }]) => pick.checked).map(([id]) => id); }

    onClick(event) {
      const id = Number(event.target.closest("tr")?.dataset.emulator);
      if (event.target.matches("[data-pick]")) {
        const boxes = [...this.body.querySelectorAll("[data-pick]")];
        const [from, to] = [boxes.indexOf(this.last), boxes.indexOf(event.target)].sort((a, b) => a - b);
        if (event.shiftKey && from >= 0) for (const box of boxes.slice(from, to + 1)) box.checked = event.target.checked;
        this.last = event.target;
        this.showPicked();
        return;
      }
      const button = event.target.closest("[data-action]");
      const item = this.store.emulators.get(id);
      if (!button || !item) return;
      const refusal = medimgr.refusal(button);
      if (refusal) medimgr.notice(refusal, { level: "info", seconds: 6 });
      else if (medimgr.TAKES_SOMETHING.has(button.dataset.action)) medimgr.askForEmulator(this.store, item, button.dataset.action);
      else fleetActions.onEmulators(this.store, [id], button.dataset.action);
    }

    showPicked() {
      const picked = this.picked().length;
      for (const { root, pick } of this.rows.values()) root.classList.toggle("picked", pick.checked);
      this.all.disabled = !this.rows.size;
      this.all.checked = picked > 0 && picked === this.rows.size;
      this.all.indeterminate = picked > 0 && picked < this.rows.size;
      this.bar.hidden = !picked;
      medimgr.setText(document.getElementById("selection-text"), `${picked} selected`);
      for (const button of this.bar.querySelectorAll("[data-batch]")) {
        const { right } = fleetActions.EMULATOR_RIGHTS[button.dataset.batch];
        medimgr.allow(button, medimgr.page.may.emulator[right] ? "" : fleetActions.lacks(`${right}_emulator`));
      }
    }
  };
})();
