/* Which workstations and emulators are shown. The twin of Selection in workstations/fleet_page.py. Nothing goes from
   under the pointer: while somebody is at the list, what does not fit any more is greyed and waits. */
"use strict";

(() => {
  const QUIET_MS = 3000; // so long after the last move over the list, nobody is at it
  const { fleet } = medimgr;

  medimgr.FleetList = class {
    constructor(root, store) {
      this.root = root;
      this.store = store;
      this.blocks = new Map();
      this.touchedAt = 0;
      this.dirty = false;
      const query = new URLSearchParams(location.search);
      this.show = query.get("show") || "all";
      this.state = query.get("state") || "";
      this.tag = query.get("tag") || "";
      this.search = query.get("q") || "";
      for (const node of root.querySelectorAll(".host")) this.blocks.set(Number(node.dataset.workstation), new medimgr.HostBlock(node));
      for (const event of ["pointermove", "pointerdown", "keydown"]) root.addEventListener(event, () => { this.touchedAt = Date.now(); }, { passive: true });
      root.addEventListener("pointerleave", () => { this.touchedAt = 0; });
    }

    /** Add a block at the end; a reload puts it where its name belongs. */
    add(host) {
      const block = medimgr.HostBlock.create(host);
      this.root.append(block.root);
      this.blocks.set(host.id, block);
      this.dirty = true;
      return block;
    }

    remove(id) {
      this.blocks.get(id)?.root.remove();
      this.blocks.delete(id);
      this.dirty = true;
    }

    isBusy() { return Date.now() - this.touchedAt < QUIET_MS; }

    narrowed() { return this.show !== "all" || Boolean(this.state || this.tag || this.search.trim()); }

    /** Show what fits; without force, what somebody may be about to press stays. Returns how many workstations are shown. */
    filter(wrong, { force = false } = {}) {
      const hold = !force && this.isBusy();
      const text = this.search.trim().toLowerCase();
      let shown = 0;
      for (const [id, block] of this.blocks) {
        const host = this.store.hosts.get(id);
        if (!host) continue;
        const named = `${host.name} ${host.host} ${host.tags.join(" ")}`.toLowerCase().includes(text);
        let any = false;
        for (const [emulatorId, tile] of block.tiles) {
          const item = this.store.emulators.get(emulatorId);
          const fits = Boolean(item) && (named || item.title.toLowerCase().includes(text)) && (!this.state || item.state === this.state);
          this.reveal(tile.root, fits, hold);
          any = any || fits;
        }
        const fits = (any || (named && !this.state)) && (this.show === "all" || fleet.buckets(host, wrong).has(this.show)) && (!this.tag || host.tags.includes(this.tag));
        this.reveal(block.root, fits, hold);
        if (!block.root.hidden) shown += 1;
      }
      if (!hold) this.dirty = false;
      return shown;
    }

    reveal(node, fits, hold) {
      const held = hold && node.hidden === fits;
      if (held) this.dirty = true;
      else if (node.hidden === fits) node.hidden = !fits;
      if (node.classList.contains("left-filter") !== (held && !fits)) node.classList.toggle("left-filter", held && !fits);
    }

    /** Keep the filters in the address, so that a reload, a bookmark or a colleague sees the same. */
    remember() {
      const query = new URLSearchParams();
      if (this.show !== "all") query.set("show", this.show);
      if (this.state) query.set("state", this.state);
      if (this.tag) query.set("tag", this.tag);
      if (this.search.trim()) query.set("q", this.search.trim());
      const text = query.toString();
      history.replaceState(null, "", text ? `?${text}` : location.pathname);
      try {
        sessionStorage.setItem("medimgr.workstations", text ? `?${text}` : "");
      } catch { /* then the way back from a workstation forgets the filter */ }
    }

    visibleHosts() { return [...this.blocks].filter(([, block]) => !block.root.hidden).map(([id]) => id); }

    /** The emulators that are shown, of one workstation or of all that are. */
    visibleEmulators(hosts = this.visibleHosts()) {
      return hosts.flatMap((id) => [...this.blocks.get(id).tiles].filter(([, tile]) => !tile.root.hidden).map(([emulator]) => emulator));
    }
  };
})();
