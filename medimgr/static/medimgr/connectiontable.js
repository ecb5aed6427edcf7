/* The table of open streams. The order changes on the operator's click alone; whoever comes later stands at the end. */
"use strict";

(() => {
  const { words, page } = medimgr;
  const FIRST_DOWN = new Set(["duration", "events", "bytes", "queued", "pages"]); // who sorts by these wants the greatest first
  const SORT_VALUES = {
    user: (data) => data.user.toLowerCase(),
    page: (data) => data.page,
    address: (data) => data.address,
    duration: (data) => -Date.parse(data.connected_at),
    ping: (data) => Date.parse(data.last_ping_at),
    events: (data) => data.events_sent,
    bytes: (data) => data.bytes_sent,
    queued: (data) => data.queued,
    pages: (data) => data.pages,
    worker: (data) => data.worker,
  };

  /** One row: its node, the nodes of its fields, and what was last shown in them. */
  class Row {
    constructor(node) {
      this.node = node;
      this.fields = new Map();
      for (const field of node.querySelectorAll("[data-field]")) this.fields.set(field.dataset.field, field);
      this.data = null;
      this.since = null;
      this.text = node.textContent.toLowerCase();
    }

    show(data) {
      this.data = data;
      this.since = Date.parse(data.connected_at);
      const kind = (page.kind_words || {})[data.kind] || page.other_kind;
      const texts = {
        user: data.user, page: data.page || words.NOTHING, kind, topics: data.topics.length ? `: ${data.topics.join(", ")}` : "", address: data.address,
        since: `since ${words.clockSeconds(data.connected_at)}`, ping: words.clockSeconds(data.last_ping_at), events: String(data.events_sent), bytes: words.bytes(data.bytes_sent),
        queued: data.queued ? words.bytes(data.queued) : words.NOTHING, pages: String(data.pages), worker: data.worker,
        token: data.machine_token ? `token ${data.machine_token}` : "",
      };
      for (const [name, text] of Object.entries(texts)) medimgr.setText(this.fields.get(name), text);
      medimgr.setAttribute(this.fields.get("since"), "title", words.absolute(data.connected_at));
      this.text = `${data.user} ${data.page} ${kind} ${data.address} ${data.worker} ${data.topics.join(" ")} ${data.machine_token}`.toLowerCase();
      this.age();
    }

    age() {
      if (this.since) medimgr.setText(this.fields.get("duration"), words.age((words.now() - this.since) / 1000));
    }

    /** Say whether it is the connection of the page that shows it. */
    mark(own) {
      this.node.classList.toggle("mine", own);
      const field = this.fields.get("user");
      const badge = field.parentElement.querySelector(".badge");
      if (badge && !own) badge.remove();
      if (own && !badge) {
        const label = document.createElement("span");
        label.className = "badge";
        label.textContent = "this page";
        field.after(" ", label);
      }
    }
  }

  medimgr.ConnectionTable = class {
    /** end(button, data) is asked to end somebody's stream. */
    constructor(table, end) {
      this.table = table;
      this.body = table.tBodies[0];
      this.end = end;
      this.rows = new Map();
      this.mine = null;
      this.search = "";
      this.sort = "";
      this.down = false;
      for (const node of this.body.rows) this.rows.set(Number(node.dataset.connection), new Row(node));
      for (const button of table.querySelectorAll("[data-sort]")) button.addEventListener("click", () => this.press(button.dataset.sort));
    }

    /** Show exactly these. */
    update(connections) {
      const open = new Set(connections.map((connection) => connection.id));
      for (const id of this.rows.keys()) if (!open.has(id)) this.remove(id);
      for (const data of connections) {
        if (!this.rows.has(data.id)) this.rows.set(data.id, this.make(data.id));
        const row = this.rows.get(data.id);
        row.show(data);
        row.mark(data.id === this.mine);
        this.offerToEnd(row);
      }
      for (const button of this.table.querySelectorAll("[data-sort]")) button.disabled = false;
      this.filter();
    }

    make(id) {
      const node = document.getElementById("row-template").content.firstElementChild.cloneNode(true);
      node.dataset.connection = id;
      this.body.append(node);
      return new Row(node);
    }

    remove(id) {
      const row = this.rows.get(id);
      if (row) row.node.remove();
      this.rows.delete(id);
    }

    setPages(id, pages) {
      const row = this.rows.get(id);
      if (row) medimgr.setText(row.fields.get("pages"), String(pages));
    }

    /** A button that ends somebody else's connection, for who may. */
    offerToEnd(row) {
      const cell = row.fields.get("end");
      if (!cell) return;
      const button = cell.querySelector("button");
      if (row.data.id === this.mine) { // the page that one looks at is closed by closing it
        if (button) button.remove();
      } else if (!button) {
        const made = document.createElement("button");
        made.type = "button";
        made.className = "button small";
        made.textContent = "End";
        made.setAttribute("aria-label", `End the connection of ${row.data.user} to ${row.data.page || "no page"}`);
        made.addEventListener("click", () => this.end(made, row.data));
        cell.append(made);
      }
    }

    /** Hide what does not fit the search; return how many rows are shown. */
    filter() {
      const wanted = this.search.trim().toLowerCase();
      let shown = 0;
      for (const row of this.rows.values()) {
        const hide = !row.text.includes(wanted);
        if (row.node.hidden !== hide) row.node.hidden = hide;
        if (!hide) shown += 1;
      }
      return shown;
    }

    /** Sort by a column: one way, the other way, and then as they came again. */
    press(column) {
      const first = FIRST_DOWN.has(column);
      if (this.sort !== column) [this.sort, this.down] = [column, first];
      else if (this.down === first) this.down = !first;
      else this.sort = "";
      for (const heading of this.table.querySelectorAll("th[data-column]")) {
        const mine = heading.dataset.column === this.sort;
        heading.setAttribute("aria-sort", mine ? (this.down ? "descending" : "ascending") : "none");
      }
      const known = [...this.rows.entries()].filter(([, row]) => row.data);
      const value = this.sort ? SORT_VALUES[this.sort] : (data) => data.id;
      const sign = this.sort && this.down ? -1 : 1;
      known.sort(([a, one], [b, other]) => sign * compare(value(one.data), value(other.data)) || a - b);
      const focused = document.activeElement;
      this.body.append(...known.map(([, row]) => row.node));
      if (focused && focused !== document.activeElement && this.table.contains(focused)) focused.focus({ preventScroll: true });
    }

    age() {
      for (const row of this.rows.values()) if (!row.node.hidden) row.age();
    }
  };

  function compare(a, b) {
    return a < b ? -1 : a > b ? 1 : 0;
  }
})();
