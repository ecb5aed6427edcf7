/* The page of one service: its figures, actions, log and history, kept true by the stream. */
"use strict";

(() => {
  const { words, attention, actions, page } = medimgr;
  const key = page.service;
  const root = document.getElementById("service");
  const store = new medimgr.ServiceStore(page.snapshot, medimgr.client, { only: page.snapshot.items.map((item) => item.key) });
  const series = new medimgr.Series();
  const row = new medimgr.Row(root);
  const recovery = document.getElementById("auto-recovery");
  const historyList = document.getElementById("history");
  let gone = false;

  const logRoot = document.getElementById("log");
  if (logRoot) {
    medimgr.log = new medimgr.LogTail(logRoot, key, medimgr.client);
    medimgr.logSearch = new medimgr.LogSearch(logRoot, key, medimgr.log);
    medimgr.logDownload = new medimgr.LogDownload(logRoot, key, medimgr.log);
  }

  const copiesRoot = document.getElementById("copies");
  const copies = copiesRoot && new medimgr.Copies(copiesRoot, store, key);

  const paint = medimgr.batch(() => {
    const item = store.items.get(key);
    if (!item) return;
    copies?.paint();
    const wrong = attention.troubles(store.all());
    row.show(item, wrong.get(key));
    medimgr.setTroubles(wrong.has(key) ? 1 : 0);
    document.getElementById("needs-restart").hidden = !item.needs_restart;
    paintRecovery(item);
    for (const tie of root.querySelectorAll("[data-tie]")) {
      const other = store.items.get(tie.dataset.tie);
      if (!other) continue;
      medimgr.setAttribute(tie, "data-state", other.state);
      medimgr.setText(tie.querySelector("[data-tie-state]"), other.state.toLowerCase());
    }
  });

  function paintRecovery(item) {
    medimgr.setAttribute(recovery, "aria-checked", String(item.auto_recovery));
    medimgr.setText(recovery.querySelector("[data-field]"), item.auto_recovery ? "on" : "off");
    const active = item.operation ? "An operation on it is under way." : "";
    medimgr.allow(recovery, actions.beyond(item) || (page.may.recover ? (item.state === "UNKNOWN" ? actions.whyNot(item, "recover") : active) : "Your account lacks the permission monitoring.recover_service."));
  }

  store.listen((kind, changed) => {
    if (kind === "removed" && changed === key) {
      gone = true;
      document.getElementById("gone").hidden = false;
      for (const button of root.querySelectorAll("[data-action], #auto-recovery")) medimgr.allow(button, "It was deleted.");
      return;
    }
    if (!gone) paint();
  });

  // --- history: a change of state is a new row there ------------------------------------------------------
  let newest = Number(historyList.querySelector("[data-change]")?.dataset.change || 0);
  const requesters = new Map();
  let historyTimer = 0;
  let historyAsked = 0;

  medimgr.client.on("operation", (operation) => {
    if (operation.target === `service:${key}`) requesters.set(operation.id, operation.requested_by);
  });
  medimgr.client.on("service", (data) => {
    if (data.key !== key || !data.state) return;
    clearTimeout(historyTimer);
    // Soon after the last of a burst, but no later than a second after the first.
    historyAsked = historyAsked || Date.now();
    historyTimer = setTimeout(readHistory, Date.now() - historyAsked > 1000 ? 0 : 200);
  });
  medimgr.client.on("reset", () => readHistory());

  async function readHistory() {
    historyAsked = 0;
    try {
      const { items } = await medimgr.api.history(key);
      for (const change of items.filter((one) => one.id > newest).reverse()) addChange(change);
    } catch { /* the next change asks again */ }
  }

  function addChange(change) {
    newest = change.id;
    const line = document.getElementById("change-template").content.firstElementChild.cloneNode(true);
    line.dataset.change = change.id;
    line.dataset.state = change.to;
    const requester = requesters.get(change.operation);
    const why = words.reason(change.reason, change.detail);
    medimgr.setText(line.querySelector('[data-field="to"]'), words.capital(change.to));
    medimgr.setText(line.querySelector('[data-field="reason"]'), requester ? (why ? `${why} (${requester})` : `asked for by ${requester}`) : why);
    const at = line.querySelector('[data-field="at"]');
    at.dateTime = change.at;
    at.title = words.absolute(change.at);
    medimgr.setText(at, words.moment(change.at));
    document.getElementById("no-history")?.remove();
    historyList.prepend(line);
    while (historyList.childElementCount > 200) historyList.lastElementChild.remove();
  }

  // --- actions -----------------------------------------------------------------------------------------------
  root.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-action]");
    if (button && !gone) actions.ask(store, [key], button.dataset.action);
  });
  recovery.addEventListener("click", async () => {
    const refusal = medimgr.refusal(recovery);
    const item = store.items.get(key);
    if (refusal || !item) { medimgr.notice(refusal || "It was deleted.", { level: "info", seconds: 6 }); return; }
    try {
      const { operation } = await medimgr.api.act(key, "auto-recovery", { enabled: !item.auto_recovery });
      store.follow(item, operation);
    } catch (error) {
      medimgr.notice(`Auto-recovery: ${error.message}`);
    }
  });

  // --- begin -------------------------------------------------------------------------------------------------
  for (const time of document.querySelectorAll("time[datetime]")) if (Date.parse(time.dateTime)) time.title = words.absolute(time.dateTime);
  for (const time of historyList.querySelectorAll("time")) if (Date.parse(time.dateTime)) medimgr.setText(time, words.moment(time.dateTime));
  try {
    const back = document.getElementById("back-to-list");
    back.href += sessionStorage.getItem("medimgr.list") || "";
  } catch { /* then the list is shown unfiltered */ }
  setInterval(() => {
    store.checkNodes();
    const item = store.items.get(key);
    if (!item) return;
    series.sample(store.items.values(), medimgr.client.link.state === "live");
    if (document.hidden) return;
    row.tick(item);
    series.draw(root, key);
  }, 1000);
  series.draw(root, key);
  paint();
})();
