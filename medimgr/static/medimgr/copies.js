/* The copies of a service on its page: which there are, how many there are to be, and a rolling restart of all. */
"use strict";

(() => {
  const { actions, page } = medimgr;

  medimgr.Copies = class {
    constructor(root, store, key) {
      this.root = root;
      this.store = store;
      this.key = key;
      this.original = root.dataset.original;
      this.list = root.querySelector("#copies-list");
      this.number = root.querySelector("#copies-number");
      this.scaleButton = root.querySelector("#copies-scale");
      this.rollButton = root.querySelector("#copies-roll");
      this.asking = false;
      root.querySelector("form").addEventListener("submit", (event) => { event.preventDefault(); this.scale(); });
      this.rollButton.addEventListener("click", () => this.roll());
      this.number.disabled = !page.may.change;
    }

    /** Those that are known, the declared one first. */
    all() {
      return this.store.all()
        .filter((item) => item.key === this.original || item.instance_of === this.original)
        .sort((a, b) => a.instance - b.instance);
    }

    paint() {
      const first = this.store.items.get(this.original);
      if (first) this.fetchNew(first.instances);
      const items = this.all();
      const shown = [...this.list.children].map((tie) => tie.dataset.tie).join();
      if (shown !== items.map((item) => item.key).join()) {
        this.list.replaceChildren(...items.map((item) => this.tie(item)));
        if (document.activeElement !== this.number) this.number.value = String(items.length);
      }
      const beyond = first ? medimgr.actions.beyond(first) : "";
      const silent = this.asking ? "Just asked for." : "";
      medimgr.allow(this.scaleButton, beyond || (page.may.change ? silent : "Your account lacks the permission monitoring.change_service. Ask an administrator for it."));
      medimgr.allow(this.rollButton, beyond || (page.may.restart ? (items.length > 1 ? "" : "There is one copy only: restart it instead.") : "Your account lacks the permission monitoring.restart_service. Ask an administrator for it."));
    }

    /** This page follows only what it knows of: copies that somebody has added are fetched. */
    fetchNew(instances) {
      for (let number = 2; number <= instances; number += 1) {
        const key = `${this.original}-${number}`;
        if (this.store.only.has(key)) continue;
        this.store.only.add(key);
        this.store.fetchSoon(key);
      }
    }

    tie(item) {
      const link = document.createElement("a");
      link.className = "tie";
      link.href = `/monitoring/services/${encodeURIComponent(item.key)}/`;
      Object.assign(link.dataset, { tie: item.key, state: item.state, health: item.health });
      if (item.key === this.key) link.setAttribute("aria-current", "page");
      const shape = document.createElement("span");
      shape.className = "shape";
      shape.setAttribute("aria-hidden", "true");
      const state = document.createElement("span");
      state.className = "soft";
      state.dataset.tieState = "";
      state.textContent = item.state.toLowerCase();
      link.append(shape, `${item.key} `, state);
      return link;
    }

    async scale() {
      const refusal = medimgr.refusal(this.scaleButton);
      if (refusal) { medimgr.notice(refusal, { level: "info", seconds: 6 }); return; }
      const wanted = this.number.valueAsNumber;
      const going = this.all().filter((item) => item.instance >= wanted);
      if (going.length) {
        const name = this.store.items.get(this.original)?.name || this.original;
        const targets = going.reverse().map((item) => ({ name: `${item.name} (${item.key})`, warning: item.warning, note: "" }));
        const answer = await actions.confirm({ title: `Scale ${name} down to ${wanted}?`, text: "These are stopped and removed, with their history. The others go on.", targets, button: `Scale down to ${wanted}`, withReason: false });
        if (!answer) return;
      }
      this.asking = true;
      this.paint();
      try {
        const scaled = await medimgr.api.act(this.original, "scale", { instances: wanted });
        this.fetchNew(scaled.instances);
        for (const key of scaled.removed) this.store.only.delete(key);
        for (const key of scaled.removed) this.store.remove(key);
        medimgr.announce(`${this.original}: ${medimgr.words.count(scaled.instances, "copy", "copies")}.`);
      } catch (error) {
        medimgr.notice(`Scale: ${error.message}`);
      } finally {
        this.asking = false;
        this.paint();
      }
    }

    roll() {
      const refusal = medimgr.refusal(this.rollButton);
      if (refusal) medimgr.notice(refusal, { level: "info", seconds: 6 });
      else actions.ask(this.store, this.all().map((item) => item.key), "rolling-restart");
    }
  };
})();
