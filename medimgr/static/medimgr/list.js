/* Which rows are shown, and in which order. Rows never jump: the order changes on the operator's click alone, and
   while somebody is at the table no row goes because its state has changed. */
"use strict";

(() => {
  const QUIET_MS = 3000; // so long after the last move over the table, nobody is at it
  const STATE_ORDER = ["FATAL", "BACKOFF", "UNKNOWN", "WAITING", "STARTING", "STOPPING", "RUNNING", "EXITED", "STOPPED"];
  const HEALTH_ORDER = ["unhealthy", "unknown", "healthy"];
  const FIRST_DOWN = new Set(["cpu", "memory", "restarts", "since"]); // who sorts by these wants the greatest first
  const SORT_VALUES = {
    name: (item) => item.name.toLowerCase(),
    state: (item) => STATE_ORDER.indexOf(item.state),
    health: (item) => HEALTH_ORDER.indexOf(item.health),
    since: (item) => -Date.parse(item.since),
    restarts: (item) => item.restarts,
    cpu: (item) => item.cpu_percent ?? -1,
    memory: (item) => item.memory_mb ?? -1,
    port: (item) => item.ports[0] ?? Infinity,
    pid: (item) => item.pid ?? Infinity,
  };

  medimgr.ServiceList = class {
    constructor(table, store) {
      this.table = table;
      this.body = table.tBodies[0];
      this.store = store;
      this.rows = new Map(); // key → Row, in the order shown
      this.touchedAt = 0;
      this.dirty = false;
      const query = new URLSearchParams(location.search);
      this.show = query.get("show") || "all";
      this.search = query.get("q") || "";
      this.sort = SORT_VALUES[query.get("sort")] ? query.get("sort") : "";
      this.down = query.get("dir") === "down";
      for (const row of this.body.querySelectorAll("tr.service")) this.rows.set(row.dataset.service, new medimgr.Row(row));
      this.groups = [...this.body.querySelectorAll("tr.group")];
      for (const event of ["pointermove", "pointerdown", "keydown"]) {
        this.body.addEventListener(event, () => { this.touchedAt = Date.now(); }, { passive: true });
      }
      this.body.addEventListener("pointerleave", () => { this.touchedAt = 0; });
    }

    /** Add a row at the end; it finds its place at the next sorting. */
    add(item) {
      const row = document.getElementById("row-template").content.firstElementChild.cloneNode(true);
      row.dataset.service = item.key;
      const link = row.querySelector('[data-field="name"]');
      link.href = link.getAttribute("href").replace("/_/", `/${encodeURIComponent(item.key)}/`);
      medimgr.setText(row.querySelector('[data-field="key"]'), item.key);
      row.querySelector("[data-pick]").disabled = false;
      const before = item.instance_of && !this.sort ? this.copyBefore(item) : null;
      if (before) before.root.after(row);
      else this.body.append(row);
      const entry = new medimgr.Row(row);
      this.rows.set(item.key, entry);
      if (before) this.rows = new Map([...this.body.querySelectorAll("tr.service")].map(({ dataset }) => [dataset.service, this.rows.get(dataset.service)]));
      this.dirty = true;
      return entry;
    }

    /** The row that a new copy stands behind: the copy with the next lower number, or the first of them. */
    copyBefore(item) {
      const siblings = this.store.all().filter((other) => (other.key === item.instance_of || other.instance_of === item.instance_of) && other.instance < item.instance && this.rows.has(other.key));
      const nearest = siblings.sort((a, b) => b.instance - a.instance)[0];
      return nearest ? this.rows.get(nearest.key) : null;
    }

    remove(key) {
      const row = this.rows.get(key);
      if (!row) return;
      row.root.remove();
      this.rows.delete(key);
      this.dirty = true;
    }

    fits(item, wrong) {
      if (this.show !== "all" && !medimgr.attention.buckets(item, wrong).has(this.show)) return false;
      const text = `${item.name} ${item.key} ${item.group} ${item.node}`.toLowerCase();
      return text.includes(this.search.trim().toLowerCase());
    }

    isBusy() {
      return Date.now() - this.touchedAt < QUIET_MS;
    }

    /** Show the rows that fit. Without force a row that somebody may be about to press stays, greyed. */
    filter(wrong, { force = false } = {}) {
      const hold = !force && this.isBusy();
      let shown = 0;
      for (const [key, row] of this.rows) {
        const item = this.store.items.get(key);
        const fits = Boolean(item) && this.fits(item, wrong);
        const held = hold && row.root.hidden === fits;
        if (held) this.dirty = true;
        else if (row.root.hidden === fits) row.root.hidden = !fits;
        row.root.classList.toggle("left-filter", held && !fits);
        if (!row.root.hidden) shown += 1;
      }
      if (!hold) this.dirty = false;
      this.showGroups();
      return shown;
    }

    showGroups() {
      for (const group of this.groups) {
        let running = 0;
        let total = 0;
        let resting = 0;
        let visible = 0;
        for (let row = group.nextElementSibling; row && row.classList.contains("service"); row = row.nextElementSibling) {
          total += 1;
          if (row.dataset.state === "RUNNING") running += 1;
          const item = this.store.items.get(row.dataset.service);
          if (item && medimgr.attention.rests(item)) resting += 1;
          if (!row.hidden) visible += 1;
        }
        const hide = Boolean(this.sort) || visible === 0;
        if (group.hidden !== hide) group.hidden = hide;
        if (!this.sort) medimgr.setText(group.querySelector("[data-rollup]"), medimgr.words.rollup(running, total, resting));
      }
    }

    /** Sort by a column: down or up, the other way, and then as declared again. */
    press(column) {
      const first = FIRST_DOWN.has(column);
      if (this.sort !== column) [this.sort, this.down] = [column, first];
      else if (this.down === first) this.down = !first;
      else this.sort = "";
      this.arrange();
      this.remember();
    }

    arrange() {
      for (const heading of this.table.querySelectorAll("th[data-column]")) {
        const mine = heading.dataset.column === this.sort;
        heading.setAttribute("aria-sort", mine ? (this.down ? "descending" : "ascending") : "none");
      }
      const items = [...this.rows.keys()].map((key) => this.store.items.get(key)).filter(Boolean);
      if (this.sort) {
        const value = SORT_VALUES[this.sort];
        const sign = this.down ? -1 : 1;
        items.sort((a, b) => sign * compare(value(a), value(b)) || compare(a.key, b.key));
      } else {
        // As the server lists them; what came since, at the end of its group, and copies behind the first of them.
        const first = (item) => this.store.items.get(item.instance_of) || item;
        items.sort((a, b) => a.builtin - b.builtin || compare(a.group, b.group) || compare(first(a).position, first(b).position) || compare(first(a).key, first(b).key) || compare(a.instance, b.instance));
      }
      const order = [];
      let label = null;
      const known = new Map(this.groups.map((row) => [row.dataset.group, row]));
      for (const item of items) {
        const name = item.builtin ? "medimgr itself" : item.group || (known.has("Other services") ? "Other services" : "");
        if (!this.sort && name !== label) {
          label = name;
          if (known.has(name)) order.push(known.get(name));
        }
        order.push(this.rows.get(item.key).root);
      }
      // Groups without a row of theirs left wait, hidden, at the end.
      for (const row of this.groups) if (!order.includes(row)) { row.hidden = true; order.push(row); }
      const focused = document.activeElement;
      this.body.replaceChildren(...order);
      if (focused && focused !== document.activeElement && this.body.contains(focused)) focused.focus({ preventScroll: true });
      this.rows = new Map(items.map((item) => [item.key, this.rows.get(item.key)]));
      this.showGroups();
    }

    /** Keep filter, search and sort in the address, so that a reload, a bookmark or a colleague sees the same. */
    remember() {
      const query = new URLSearchParams();
      if (this.show !== "all") query.set("show", this.show);
      if (this.search.trim()) query.set("q", this.search.trim());
      if (this.sort) { query.set("sort", this.sort); query.set("dir", this.down ? "down" : "up"); }
      const text = query.toString();
      history.replaceState(null, "", text ? `?${text}` : location.pathname);
      try {
        sessionStorage.setItem("medimgr.list", text ? `?${text}` : "");
      } catch { /* then the way back from a service forgets the filter */ }
    }

    visibleKeys() {
      return [...this.rows].filter(([, row]) => !row.root.hidden).map(([key]) => key);
    }
  };

  function compare(a, b) {
    return a < b ? -1 : a > b ? 1 : 0;
  }
})();
