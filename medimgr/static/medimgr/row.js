/* Writes a service into its row (or its page): only what has changed. The live twin of _row.html. */
"use strict";

(() => {
  const words = medimgr.words;
  const LIVE = new Set(["STARTING", "RUNNING", "STOPPING"]);
  const EXPLAINED = new Set(["WAITING", "BACKOFF", "FATAL", "EXITED"]);
  const FIELDS = ["name", "key", "state", "explanation", "health", "since", "restarts", "cpu", "memory", "port", "pid", "progress", "uptime", "why", "nextRun", "nextRunAt", "copies"];

  const FLAPPING = new Set(["BACKOFF", "STARTING", "RUNNING"]);

  function plainly(item, trouble) {
    if (trouble || EXPLAINED.has(item.state)) {
      if (item.state === "UNKNOWN" && item.last_state) return `last seen ${item.last_state.toLowerCase()}`;
      if (item.state === "RUNNING") return words.reason("unhealthy", item.detail); // its reason says why it was started
      return words.reason(item.reason, item.detail);
    }
    if (item.needs_restart && LIVE.has(item.state)) return "restart to apply its new settings";
    if (!item.auto_recovery) return "auto-recovery is off";
    if (item.schedule && item.state === "STOPPED") return "stopped: its schedule is off";
    return "";
  }

  /** The line under a state: the live twin of wording.explanation, which a test compares it with. */
  medimgr.explanation = (item, trouble) => {
    const reason = plainly(item, trouble);
    if (medimgr.attention.rests(item)) {
      const coming = words.nextRun(item.next_run_at);
      return trouble && reason ? `${reason}; ${coming}` : coming;
    }
    if (medimgr.attention.flaps(item) && FLAPPING.has(item.state)) {
      const often = `keeps failing: ${words.count(item.restarts, "restart", "restarts")}`;
      return reason && item.state === "BACKOFF" ? `${often}; ${reason}` : often;
    }
    return reason;
  };

  /** Why it is where it is, as its own page says it beside its state. */
  medimgr.why = (item, trouble) => {
    if (medimgr.attention.flaps(item) || medimgr.attention.rests(item)) return medimgr.explanation(item, trouble);
    return words.reason(item.reason, item.detail);
  };

  medimgr.Row = class {
    constructor(root) {
      this.root = root;
      this.pick = root.querySelector("[data-pick]");
      this.fields = {};
      for (const name of FIELDS) this.fields[name] = root.querySelector(`[data-field="${name}"]`);
    }

    /** State, texts and buttons. trouble: the words of attention.troubles, or undefined. */
    show(item, trouble) {
      const { root, fields } = this;
      medimgr.setAttribute(root, "data-state", item.state);
      medimgr.setAttribute(root, "data-health", item.health);
      if (root.hasAttribute("data-trouble") !== Boolean(trouble)) root.toggleAttribute("data-trouble", Boolean(trouble));
      medimgr.setText(fields.name, item.name);
      medimgr.setAttribute(fields.name, "title", item.description ? `${item.name}: ${item.description}` : item.name);
      medimgr.setAttribute(this.pick, "aria-label", `Select ${item.name}`);
      medimgr.setText(fields.state, words.capital(item.state));
      this.trouble = trouble;
      root.classList.toggle("copy", Boolean(item.instance_of));
      if (fields.nextRunAt) {
        medimgr.setAttribute(fields.nextRunAt, "datetime", item.next_run_at || "");
        medimgr.setText(fields.nextRunAt, words.absolute(item.next_run_at));
      }
      medimgr.setText(fields.health, item.health === "unknown" ? words.NOTHING : item.health);
      medimgr.setText(fields.restarts, String(item.restarts));
      medimgr.setText(fields.port, item.ports.join(", ") || words.NOTHING);
      medimgr.setText(fields.pid, item.pid ? String(item.pid) : words.NOTHING);
      if (fields.since) {
        medimgr.setAttribute(fields.since, "datetime", item.since);
        medimgr.setAttribute(fields.since, "title", words.absolute(item.since));
      }
      medimgr.actions.showButtons(root, item);
      this.figures(item);
      this.tick(item);
    }

    /** For the first of several copies: how many of them run, and how many there are. */
    showCopies(count) {
      medimgr.setText(this.fields.copies, count ? `${count[0]}/${count[1]} copies running` : "");
    }

    figures(item) {
      medimgr.setText(this.fields.cpu, words.percent(item.cpu_percent));
      medimgr.setText(this.fields.memory, words.memory(item.memory_mb));
    }

    /** What changes by the clock alone. */
    tick(item) {
      medimgr.setText(this.fields.since, words.ageOf(item.since));
      medimgr.setText(this.fields.uptime, item.pid ? words.ageOf(item.process_started_at) : words.NOTHING);
      const explained = medimgr.explanation(item, this.trouble);
      medimgr.setText(this.fields.explanation, explained);
      if (this.fields.explanation) medimgr.setAttribute(this.fields.explanation, "title", explained);
      medimgr.setText(this.fields.why, medimgr.why(item, this.trouble));
      if (this.fields.nextRun) medimgr.setText(this.fields.nextRun, item.next_run_at ? words.nextRun(item.next_run_at) : "no next run is planned");
      if (this.fields.progress) medimgr.actions.showProgress(this.fields.progress, item);
    }
  };
})();
