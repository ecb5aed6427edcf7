/* Cancels many operations: those that were selected, or all that fit the filters and wait. */
"use strict";

(() => {
  const { words, page } = medimgr;
  const byId = (id) => document.getElementById(id);

  function tellOutcome({ ended, asked, refused, more }) {
    const parts = [];
    if (ended) parts.push(`${words.count(ended, "operation was", "operations were")} cancelled`);
    if (asked) parts.push(`${words.count(asked, "was", "were")} asked to end`);
    if (!parts.length && !refused.length) parts.push("Nothing was left to cancel");
    const shown = refused.slice(0, 5).map((one) => `Operation ${one.operation}: ${one.detail}`).join(" ");
    if (refused.length) parts.push(`${refused.length} refused. ${shown}${refused.length > 5 ? " …" : ""}`);
    if (more) parts.push("more still wait: cancel again");
    medimgr.notice(`${parts.join(", ").replace(/\.$/, "")}.`, refused.length ? {} : { level: "info", seconds: 8 });
  }

  medimgr.OperationPicks = class {
    constructor(table) {
      this.table = table;
      this.all = byId("pick-all");
      this.last = null;
      table.body.addEventListener("click", (event) => this.onClick(event));
      table.body.addEventListener("change", (event) => { if (event.target.matches("[data-pick]")) this.show(); });
      this.all.addEventListener("change", () => {
        for (const { pick } of table.rows.values()) pick.checked = this.all.checked && !pick.disabled;
        this.show();
      });
      byId("selection-clear").addEventListener("click", () => this.clear());
      byId("selection-cancel").addEventListener("click", () => this.cancelPicked());
      const waiting = byId("cancel-waiting");
      medimgr.allow(waiting, page.may_operations.cancel ? "" : "Your account lacks the permission operations.cancel_operation.");
      waiting.addEventListener("click", () => this.cancelWaiting(waiting));
      this.show();
    }

    picked() {
      return [...this.table.rows].filter(([, { pick }]) => pick.checked && !pick.disabled).map(([id]) => id);
    }

    /** With Shift, everything between this one and the last that was clicked. */
    onClick(event) {
      if (!event.target.matches("[data-pick]")) return;
      const boxes = [...this.table.body.querySelectorAll("[data-pick]")];
      const [from, to] = [boxes.indexOf(this.last), boxes.indexOf(event.target)].sort((a, b) => a - b);
      if (event.shiftKey && from >= 0) for (const box of boxes.slice(from, to + 1)) if (!box.disabled) box.checked = event.target.checked;
      this.last = event.target;
      this.show();
    }

    show() {
      const picked = this.picked();
      const possible = [...this.table.rows.values()].filter(({ pick }) => !pick.disabled).length;
      for (const { root, pick } of this.table.rows.values()) root.classList.toggle("picked", pick.checked);
      byId("selection").hidden = !picked.length;
      medimgr.setText(byId("selection-text"), `${picked.length} selected`);
      this.all.disabled = !possible;
      this.all.checked = possible > 0 && picked.length === possible;
      this.all.indeterminate = picked.length > 0 && picked.length < possible;
    }

    clear() {
      for (const { pick } of this.table.rows.values()) pick.checked = false;
      this.show();
    }

    async cancelPicked() {
      const ids = this.picked();
      const targets = ids.map((id) => this.table.known.get(id)).map((operation) => ({ name: `${medimgr.operation.label(operation)} ${medimgr.operation.target(operation)}`, note: operation.status === "RUNNING" ? "It runs: it is asked to end." : "It waits: it ends at once." }));
      const what = words.count(ids.length, "operation", "operations");
      const answer = await medimgr.actions.confirm({ title: `Cancel ${what}?`, text: "What an operation has done already stays done.", targets, button: `Cancel ${what}`, withReason: false });
      if (!answer) return;
      try {
        tellOutcome(await medimgr.api.post("/api/operations/cancel", { ids }));
        this.clear();
      } catch (error) {
        medimgr.notice(error.message);
      }
    }

    async cancelWaiting(button) {
      const why = medimgr.refusal(button);
      if (why) { medimgr.notice(why, { level: "info", seconds: 6 }); return; }
      const { statuses, status, since_at: _, ...filter } = page.selection;
      if (statuses.length && !statuses.includes("PENDING")) { medimgr.notice("Nothing that waits fits these filters.", { level: "info", seconds: 6 }); return; }
      try {
        const { count, complete } = await medimgr.api.get(`/api/operations?${new URLSearchParams({ ...filter, status: "PENDING", limit: 1 })}`);
        if (!count && complete) { medimgr.notice("Nothing that waits fits these filters.", { level: "info", seconds: 6 }); return; }
        const number = `${complete ? "" : "at least "}${words.count(count, "operation", "operations")}`;
        const targets = Object.entries(filter).map(([name, value]) => ({ name: `${name.replace("_", " ")}: ${value}` }));
        const text = targets.length ? "All that wait and fit these filters, on all pages. What runs is left alone." : "All that wait, on all pages, of everybody. What runs is left alone.";
        const answer = await medimgr.actions.confirm({ title: `Cancel ${number}?`, text, targets, button: `Cancel ${number}`, withReason: false });
        if (!answer) return;
        tellOutcome(await medimgr.api.post("/api/operations/cancel", { filter }));
      } catch (error) {
        medimgr.notice(error.message);
      }
    }
  };
})();
