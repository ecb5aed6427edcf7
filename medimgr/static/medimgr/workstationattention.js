/* Which workstations need somebody, in one sentence: the live twin of workstations/attention.py and of the words in
   workstations/rows.py. A test feeds both the same cases. */
"use strict";

(() => {
  const NAMED_AT_MOST = 3;
  const ERROR_WORDS = {
    "workstation-authentication": "does not accept the log-in",
    "workstation-password-missing": "has no password to log in with",
    "workstation-tls": "has no certificate that is trusted",
    "workstation-quota": "allows no more shells",
    "workstation-protocol": "does not answer as WinRM does",
    "workstation-unknown-host": "has a host name that is not known",
  };
  const TOLD = ["starting", "zombie", "unknown"];
  const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);

  function trouble(item) {
    if (item.status === "offline") return "is offline";
    if (item.status === "error") return ERROR_WORDS[item.error_code] || "can't be worked with";
    const zombies = item.states.zombie || 0;
    return zombies ? (zombies === 1 ? "has a zombie emulator" : `has ${zombies} zombie emulators`) : "";
  }

  /** Return a Map of id to what is wrong, in words that follow the name. */
  function troubles(items) {
    const found = new Map();
    for (const item of items) {
      const words = trouble(item);
      if (words) found.set(item.id, words);
    }
    return found;
  }

  /** The filters that show a workstation. */
  const buckets = (item, wrong) => new Set(wrong.has(item.id) ? [item.status, "attention"] : [item.status]);

  /** How the emulators of a workstation do: 12/20 running, 1 starting. */
  function rollup(states) {
    const total = sum(Object.values(states));
    if (!total) return "";
    return [`${states.running || 0}/${total} running`, ...TOLD.filter((state) => states[state]).map((state) => `${states[state]} ${state}`)].join(", ");
  }

  function emulators(items) {
    const total = sum(items.map((item) => sum(Object.values(item.states))));
    const running = sum(items.map((item) => item.states.running || 0));
    if (!total) return "";
    if (running === total) return total > 1 ? `all ${total} emulators run` : "the one emulator runs";
    return `${running} of ${total} ${total === 1 ? "emulator" : "emulators"} ${running === 1 ? "runs" : "run"}`;
  }

  function sentence(items) {
    if (!items.length) return { level: "empty", text: "No workstations declared yet: add one, or import a fleet." };
    const wrong = troubles(items);
    const told = emulators(items);
    const total = items.length;
    const noun = total === 1 ? "workstation" : "workstations";
    if (wrong.size) {
      const named = items.filter((item) => wrong.has(item.id)).map((item) => `${item.name} ${wrong.get(item.id)}`);
      const more = named.length - NAMED_AT_MOST;
      const shown = [...named.slice(0, NAMED_AT_MOST), ...(more > 0 ? [`and ${more} more`] : [])];
      const text = `${wrong.size} of ${total} ${noun} ${wrong.size === 1 ? "needs" : "need"} attention: ${shown.join(", ")}.`;
      return { level: "attention", text: told ? `${text} ${told.charAt(0).toUpperCase()}${told.slice(1)}.` : text };
    }
    const online = items.filter((item) => item.status === "online").length;
    const starting = sum(items.map((item) => item.states.starting || 0));
    const unseen = total - online;
    const text = unseen
      ? `${online} of ${total} ${noun} ${online === 1 ? "is" : "are"} online, ${unseen} ${unseen === 1 ? "has" : "have"} not been looked at yet`
      : total > 1 ? `All ${total} workstations are online` : "The one workstation is online";
    return { level: starting || unseen ? "changing" : "good", text: told ? `${text}; ${told}.` : `${text}.` };
  }

  medimgr.fleet = {
    troubles,
    buckets,
    rollup,
    sentence,
    statusWord: (status) => (status === "unknown" ? "Not looked at" : status.charAt(0).toUpperCase() + status.slice(1)),
    address: ({ host, port }) => `${host.includes(":") ? `[${host}]` : host}:${port}`,
    why: (item) => (item.status === "online" ? "" : item.last_error),
    noEmulators: (item) => (item.read_at ? "It has no emulators." : "Its emulators have not been read yet."),
    /** running 3 h */
    stateWords: (state, since) => (since ? `${state} ${medimgr.words.ageOf(since)}` : state),
  };
})();
