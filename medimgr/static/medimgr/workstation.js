/* The page of one workstation: its state, emulators, operations, system and history, kept true by the stream. */
"use strict";

(() => {
  const { words, fleet, fleetActions, actions, page, client } = medimgr;
  const id = page.workstation;
  const base = `/workstations/${id}/`;
  const byId = (name) => document.getElementById(name);
  const root = byId("workstation");
  const fields = {};
  for (const node of root.querySelectorAll(":scope > header [data-field], :scope > p [data-field], :scope > p[data-field]")) fields[node.dataset.field] = node;
  const store = new medimgr.FleetStore(page.snapshot, client, { only: id, address: `${base}snapshot/` });
  const table = new medimgr.EmulatorTable(byId("emulators"), store);
  store.batches = new medimgr.BatchCards(byId("notices"), client, {
    may: page.batches.may,
    title: (batch) => `${(actions.VERB_WORDS[actions.verbOf(batch)] || { name: batch.kind }).name} ${words.count(batch.total, "emulator", "emulators")}`,
    onRetried: (answer) => { for (const operation of answer.operations) store.onOperation(operation); },
  });

  // --- painting ----------------------------------------------------------------------------------------
  const paint = medimgr.batch(() => {
    const host = store.hosts.get(id);
    if (!host) return;
    showHost(host);
    for (const emulator of store.emulators.keys()) table.show(emulator); // what can be done depends on the workstation
    byId("emulators").hidden = !store.emulators.size;
    byId("no-emulators").hidden = store.emulators.size > 0;
    medimgr.setText(byId("no-emulators"), fleet.noEmulators(host));
    table.showPicked();
  });

  function showHost(host) {
    medimgr.setAttribute(root, "data-reach", host.status);
    medimgr.setText(fields.name, host.name);
    medimgr.setText(document.querySelector('[data-field="crumb"]'), host.name);
    medimgr.setText(fields.address, fleet.address(host));
    medimgr.setText(fields.status, fleet.statusWord(host.status));
    medimgr.setAttribute(fields.since, "datetime", host.status_since || "");
    medimgr.setAttribute(fields.since, "title", words.absolute(host.status_since));
    medimgr.setText(fields.rollup, fleet.rollup(host.states) || fleet.noEmulators(host));
    const why = fleet.why(host);
    medimgr.setText(fields.why, why);
    fields.why.hidden = !why;
    medimgr.setTroubles(fleet.troubles([host]).size);
    for (const button of root.querySelectorAll("[data-host-action]")) medimgr.allow(button, fleetActions.hostWhyNot(host, button.dataset.hostAction));
    tickHost(host);
  }

  function tickHost(host) {
    medimgr.setText(fields.since, words.ageOf(host.status_since));
    medimgr.setText(fields.read, host.read_at ? `${words.ageOf(host.read_at)} ago` : "never");
    actions.showProgress(fields.progress, host);
  }

  store.listen((kind, changedId) => {
    if (kind === "workstation-gone") {
      byId("gone").hidden = false;
      for (const button of root.querySelectorAll("[data-action], [data-host-action]")) medimgr.allow(button, "It was deleted.");
      return;
    }
    if (kind === "emulator-gone") table.remove(changedId);
    paint();
  });

  setInterval(() => {
    const host = store.hosts.get(id);
    if (document.hidden || !host) return;
    tickHost(host);
    table.tick();
  }, 1000);

  // --- what the server tells as a whole: figures, check, system, history ---------------------------------
  let timer = 0;
  let asked = 0;

  /** Soon after the last of a burst, but no later than a second after the first. */
  function readSoon() {
    clearTimeout(timer);
    asked = asked || Date.now();
    timer = setTimeout(readPanels, Date.now() - asked > 1000 ? 0 : 250);
  }

  async function readPanels() {
    asked = 0;
    try {
      const response = await fetch(`${base}panels/`, { redirect: "error", cache: "no-store" });
      if (!response.ok) return;
      const come = new DOMParser().parseFromString(await response.text(), "text/html");
      for (const part of come.body.children) {
        const shown = byId(part.id);
        if (shown && shown.innerHTML !== part.innerHTML) shown.replaceChildren(...part.childNodes);
      }
      tellTimes(byId("told"));
    } catch { /* the next change asks again */ }
  }

  function tellTimes(place) {
    for (const time of place.querySelectorAll("time[datetime]")) {
      if (!Date.parse(time.dateTime)) continue;
      time.title = words.absolute(time.dateTime);
      medimgr.setText(time, words.moment(time.dateTime));
    }
  }

  client.on("workstation", (data) => { if (Number(data.key) === id) readSoon(); });
  client.on("emulator", (data) => { if (data.workstation === id) readSoon(); });
  client.on("reset", readSoon);

  // --- operations ------------------------------------------------------------------------------------------
  if (byId("its-operations")) {
    const none = byId("no-operations");
    const rows = byId("its-operations").querySelector("table");
    const operations = new medimgr.OperationTable(rows, {
      operations: page.operations,
      fits: ({ target }) => {
        const [type, key] = target.split(":");
        return type === "workstation" ? Number(key) === id : type === "emulator" && store.emulators.has(Number(key));
      },
      limit: page.operations_limit,
      changed: () => { none.hidden = rows.querySelector("tr[data-operation]") !== null; },
    });
    client.on("operation", (operation) => operations.receive(operation));
    client.on("reset", async () => {
      try {
        operations.load((await medimgr.api.get(`${base}snapshot/`)).latest);
      } catch { /* the link says what is wrong */ }
    });
  }

  // --- actions -----------------------------------------------------------------------------------------------
  root.addEventListener("click", (event) => {
    const button = event.target.closest("[data-host-action]");
    if (!button) return;
    const refusal = medimgr.refusal(button);
    const host = store.hosts.get(id);
    if (refusal || !host) medimgr.notice(refusal || "It was deleted.", { level: "info", seconds: 6 });
    else if (button.dataset.hostAction === "create-emulator") medimgr.askForNewEmulator(store, host);
    else fleetActions.onHosts(store, [id], button.dataset.hostAction);
  });

  // --- begin -------------------------------------------------------------------------------------------------
  tellTimes(byId("told"));
  try {
    byId("back-to-list").href += sessionStorage.getItem("medimgr.workstations") || "";
  } catch { /* then the list is shown unfiltered */ }
  for (const batch of page.batches.under_way) if (batch.kind.startsWith("emulator.")) store.batches.follow(batch);
  paint();
})();
