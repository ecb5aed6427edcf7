/* Whether anything needs an operator, in one sentence: the live twin of monitoring/attention.py. A test feeds both
   the same cases, so that the sentence never changes its meaning between the first byte and the first event. */
"use strict";

(() => {
  const NAMED_AT_MOST = 3;
  const FAILED_WORDS = {
    "crash": "ended unexpectedly",
    "start-timeout": "did not become ready in time",
    "unhealthy": "failed its health checks",
    "hung": "stopped answering",
    "memory": "used more memory than allowed",
    "cpu": "used more CPU than allowed",
    "hook-failed": "cannot start while the command before its start fails",
    "fatal-exit": "ended with an exit code that allows no restart",
    "spawn-error": "could not be started",
    "port-busy": "cannot start while its port is taken",
    "auto-recovery-off": "failed too often",
  };
  const ENDED_AS_WANTED = new Set(["", "completed", "operator", "shutdown", "schedule"]);
  const WILL_NOT_COME = new Set(["STOPPED", "EXITED", "FATAL", "BACKOFF", "UNKNOWN"]);

  /** Whether a service that runs at set times is between two runs. */
  const rests = (item) => Boolean(item.schedule) && item.state === "EXITED" && item.intent === "up";
  /** Whether a service that is wanted keeps failing without a stable run in between. */
  const flaps = (item) => Boolean(item.flapping) && item.intent === "up";
  const failing = (item) => `keeps failing (${item.restarts || 0} ${item.restarts === 1 ? "restart" : "restarts"})`;

  function ownTrouble(item) {
    const failed = (fallback) => FAILED_WORDS[item.reason] || fallback;
    if (item.state === "FATAL") return failed("failed to start");
    if (item.state === "BACKOFF" && flaps(item)) return `${failing(item)} and is tried again`;
    if (item.state === "BACKOFF") return `${failed("failed to start")} and is tried again`;
    if (item.state === "UNKNOWN") return "is not reported on";
    if (item.state === "EXITED" && item.intent === "up" && !ENDED_AS_WANTED.has(item.reason)) return rests(item) ? "failed at its last run" : failed("ended unexpectedly");
    if (flaps(item) && (item.state === "STARTING" || item.state === "RUNNING")) return failing(item);
    if (item.state === "RUNNING" && item.health === "unhealthy") return "is unhealthy";
    return "";
  }

  /** Return a Map of service key to what is wrong, in words that follow the name. */
  function troubles(items) {
    const found = new Map();
    const byKey = new Map();
    const waiting = [];
    for (const item of items) {
      byKey.set(item.key, item);
      const own = ownTrouble(item);
      if (own) found.set(item.key, own);
      if (item.state === "WAITING") waiting.push(item);
    }
    let grew = true;
    while (grew) {
      grew = false;
      for (const item of waiting) {
        if (found.has(item.key)) continue;
        const needed = item.needs.map((key) => byKey.get(key)).filter(Boolean);
        const blocker = needed.find((other) => found.has(other.key)) || needed.find((other) => WILL_NOT_COME.has(other.state) && !rests(other));
        if (!blocker) continue;
        found.set(item.key, `waits for ${blocker.name}`);
        grew = true;
      }
    }
    return found;
  }

  /** Return the filters that show the service. */
  function buckets(item, wrong) {
    const found = new Set();
    if (wrong.has(item.key)) found.add("attention");
    if (item.state === "RUNNING") found.add("running");
    else if (rests(item)) found.add("scheduled");
    else if (item.state === "STOPPED" || item.state === "EXITED") found.add("stopped");
    else if (["STARTING", "STOPPING", "WAITING"].includes(item.state)) found.add("changing");
    return found;
  }

  const are = (count) => (count === 1 ? "is" : "are");

  function silence(node, clock) {
    if (!node.heartbeat_at) return `No supervisor has reported for node ${node.name} yet: nothing runs there until one does.`;
    return `No supervisor reports for node ${node.name} since ${clock(node.heartbeat_at)}: what you see may be old.`;
  }

  function needing(told, wrong, other) {
    const named = causeFirst(told.filter((item) => wrong.has(item.key)));
    const clauses = [];
    let cause = "";
    for (const item of named.slice(0, NAMED_AT_MOST)) {
      const words = wrong.get(item.key);
      clauses.push(`${item.name} ${words === `waits for ${cause}` ? "waits for it" : words}`);
      if (item.state !== "WAITING") cause = item.name;
    }
    if (named.length > NAMED_AT_MOST) clauses.push(`and ${named.length - NAMED_AT_MOST} more`);
    const noun = told.length === 1 ? "service" : "services";
    const verb = named.length === 1 ? "needs" : "need";
    return `${named.length} of ${told.length} ${other}${noun} ${verb} attention: ${clauses.join(", ")}.`;
  }

  function causeFirst(named) {
    const waiting = named.filter((item) => item.state === "WAITING");
    const ordered = new Set();
    for (const cause of named) {
      if (cause.state === "WAITING") continue;
      ordered.add(cause);
      for (const item of waiting) if (item.needs.includes(cause.key)) ordered.add(item);
    }
    for (const item of waiting) ordered.add(item);
    return [...ordered];
  }

  function calm(items) {
    const total = items.length;
    const none = new Map();
    const count = (name) => items.filter((item) => buckets(item, none).has(name)).length;
    const [running, stopped, changing, scheduled] = ["running", "stopped", "changing", "scheduled"].map(count);
    const level = changing ? "changing" : "good";
    for (const [number, word] of [[running, "running"], [stopped, "stopped"]]) {
      if (number === total) return { level, text: total > 1 ? `All ${total} services are ${word}.` : `The one service is ${word}.` };
    }
    if (scheduled === total) return { level, text: total > 1 ? `All ${total} services wait for their next run.` : "The one service waits for its next run." };
    const said = [`${running} of ${total} services ${are(running)} running`];
    if (stopped) said.push(`${stopped} ${are(stopped)} stopped`);
    if (scheduled) said.push(`${scheduled} ${scheduled === 1 ? "waits for its next run" : "wait for their next run"}`);
    if (changing) said.push(`${changing} ${are(changing)} starting or stopping`);
    return { level, text: `${said.join(", ")}.` };
  }

  /** Return {level, text}. wrong: what troubles() says; clock: ISO time to hours and minutes. */
  function sentence(items, nodes, clock, wrong = troubles(items)) {
    if (!items.length) return { level: "empty", text: "No services declared yet: import or add some." };
    const used = new Set(items.map((item) => item.node));
    const silent = nodes.filter((node) => !node.supervised && used.has(node.name));
    const silentNames = new Set(silent.map((node) => node.name));
    const told = items.filter((item) => !silentNames.has(item.node));
    const parts = silent.map((node) => silence(node, clock));
    if (told.some((item) => wrong.has(item.key))) parts.push(needing(told, wrong, silent.length ? "other " : ""));
    for (const node of nodes) if (node.problem && node.supervised) parts.push(`Node ${node.name}: ${node.problem}.`);
    if (parts.length) return { level: silent.length ? "stale" : "attention", text: parts.join(" ") };
    return calm(items);
  }

  window.medimgr = window.medimgr || {};
  medimgr.attention = { troubles, buckets, sentence, rests, flaps, failing };
})();
