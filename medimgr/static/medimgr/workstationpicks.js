/* What is selected in the list of workstations: emulators, and workstations as a whole. A workstation's box selects it
   with those of its emulators that are shown. */
"use strict";

(() => {
  const { words, fleetActions } = medimgr;

  medimgr.FleetPicks = class {
    constructor(list, store) {
      Object.assign(this, { list, store });
      this.hosts = new Set();
      this.emulators = new Set();
      this.last = null;
      this.bar = document.getElementById("selection");
      this.all = document.getElementById("pick-all");
      this.all.addEventListener("click", () => this.pickHosts(list.visibleHosts(), this.all.checked));
      document.getElementById("selection-clear").addEventListener("click", () => this.clear());
      this.bar.addEventListener("click", (event) => {
        const button = event.target.closest("[data-batch]");
        if (!button) return;
        const refusal = medimgr.refusal(button);
        if (refusal) medimgr.notice(refusal, { level: "info", seconds: 6 });
        else this.act(button.dataset.batch);
      });
      document.addEventListener("keydown", (event) => { if (event.key === "Escape" && !this.bar.hidden && !event.target.closest("dialog, input:not([type=checkbox]), select")) this.clear(); });
      this.all.disabled = false;
    }

    /** Every workstation that is selected, or has an emulator that is. */
    touched() {
      const ids = new Set(this.hosts);
      for (const id of this.emulators) ids.add(this.store.emulators.get(id).workstation);
      return [...ids];
    }

    act(verb) {
      if (verb === "start" || verb === "stop") fleetActions.onEmulators(this.store, [...this.emulators], verb);
      else fleetActions.onHosts(this.store, this.touched(), verb);
    }

    clear() {
      this.hosts.clear();
      this.emulators.clear();
      this.show();
    }

    pickHosts(ids, on) {
      for (const id of ids) {
        if (on) this.hosts.add(id);
        else this.hosts.delete(id);
        for (const emulator of this.list.visibleEmulators([id])) {
          if (on) this.emulators.add(emulator);
          else this.emulators.delete(emulator);
        }
        if (!on) for (const emulator of this.store.hosts.get(id)?.emulators || []) this.emulators.delete(emulator);
      }
      this.show();
    }

    /** With Shift, everything shown between this one and the last that was clicked. */
    pickEmulator(id, on, range) {
      const visible = this.list.visibleEmulators();
      const [from, to] = [visible.indexOf(this.last), visible.indexOf(id)].sort((a, b) => a - b);
      for (const one of range && from >= 0 ? visible.slice(from, to + 1) : [id]) {
        if (on) this.emulators.add(one);
        else {
          this.emulators.delete(one);
          this.hosts.delete(this.store.emulators.get(one)?.workstation);
        }
      }
      this.last = id;
      this.show();
    }

    forgetEmulator(id) { this.emulators.delete(id); }
    forgetHost(id) { this.hosts.delete(id); }

    show() {
      for (const [id, block] of this.list.blocks) {
        const own = [...block.tiles.keys()].filter((emulator) => this.emulators.has(emulator)).length;
        block.pick.checked = this.hosts.has(id);
        block.pick.indeterminate = !block.pick.checked && own > 0;
        block.root.classList.toggle("picked", block.pick.checked);
        if (!block.equipped) continue;
        for (const [emulator, tile] of block.tiles) {
          const on = this.emulators.has(emulator);
          if (tile.pick.checked !== on) tile.pick.checked = on;
          if (tile.root.classList.contains("picked") !== on) tile.root.classList.toggle("picked", on);
        }
      }
      const visible = this.list.visibleHosts();
      const among = visible.filter((id) => this.hosts.has(id)).length;
      this.all.checked = among > 0 && among === visible.length;
      this.all.indeterminate = !this.all.checked && this.hosts.size + this.emulators.size > 0;
      const touched = this.touched().length;
      this.bar.hidden = !touched;
      if (!touched) return;
      const hosts = words.count(touched, "workstation", "workstations");
      medimgr.setText(document.getElementById("selection-text"), this.emulators.size ? `${words.count(this.emulators.size, "emulator", "emulators")} on ${hosts}` : hosts);
      const { may } = medimgr.page;
      const rights = { start: ["emulator", "launch"], stop: ["emulator", "stop"], scan: ["workstation", "scan"], "test-connection": ["workstation", "test"] };
      for (const button of this.bar.querySelectorAll("[data-batch]")) {
        const [type, right] = rights[button.dataset.batch];
        medimgr.allow(button, !may[type][right] ? fleetActions.lacks(`${right}_${type}`) : type === "emulator" && !this.emulators.size ? "No emulator is selected." : "");
      }
    }
  };
})();
