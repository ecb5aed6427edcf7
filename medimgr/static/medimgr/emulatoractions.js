/* What can be done with emulators and workstations now, and why not; how it is asked for. */
"use strict";

(() => {
  const { words, actions, page } = medimgr;
  const UP = new Set(["running", "starting", "zombie"]);
  const WISHES = new Set(["start", "stop", "restart"]);
  const may = page.may;
  /** For each verb the permission that it takes, and whether it wants the emulator down or up. */
  const EMULATOR = {
    start: { right: "launch" },
    stop: { right: "stop" },
    restart: { right: "restart" },
    rename: { right: "rename" },
    clone: { right: "clone", down: true },
    modify: { right: "modify", down: true },
    delete: { right: "remove", down: true },
    "install-app": { right: "install", up: true },
  };
  const HOST = { "test-connection": "test", "check-host": "check", "read-system": "check", scan: "scan", "create-emulator": "add_emulator" };
  const PATHS = { "read-system": "system-info", scan: "emulators/scan", "create-emulator": "emulators" };

  Object.assign(actions.VERB_WORDS, {
    rename: { doing: "renaming", done: "renamed", name: "Rename" },
    clone: { doing: "cloning", done: "cloned", name: "Clone" },
    modify: { doing: "changing", done: "changed", name: "Change" },
    delete: { doing: "deleting", done: "deleted", name: "Delete" },
    "install-app": { doing: "installing", done: "installed", name: "Install app" },
    "test-connection": { doing: "testing", done: "it answers", name: "Test" },
    "check-host": { doing: "checking", done: "nothing is amiss", name: "Check" },
    "read-system": { doing: "reading its system", done: "read", name: "Read system" },
    scan: { doing: "scanning", done: "scanned", name: "Scan" },
    "create-emulator": { doing: "creating an emulator", done: "created", name: "New emulator" },
  });

  const lacks = (right) => `Your account lacks the permission workstations.${right}. Ask an administrator for it.`;

  /** Of start, stop and restart the newest wish replaces what still waits; stop also ends what starts: as workstations/handlers.py. */
  function givesWay(operation, active, verb) {
    if (active === verb || !WISHES.has(active) || !WISHES.has(verb)) return false;
    return operation.status === "PENDING" || (verb === "stop" && active !== "stop");
  }

  /** Why nothing can be asked of it though it may be looked at, or "". */
  const beyond = (host) => medimgr.beyond(host.tags.map((tag) => `tag:${tag.toLowerCase()}`));

  /** Return why the verb cannot be asked for on an emulator now, or "". */
  function emulatorWhyNot(store, item, verb) {
    const { right, down, up } = EMULATOR[verb];
    if (!may.emulator[right]) return lacks(`${right}_emulator`);
    if (beyond(store.hosts.get(item.workstation))) return beyond(store.hosts.get(item.workstation));
    if (item.asking) return "Just asked for.";
    const host = store.hosts.get(item.workstation);
    if (host.status === "offline") return `${host.name} is offline. Test its connection once it is back.`;
    const active = item.operation ? actions.verbOf(item.operation) : "";
    if (active && !givesWay(item.operation, active, verb)) return active === "modify" ? "It is being changed just now." : `It is ${(actions.VERB_WORDS[active] || { doing: "being worked on" }).doing} just now.`;
    if (active) return "";
    if (verb === "start" && UP.has(item.state)) return item.state === "zombie" ? "It is half alive: stop it first." : `It is ${item.state} already.`;
    if (verb === "stop" && item.state === "stopped") return "It is stopped already.";
    if (verb === "restart" && item.state === "stopped") return "It is stopped: start it instead.";
    if (down && UP.has(item.state)) return `It is ${item.state}: stop it first.`;
    if (up && item.state !== "running" && item.state !== "unknown") return "It has to run for that: start it first.";
    return "";
  }

  /** Return why the verb cannot be asked for on a workstation now, or "". */
  function hostWhyNot(host, verb) {
    const right = HOST[verb];
    if (!may.workstation[right]) return lacks(`${right}_workstation`);
    if (beyond(host)) return beyond(host);
    if (host.asking) return "Just asked for.";
    if (host.operation) return `Its last operation is under way: ${(actions.VERB_WORDS[actions.verbOf(host.operation)] || { doing: host.operation.kind }).doing}.`;
    if (host.status === "offline" && verb !== "test-connection") return "It is offline. Test its connection once it is back.";
    return "";
  }

  async function request(store, items, ask, name) {
    for (const item of items) { item.asking = true; item.outcome = null; store.changed(item); }
    try {
      await ask();
      return true;
    } catch (error) {
      medimgr.notice(`${name}: ${error.message}`);
      return false;
    } finally {
      for (const item of items) { item.asking = false; store.changed(item); }
    }
  }

  /** Ask for a verb on one emulator; body: what it takes. Raises ApiError. */
  async function askEmulator(store, item, verb, body = {}) {
    const path = `/api/emulators/${item.id}`;
    const { operation } = verb === "delete" ? await medimgr.api.remove(path, body) : await medimgr.api.post(`${path}/${verb}`, body);
    store.onOperation(operation);
    medimgr.announce(`${actions.VERB_WORDS[verb].name} ${item.title}: asked for.`);
  }

  /** Ask for a verb on one workstation; body: what it takes. Raises ApiError. */
  async function askHost(store, host, verb, body = {}) {
    const { operation } = await medimgr.api.post(`/api/workstations/${host.id}/${PATHS[verb] || verb}`, body);
    store.onOperation(operation);
    medimgr.announce(`${actions.VERB_WORDS[verb].name} ${host.name}: asked for.`);
  }

  function refuse(unable, whyNot, name, noun) {
    medimgr.notice(unable.length === 1 ? whyNot(unable[0]) : `${name}: it is possible for none of these ${noun} now.`, { level: "info", seconds: 6 });
  }

  /** Start, stop or restart emulators: one at once, many as a batch; stopping many is confirmed. */
  async function onEmulators(store, ids, verb) {
    const name = actions.VERB_WORDS[verb].name;
    const whyNot = (item) => emulatorWhyNot(store, item, verb);
    const items = ids.map((id) => store.emulators.get(id)).filter(Boolean);
    const able = items.filter((item) => !whyNot(item));
    if (!able.length) { if (items.length) refuse(items, whyNot, name, "emulators"); return; }
    if (able.length === 1) { await request(store, able, () => askEmulator(store, able[0], verb), name); return; }
    const count = words.count(able.length, "emulator", "emulators");
    let reason = "";
    if (verb !== "start") {
      const targets = able.map((item) => ({ name: `${item.title} on ${store.hosts.get(item.workstation).name}` }));
      const left = items.length - able.length;
      const answer = await actions.confirm({ title: `${name} ${count}?`, text: `What runs in them is ended.${left ? ` ${words.count(left, "other that is selected is", "others that are selected are")} left alone.` : ""}`, targets, button: `${name} ${count}` });
      if (!answer) return;
      reason = answer.reason;
    }
    await request(store, able, () => askMany(store, `/api/emulators/batch-${verb}`, { emulators: able.map(({ id }) => id), reason }, `${name} ${count}`), name);
  }

  /** Scan or test workstations: one at once, many as a batch. */
  async function onHosts(store, ids, verb) {
    const name = actions.VERB_WORDS[verb].name;
    const whyNot = (host) => hostWhyNot(host, verb);
    const hosts = ids.map((id) => store.hosts.get(id)).filter(Boolean);
    const able = hosts.filter((host) => !whyNot(host));
    if (!able.length) { if (hosts.length) refuse(hosts, whyNot, name, "workstations"); return; }
    const count = words.count(able.length, "workstation", "workstations");
    await request(store, able, () => (able.length === 1 ? askHost(store, able[0], verb) : askMany(store, `/api/workstations/batch-${verb}`, { workstations: able.map(({ id }) => id) }, `${name} ${count}`)), name);
  }

  async function askMany(store, path, body, said) {
    const answer = await medimgr.api.post(path, body);
    for (const operation of answer.operations) store.onOperation(operation);
    if (store.batches) store.batches.follow(answer.state);
    medimgr.announce(`${said}: asked for.`);
    if (answer.refused.length) {
      const shown = answer.refused.slice(0, 5).map((one) => one.detail).join(" ");
      medimgr.notice(`${words.count(answer.refused.length, "was", "were")} refused. ${shown}${answer.refused.length > 5 ? " …" : ""}`);
    }
  }

  medimgr.fleetActions = { emulatorWhyNot, hostWhyNot, onEmulators, onHosts, askEmulator, askHost, lacks, EMULATOR_RIGHTS: EMULATOR, HOST_RIGHTS: HOST };
})();
