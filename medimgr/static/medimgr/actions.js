/* Start, stop, restart: what is possible and why not, what has to be confirmed, how it is going. */
"use strict";

(() => {
  const words = medimgr.words;
  const may = medimgr.page.may || {};
  const VERB_WORDS = {
    start: { doing: "starting", done: "started", name: "Start" },
    stop: { doing: "stopping", done: "stopped", name: "Stop" },
    restart: { doing: "restarting", done: "restarted", name: "Restart" },
    "rolling-restart": { doing: "restarting one by one", done: "restarted", name: "Rolling restart" },
    kill: { doing: "killing", done: "killed", name: "Kill" },
    "auto-recovery-on": { doing: "turning auto-recovery on", done: "auto-recovery is on", name: "Turn auto-recovery on" },
    "auto-recovery-off": { doing: "turning auto-recovery off", done: "auto-recovery is off", name: "Turn auto-recovery off" },
  };
  const MEANING = {
    stop: ["It stops, and stays down until somebody starts it.", "They stop, and stay down until somebody starts them."],
    restart: ["It stops and starts again.", "They stop and start again."],
    "rolling-restart": ["It stops and starts again.", "They stop and start again one after the other, or as many at a time as their minimum allows. One that does not become ready ends it."],
  };
  const CODE_WORDS = {
    "lease-lost": "its supervisor was lost half-way",
    "target-busy": "something else is under way",
    "not-permitted": "not permitted",
    "supervisor-not-permitted": "the supervisor may not do that",
    "command-not-found": "its program does not exist",
    "not-executable": "its program is not executable",
    "cwd-missing": "its directory is gone",
    "user-unknown": "its account does not exist",
    "group-unknown": "its group does not exist",
    "port-busy": "its port is taken",
    "start-timeout": "it did not become ready in time",
    "stop-timeout": "it did not stop in time",
    "deadline": "it took too long",
    "spawn-failed": "it could not be started",
    "roll-halted": "another one of the roll did not become ready, so this one was left as it is",
    "min-ready": "too few others of its group are ready",
  };

  /** The permission that a verb takes. */
  const rightOf = (verb) => ({ kill: "stop", "rolling-restart": "restart" }[verb] || verb);

  /** The verb of an operation: "restart" of service.restart. */
  const verbOf = (operation) => operation.kind.slice(operation.kind.indexOf(".") + 1);

  /** Why nothing can be asked of it though it may be looked at, or "". */
  const beyond = (item) => medimgr.beyond([`group:${item.group.toLowerCase()}`]);

  /** Return why the verb cannot be asked for now, or "". */
  function whyNot(item, verb) {
    const right = rightOf(verb);
    if (beyond(item)) return beyond(item);
    if (!may[right]) return `Your account lacks the permission monitoring.${right}_service. Ask an administrator for it.`;
    if (item.state === "UNKNOWN") return `No supervisor reports for node ${item.node}, so nobody would do it.`;
    if (item.asking) return "Just asked for.";
    const active = item.operation ? verbOf(item.operation) : "";
    if (verb === "start") {
      if (active === "restart" || active === "start") return `It is ${VERB_WORDS[active].doing} already.`;
      if (item.schedule && item.state === "EXITED" && item.intent === "up") return "It waits for its next run. Restart runs it now.";
      if (item.state === "RUNNING" || item.state === "STARTING") return `It is ${item.state.toLowerCase()} already.`;
    }
    if (verb === "stop" && item.state === "STOPPED" && item.intent === "down" && active !== "start" && active !== "restart") return "It is stopped already.";
    if (verb === "stop" && item.state === "STOPPING" && item.intent === "down") return "It is stopping already. Kill now, in its row, ends it at once.";
    if (verb === "restart" || verb === "rolling-restart") {
      if (active === "restart") return "It is restarting already.";
      if (item.state === "STOPPED" && !active) return "It is stopped: start it instead.";
    }
    return "";
  }

  /** Show on the three buttons what can be done now. */
  function showButtons(root, item) {
    for (const button of root.querySelectorAll("[data-action]")) {
      let verb = button.dataset.action;
      if (verb === "stop" || verb === "kill") {
        verb = item.state === "STOPPING" && may.stop ? "kill" : "stop";
        if (button.dataset.action !== verb) {
          button.dataset.action = verb;
          button.textContent = verb === "kill" ? "Kill now" : "Stop";
        }
      }
      medimgr.setAttribute(button, "aria-label", `${button.textContent}: ${item.name}`);
      medimgr.allow(button, whyNot(item, verb));
    }
  }

  /** Return how the latest operation is going: {level, text, url}. */
  function progressOf(item) {
    if (item.asking) return { level: "busy", text: "asking…", url: "" };
    if (item.operation) {
      const operation = item.operation;
      const verb = VERB_WORDS[verbOf(operation)] || { doing: verbOf(operation) };
      const seconds = Math.max(0, (words.now() - Date.parse(operation.created_at)) / 1000);
      const waits = operation.status === "PENDING" && seconds > 3 ? ` (waits for ${item.server || "the supervisor"})` : "";
      const message = operation.progress.message;
      if (message.startsWith("waiting for its turn")) return { level: "busy", text: message, url: operation.url };
      return { level: "busy", text: `${verb.doing}… ${words.age(seconds)}${waits}`, url: operation.url };
    }
    if (item.outcome) {
      const operation = item.outcome;
      const verb = VERB_WORDS[verbOf(operation)] || { done: "done", name: verbOf(operation) };
      if (operation.status === "SUCCESS") return { level: "done", text: verb.done, url: operation.url };
      const error = operation.error || { code: operation.status.toLowerCase(), detail: "" };
      const why = CODE_WORDS[error.code] || error.detail || error.code;
      return { level: "failed", text: `${verb.name} failed: ${why}`, title: error.detail, url: operation.url };
    }
    return { level: "", text: "", url: "" };
  }

  function showProgress(node, item) {
    const { level, text, title = "", url } = progressOf(item);
    if (node.dataset.shown === `${level} ${text}`) return;
    node.dataset.shown = `${level} ${text}`;
    node.dataset.level = level;
    node.title = title || text;
    let link = node.querySelector("a");
    if (!url) { node.textContent = text; return; }
    if (!link) { // one link that is kept, so that focus on it survives the seconds that count on
      link = document.createElement("a");
      node.replaceChildren(link);
    }
    link.href = url;
    link.textContent = text;
  }

  // --- asking ------------------------------------------------------------------------------------------

  /** Ask in a dialog that names every target with its warning. Resolves to null or {reason}. */
  function confirm({ title, text, targets, button, withReason = true }) {
    const dialog = document.getElementById("confirm");
    const byId = (id) => document.getElementById(id);
    byId("confirm-title").textContent = title;
    byId("confirm-text").textContent = text;
    byId("confirm-reason").value = "";
    byId("confirm-reason").hidden = !withReason;
    document.querySelector('label[for="confirm-reason"]').hidden = !withReason;
    byId("confirm-yes").textContent = button;
    byId("confirm-targets").replaceChildren(...targets.map(({ name, warning, note }) => {
      const line = document.createElement("li");
      line.textContent = name;
      for (const [value, style] of [[warning, "why"], [note, "tie-note"]]) {
        if (!value) continue;
        const span = document.createElement("span");
        span.className = style;
        span.textContent = value;
        line.append(span);
      }
      return line;
    }));
    dialog.returnValue = "";
    dialog.showModal();
    byId("confirm-cancel").focus();
    return new Promise((resolve) => {
      dialog.addEventListener("close", () => {
        resolve(dialog.returnValue === "yes" ? { reason: byId("confirm-reason").value.trim() } : null);
      }, { once: true });
    });
  }
  // Enter in the reason field would press the first button, which cancels: it confirms instead.
  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && event.target.id === "confirm-reason") {
      event.preventDefault();
      document.getElementById("confirm").close("yes");
    }
  });

  function target(store, item) {
    const users = store.all().filter((other) => other.needs.includes(item.key)).map((other) => other.name);
    const itself = item.builtin ? "One of medimgr's own processes: this page may lose its connection for a moment. " : "";
    return { name: `${item.name} (${item.key})`, warning: item.warning, note: itself + (users.length ? `Needed by ${users.join(", ")}.` : "") };
  }

  /** Ask for a verb on these services, after a confirmation where one is due; everything: "all" was pressed. */
  async function ask(store, keys, verb, { everything = false } = {}) {
    const able = [];
    const unable = [];
    for (const key of keys) {
      const item = store.items.get(key);
      if (item) (whyNot(item, verb) ? unable : able).push(item);
    }
    if (!able.length) {
      const item = unable[0];
      medimgr.notice(unable.length === 1 ? whyNot(item, verb) : `${VERB_WORDS[verb].name}: it is possible for none of these services now.`, { level: "info", seconds: 6 });
      return;
    }
    const ends = verb !== "start";
    let reason = "";
    if (verb === "kill" || (ends && (everything || able.some((item) => item.warning || item.builtin)))) {
      const name = VERB_WORDS[verb].name;
      const what = able.length === 1 ? able[0].name : everything ? `all ${able.length} services` : `${able.length} services`;
      const text = verb === "kill"
        ? "It was asked to stop and is still at it. Killing ends the whole process tree at once, and what it has not saved is lost."
        : MEANING[verb][able.length === 1 ? 0 : 1];
      const answer = await confirm({ title: `${name} ${what}?`, text, targets: able.map((item) => target(store, item)), button: `${name} ${able.length === 1 ? able[0].name : words.count(able.length, "service", "services")}` });
      if (!answer) return;
      reason = answer.reason;
    }
    for (const item of able) { item.asking = true; item.outcome = null; store.tell("row", item.key); }
    try {
      if (able.length === 1 && verb !== "rolling-restart") await askOne(store, able[0], verb, reason);
      else await askMany(store, able, verb, reason);
    } catch (error) {
      medimgr.notice(`${VERB_WORDS[verb].name}: ${error.message}`);
    } finally {
      for (const item of able) { item.asking = false; store.tell("row", item.key); }
    }
  }

  async function askOne(store, item, verb, reason) {
    const body = { reason };
    if (verb === "kill") body.force = true;
    const { operation } = await medimgr.api.act(item.key, verb === "kill" ? "stop" : verb, body);
    const now = store.items.get(item.key);
    if (now) store.follow(now, operation);
    medimgr.announce(`${VERB_WORDS[verb].name} ${item.name}: asked for.`);
  }

  async function askMany(store, able, verb, reason) {
    const refused = [];
    for (let begin = 0; begin < able.length; begin += 1000) { // the API takes a thousand at a time
      const keys = able.slice(begin, begin + 1000).map((item) => item.key);
      const rolling = verb === "rolling-restart";
      const answer = await medimgr.api.batch(rolling ? "restart" : verb, keys, reason, rolling);
      for (const operation of answer.operations) store.onOperation(operation);
      refused.push(...answer.refused);
      if (store.batches) store.batches.follow(answer.state);
    }
    medimgr.announce(`${VERB_WORDS[verb].name} ${words.count(able.length - refused.length, "service", "services")}: asked for.`);
    if (refused.length) {
      const shown = refused.slice(0, 5).map((one) => `${one.service}: ${one.detail}`).join(" ");
      medimgr.notice(`${refused.length} of ${able.length} refused. ${shown}${refused.length > 5 ? " …" : ""}`);
    }
  }

  medimgr.actions = { whyNot, beyond, rightOf, showButtons, progressOf, showProgress, ask, confirm, VERB_WORDS, verbOf };
})();
