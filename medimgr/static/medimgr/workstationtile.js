/* A workstation with its emulators in the list of all: the live twin of _host.html. A tile gets its controls when its
   workstation comes into sight for the first time: there may be thousands. */
"use strict";

(() => {
  const { words, actions, fleet, fleetActions } = medimgr;

  class Tile {
    constructor(root) {
      this.root = root;
      this.link = root.querySelector("a");
      this.said = root.querySelector(".sub");
      this.pick = null;
    }

    equip() {
      if (this.pick) return;
      this.pick = document.createElement("input");
      this.pick.type = "checkbox";
      this.pick.dataset.pick = "";
      this.pick.autocomplete = "off";
      this.button = document.createElement("button");
      this.button.type = "button";
      this.button.className = "small";
      this.progress = document.createElement("span");
      this.progress.className = "sub progress";
      this.root.prepend(this.pick);
      this.root.append(this.button, this.progress);
    }

    show(store, item, picked) {
      const { root } = this;
      medimgr.setAttribute(root, "data-state", item.state);
      medimgr.setText(this.link, item.title);
      if (!this.pick) { this.tick(item); return; }
      medimgr.setAttribute(this.link, "title", `${item.title}, index ${item.index}`);
      medimgr.setAttribute(this.pick, "aria-label", `Select ${item.title}`);
      if (this.pick.checked !== picked) this.pick.checked = picked;
      root.classList.toggle("picked", picked);
      const begun = item.operation && actions.verbOf(item.operation) !== "stop"; // then Stop is what can be wanted
      const starts = !begun && (item.state === "stopped" || item.state === "unknown");
      const verb = starts ? "start" : "stop";
      medimgr.setAttribute(this.button, "data-action", verb);
      medimgr.setText(this.button, starts ? "Start" : "Stop");
      medimgr.setAttribute(this.button, "aria-label", `${starts ? "Start" : "Stop"}: ${item.title}`);
      medimgr.allow(this.button, fleetActions.emulatorWhyNot(store, item, verb));
      this.tick(item);
    }

    /** What changes by the clock alone. */
    tick(item) {
      if (this.pick) {
        const busy = Boolean(actions.progressOf(item).text);
        actions.showProgress(this.progress, item);
        if (this.said.hidden !== busy) this.said.hidden = busy;
        if (busy) return;
      }
      medimgr.setText(this.said, fleet.stateWords(item.state, item.state_since));
    }
  }

  medimgr.HostBlock = class {
    constructor(root) {
      this.root = root;
      this.fields = {};
      for (const node of root.querySelectorAll("[data-field]")) this.fields[node.dataset.field] = node;
      this.list = root.querySelector(".tiles");
      this.pick = root.querySelector("[data-pick-host]");
      this.buttons = root.querySelectorAll("[data-host-action]");
      this.tiles = new Map();
      for (const tile of this.list.querySelectorAll("[data-emulator]")) this.tiles.set(Number(tile.dataset.emulator), new Tile(tile));
      this.inSight = false;
      this.equipped = false;
    }

    /** Make a block for a workstation that was declared since. */
    static create(host) {
      const root = document.getElementById("host-template").content.firstElementChild.cloneNode(true);
      root.dataset.workstation = host.id;
      root.setAttribute("aria-labelledby", `host-${host.id}`);
      root.querySelector("h2").id = `host-${host.id}`;
      root.querySelector("h2 a").href = `/workstations/${host.id}/`;
      root.querySelector(".tiles").replaceChildren();
      return new medimgr.HostBlock(root);
    }

    /** Give its tiles their controls. */
    equip(store, picked) {
      if (this.equipped) return;
      this.equipped = true;
      for (const [id, tile] of this.tiles) {
        tile.equip();
        const item = store.emulators.get(id);
        if (item) tile.show(store, item, picked.has(id));
      }
    }

    showEmulator(store, item, picked) {
      let tile = this.tiles.get(item.id);
      if (!tile) {
        const root = document.getElementById("host-template").content.querySelector(".tile").cloneNode(true);
        root.dataset.emulator = item.id;
        root.querySelector("a").href = `/workstations/${item.workstation}/#emulator-${item.id}`;
        tile = new Tile(root);
        if (this.equipped) tile.equip();
        const next = [...this.tiles.keys()].map((id) => store.emulators.get(id)).filter((other) => other && other.index > item.index).sort((a, b) => a.index - b.index)[0];
        if (next) this.tiles.get(next.id).root.before(root);
        else this.list.append(root);
        this.tiles.set(item.id, tile);
      }
      tile.show(store, item, picked.has(item.id));
    }

    dropEmulator(id) {
      this.tiles.get(id)?.root.remove();
      this.tiles.delete(id);
    }

    show(store, host, trouble) {
      const { root, fields } = this;
      medimgr.setAttribute(root, "data-reach", host.status);
      if (root.hasAttribute("data-trouble") !== Boolean(trouble)) root.toggleAttribute("data-trouble", Boolean(trouble));
      medimgr.setText(fields.name, host.name);
      medimgr.setAttribute(this.pick, "aria-label", `Select ${host.name} with its emulators`);
      medimgr.setText(fields.status, fleet.statusWord(host.status));
      medimgr.setAttribute(fields.since, "datetime", host.status_since || "");
      medimgr.setText(fields.address, fleet.address(host));
      this.showTags(host.tags);
      medimgr.setText(fields.why, fleet.why(host));
      medimgr.setAttribute(fields.why, "title", fleet.why(host));
      medimgr.setText(fields.rollup, fleet.rollup(host.states) || fleet.noEmulators(host));
      for (const button of this.buttons) {
        medimgr.setAttribute(button, "aria-label", `${button.textContent}: ${host.name}`);
        medimgr.allow(button, fleetActions.hostWhyNot(host, button.dataset.hostAction));
      }
      this.tick(store, host);
    }

    showTags(tags) {
      const shown = tags.join(" ");
      if (this.fields.tags.dataset.shown === shown) return;
      const changed = this.fields.tags.dataset.shown !== undefined || [...this.fields.tags.children].map((tag) => tag.textContent).join(" ") !== shown;
      this.fields.tags.dataset.shown = shown;
      if (!changed) return;
      this.fields.tags.replaceChildren(...tags.map((tag) => {
        const link = document.createElement("a");
        link.className = "tag";
        link.href = `?${new URLSearchParams({ tag })}`;
        link.textContent = tag;
        return link;
      }));
    }

    /** What changes by the clock alone, of what is in sight. */
    tick(store, host) {
      medimgr.setText(this.fields.since, words.ageOf(host.status_since));
      actions.showProgress(this.fields.progress, host);
      if (!this.inSight) return;
      for (const [id, tile] of this.tiles) {
        const item = store.emulators.get(id);
        if (item) tile.tick(item);
      }
    }
  };
})();
