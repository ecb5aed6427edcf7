/* A table of operations, newest first, kept true by the "operation" messages: on the list and on pages of targets.

   Rows do not move while somebody is at the table: what is new comes in when they have left it for a moment. */
"use strict";

(() => {
  const tell = medimgr.operation;
  const QUIET_MS = 2000;

  medimgr.OperationTable = class {
    /** fits(operation): whether it belongs here; grows: whether new ones come in; limit: rows at the most. */
    constructor(table, { operations, fits, limit, grows = true, changed = () => {} }) {
      Object.assign(this, { table, body: table.tBodies[0], fits, limit, grows, changed });
      this.known = new Map(); // id → operation
      this.rows = new Map(); // id → OperationRow
      this.held = new Set(); // new ones, while somebody is at the table
      this.touchedAt = 0;
      for (const root of this.body.querySelectorAll("tr[data-operation]")) this.rows.set(Number(root.dataset.operation), new medimgr.OperationRow(root));
      this.paint = medimgr.batch((ids) => this.paintNow(ids));
      for (const operation of operations) this.known.set(operation.id, operation);
      this.paintNow([...this.known.keys()]);
      for (const event of ["pointermove", "pointerdown", "keydown"]) this.body.addEventListener(event, () => { this.touchedAt = Date.now(); }, { passive: true });
      this.body.addEventListener("pointerleave", () => { this.touchedAt = 0; });
      this.body.addEventListener("click", (event) => this.onClick(event));
      setInterval(() => this.tick(), 1000);
    }

    busy() { return Date.now() - this.touchedAt < QUIET_MS; }

    receive(come) {
      const known = this.known.get(come.id);
      if (!known && !(this.grows && this.fits(come))) return;
      if (!known && this.rows.size >= this.limit && come.id < Math.min(...this.rows.keys())) return;
      this.known.set(come.id, tell.newer(known, come));
      this.paint(come.id);
    }

    /** Take what the server says now for all there is. */
    load(operations) {
      const ids = new Set(operations.map(({ id }) => id));
      for (const id of [...this.known.keys()]) if (!ids.has(id)) this.drop(id);
      for (const operation of operations) this.known.set(operation.id, operation);
      this.paintNow([...ids]);
    }

    paintNow(ids) {
      for (const id of ids.sort((a, b) => a - b)) {
        const operation = this.known.get(id);
        if (!operation) continue;
        let row = this.rows.get(id);
        if (!row) {
          if (this.busy()) { this.held.add(id); continue; }
          row = this.add(id);
        }
        row.show(operation, this.fits(operation));
      }
      this.trim();
      this.changed();
    }

    add(id) {
      const root = document.getElementById("row-template").content.firstElementChild.cloneNode(true);
      const row = new medimgr.OperationRow(root);
      const below = [...this.rows.keys()].filter((other) => other < id);
      if (below.length) this.rows.get(Math.max(...below)).root.before(root);
      else this.body.append(root);
      this.rows.set(id, row);
      return row;
    }

    trim() {
      if (this.rows.size <= this.limit || this.busy()) return;
      for (const id of [...this.rows.keys()].sort((a, b) => a - b).slice(0, this.rows.size - this.limit)) this.drop(id);
    }

    drop(id) {
      this.known.delete(id);
      this.held.delete(id);
      this.rows.get(id)?.root.remove();
      this.rows.delete(id);
    }

    tick() {
      if (this.held.size && !this.busy()) {
        const held = [...this.held];
        this.held.clear();
        this.paintNow(held);
      }
      if (document.hidden) return;
      for (const [id, row] of this.rows) if (tell.active(this.known.get(id))) row.tick(this.known.get(id));
    }

    async onClick(event) {
      const button = event.target.closest("[data-act]");
      if (!button) return;
      const operation = this.known.get(Number(button.closest("tr").dataset.operation));
      const why = medimgr.refusal(button);
      if (why) { medimgr.notice(why, { level: "info", seconds: 6 }); return; }
      const act = button.dataset.act;
      try {
        const { operation: answer } = await medimgr.api.post(`/api/operations/${operation.id}/${act}`);
        this.touchedAt = 0;
        this.receive(answer);
        const name = `${tell.label(answer)} ${tell.target(answer)}`;
        if (act === "cancel") medimgr.announce(`${name}: ${answer.status === "CANCELLED" ? "cancelled" : "asked to end"}.`);
        else medimgr.notice(`${name} was asked for again.`, { level: "info", seconds: 6, link: { href: answer.url, text: `Operation ${answer.id}` } });
      } catch (error) {
        medimgr.notice(error.message);
      }
    }
  };
})();
