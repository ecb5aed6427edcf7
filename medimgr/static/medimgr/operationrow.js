/* What is said about an operation, and the row that says it: the live twin of operations/words.py and _row.html. */
"use strict";

(() => {
  const { words, page } = medimgr;
  const ACTIVE = new Set(["PENDING", "RUNNING"]);
  const AGAIN = new Set(["FAILED", "CANCELLED", "TIMEOUT"]);
  const may = page.may_operations || {};
  const rank = (operation) => ["PENDING", "RUNNING"].indexOf(operation.status) >>> 0; // what has ended comes last

  /** 4.2 s, 12 min 5 s, 3 h 5 min. */
  function duration(seconds) {
    if (seconds < 60) return `${(Math.floor(Math.max(0, seconds) * 10 + 0.5) / 10).toFixed(1)} s`;
    const minutes = Math.floor(seconds / 60);
    if (minutes < 60) return `${minutes} min ${Math.floor(seconds % 60)} s`;
    return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  }

  medimgr.operation = {
    duration,
    active: (operation) => ACTIVE.has(operation.status),
    label: (operation) => page.labels[operation.kind] || operation.kind,

    status(operation) {
      if (operation.status === "RUNNING" && operation.cancel_requested) return "Cancelling";
      return words.capital(operation.status);
    },

    /** What it is at or waits for; why it did not succeed. */
    message(operation) {
      if (!ACTIVE.has(operation.status)) {
        if (!operation.error) return "";
        const known = operation.status === "CANCELLED" ? "" : page.error_words[operation.error.code];
        return known || operation.error.detail || operation.error.code;
      }
      if (operation.status === "PENDING" && operation.run_after && Date.parse(operation.run_after) > words.now()) return `waits until ${words.moment(operation.run_after)}`;
      const { done, total, message } = operation.progress;
      return [total ? `${done}/${total}` : "", message].filter(Boolean).join(" ");
    },

    /** How long it ran, or has been running. */
    took(operation) {
      if (!operation.started_at) return words.NOTHING;
      const end = operation.finished_at ? Date.parse(operation.finished_at) : words.now();
      const seconds = Math.max(0, (end - Date.parse(operation.started_at)) / 1000);
      return !operation.finished_at && seconds < 60 ? `${Math.floor(seconds)} s` : duration(seconds);
    },

    /** What it is about, as people call it. */
    target(operation) { return operation.target_name || operation.target; },

    /** The page about what it is about, "" where there is none. */
    targetPage(operation) {
      const [type, ...key] = operation.target.split(":");
      const pattern = (page.target_pages || {})[type];
      return pattern ? pattern.replace("{key}", encodeURIComponent(key.join(":")).replaceAll("%3A", ":")) : "";
    },

    /** Why it cannot be cancelled or asked for again, or "". */
    refusal(operation, act) {
      if (!may[act]) return `Your account lacks the permission operations.${act}_operation.`;
      const active = ACTIVE.has(operation.status);
      if (act === "cancel") return active ? (operation.cancel_requested ? "Asked for already." : "") : "It has ended.";
      return active ? "It has not ended yet." : operation.status === "SUCCESS" ? "It succeeded." : "";
    },

    /** What can be done with it now: "cancel", "retry" or "". */
    act: (operation) => (ACTIVE.has(operation.status) ? "cancel" : AGAIN.has(operation.status) ? "retry" : ""),

    /** The truer of what is known and what has come: an operation never goes back. */
    newer(known, come) {
      if (!known) return come;
      if (rank(come) < rank(known)) return known;
      if (known.cancel_requested && !come.cancel_requested && rank(come) === rank(known)) return { ...come, cancel_requested: true };
      return come;
    },

    /** Whether it is among what selection wants, as operations/selection.py. */
    fits(operation, selection) {
      if (selection.statuses.length && !selection.statuses.includes(operation.status)) return false;
      if (selection.kind && operation.kind !== selection.kind) return false;
      if (selection.requested_by && operation.requested_by !== selection.requested_by) return false;
      if (selection.batch && operation.batch !== selection.batch) return false;
      if (selection.since_at && Date.parse(operation.created_at) < Date.parse(selection.since_at)) return false;
      if (!selection.target) return true;
      const [type, ...key] = selection.target.split(":");
      return key.join(":") ? operation.target === selection.target : operation.target.startsWith(`${type}:`);
    },
  };

  medimgr.OperationRow = class {
    constructor(root) {
      this.root = root;
      this.fields = {};
      for (const node of root.querySelectorAll("[data-field]")) this.fields[node.dataset.field] = node;
      this.pick = root.querySelector("[data-pick]");
      this.button = root.querySelector("[data-act]");
    }

    show(operation, fits) {
      const { root, fields } = this;
      const tell = medimgr.operation;
      medimgr.setAttribute(root, "data-operation", String(operation.id));
      medimgr.setAttribute(root, "data-status", operation.status);
      root.classList.toggle("left-filter", !fits);
      root.toggleAttribute("data-reason", Boolean(operation.reason));
      medimgr.setText(fields.label, tell.label(operation));
      medimgr.setAttribute(fields.label, "href", operation.url);
      medimgr.setAttribute(fields.label, "title", `Operation ${operation.id}`);
      if (fields.target) {
        const address = tell.targetPage(operation);
        medimgr.setText(fields.target, tell.target(operation));
        if (address) medimgr.setAttribute(fields.target, "href", address);
      }
      medimgr.setText(fields.status, tell.status(operation));
      medimgr.setText(fields.detail, operation.error && operation.error.detail !== tell.message(operation) ? operation.error.detail : "");
      const { done, total } = operation.progress;
      const bar = fields.bar;
      const shown = tell.active(operation) && total > 0;
      if (bar.hidden === shown) bar.hidden = !shown;
      if (shown) { bar.max = total; bar.value = Math.min(done, total); }
      medimgr.setText(fields.requested_by, operation.requested_by);
      medimgr.setText(fields.reason, operation.reason || words.NOTHING);
      medimgr.setAttribute(fields.created, "datetime", operation.created_at);
      medimgr.setAttribute(fields.created, "title", words.absolute(operation.created_at));
      medimgr.setText(fields.created, words.moment(operation.created_at));
      this.showButton(operation);
      if (this.pick) {
        medimgr.setAttribute(this.pick, "aria-label", `Select operation ${operation.id}`);
        const refused = Boolean(tell.refusal(operation, "cancel"));
        if (this.pick.disabled !== refused) this.pick.disabled = refused;
        if (refused) this.pick.checked = false;
      }
      this.tick(operation);
    }

    showButton(operation) {
      const act = medimgr.operation.act(operation);
      const button = this.button;
      if (button.hidden === Boolean(act)) button.hidden = !act;
      if (!act) return;
      medimgr.setAttribute(button, "data-act", act);
      medimgr.setText(button, act === "cancel" ? "Cancel" : "Ask again");
      medimgr.setAttribute(button, "aria-label", `${button.textContent}: ${medimgr.operation.label(operation)} ${medimgr.operation.target(operation)}`);
      medimgr.allow(button, medimgr.operation.refusal(operation, act));
    }

    /** What changes by the clock alone. */
    tick(operation) {
      medimgr.setText(this.fields.took, medimgr.operation.took(operation));
      medimgr.setText(this.fields.message, medimgr.operation.message(operation));
    }
  };
})();
