/* The services page: rows, filters, selection and actions, kept true by the stream. */
"use strict";

(() => {
  const { words, attention, actions, page } = medimgr;
  const table = document.getElementById("services");
  const store = new medimgr.ServiceStore(page.snapshot, medimgr.client);
  const series = new medimgr.Series();
  const list = new medimgr.ServiceList(table, store);
  const verdict = document.getElementById("verdict");
  const sentenceNode = document.getElementById("health-sentence");
  const picked = new Set();
  store.batches = new medimgr.BatchCards(document.getElementById("notices"), medimgr.client, {
    may: page.batches.may,
    title: (batch) => `${(actions.VERB_WORDS[actions.verbOf(batch)] || { name: batch.kind }).name} of ${words.count(batch.total, "service", "services")}`,
    onRetried: (answer) => { for (const operation of answer.operations) store.onOperation(operation); },
  });
  const onScreen = new Set(); // only rows in sight tick and draw
  let wrong = attention.troubles(store.all());
  let lastAnchor = null;

  const sight = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      const key = target.dataset.service;
      if (!isIntersecting) { onScreen.delete(key); continue; }
      onScreen.add(key);
      refresh(key);
    }
  }, { rootMargin: "200px" });

  function refresh(key) {
    const row = list.rows.get(key);
    const item = store.items.get(key);
    if (!row || !item) return;
    row.figures(item);
    row.tick(item);
    series.draw(row.root, key);
  }

  // --- painting ----------------------------------------------------------------------------------------
  const changedRows = new Set();
  const changedFigures = new Set();
  let everything = false;

  const paint = medimgr.batch(() => {
    if (changedRows.size || everything) paintStates();
    for (const key of changedFigures) {
      if (!onScreen.has(key)) continue;
      const item = store.items.get(key);
      const row = list.rows.get(key);
      if (item && row) row.figures(item);
    }
    changedFigures.clear();
  });

  function paintStates() {
    const before = wrong;
    wrong = attention.troubles(store.all());
    // A service's trouble can begin with another one's: rows whose trouble is new or gone are painted too.
    for (const key of new Set([...before.keys(), ...wrong.keys()])) if (before.get(key) !== wrong.get(key)) changedRows.add(key);
    for (const key of changedRows) {
      const item = store.items.get(key);
      if (!item) continue;
      const row = list.rows.get(key) || add(item);
      row.show(item, wrong.get(key));
    }
    changedRows.clear();
    everything = false;
    paintSummary();
    showShown(list.filter(wrong));
    paintSelection();
  }

  function paintSummary() {
    const items = store.all();
    const { level, text } = attention.sentence(items, [...store.nodes.values()], words.clock, wrong);
    verdict.dataset.level = level;
    if (sentenceNode.textContent !== text) {
      medimgr.setText(sentenceNode, text);
      announceSoon(text);
    }
    medimgr.setTroubles(wrong.size);
    const counts = { all: items.length, running: 0, attention: 0, stopped: 0, changing: 0, scheduled: 0 };
    for (const item of items) for (const name of attention.buckets(item, wrong)) counts[name] += 1;
    for (const node of document.querySelectorAll("[data-count]")) medimgr.setText(node, String(counts[node.dataset.count]));
    document.querySelector('[data-filter="attention"]').toggleAttribute("data-some", counts.attention > 0);
    const scheduled = document.querySelector('[data-filter="scheduled"]');
    scheduled.hidden = !counts.scheduled && !scheduled.hasAttribute("aria-current");
    paintCopies(items);
    paintNodes();
  }

  let withCopies = [];
  /** The first of several copies says how many of them run. */
  function paintCopies(items) {
    const copies = new Map();
    for (const item of items) {
      if (!item.instance_of && !(item.instances > 1)) continue;
      const first = item.instance_of || item.key;
      const [running, total] = copies.get(first) || [0, 0];
      copies.set(first, [running + (item.state === "RUNNING"), total + 1]);
    }
    for (const key of new Set([...withCopies, ...copies.keys()])) list.rows.get(key)?.showCopies(copies.get(key));
    withCopies = [...copies.keys()];
  }

  let announceTimer = 0;
  function announceSoon(text) { // a restart goes through four states in a second: only where it ends up is spoken
    clearTimeout(announceTimer);
    announceTimer = setTimeout(() => medimgr.announce(text), 1500);
  }

  function paintNodes() {
    const used = new Set(store.all().map((item) => item.node));
    const lines = [...store.nodes.values()].filter((node) => used.has(node.name)).map((node) => {
      const line = document.createElement("li");
      line.classList.toggle("silent", !node.supervised);
      line.textContent = node.handed_over_at && node.supervised
        ? `Node ${node.name}: handed over ${words.moment(node.handed_over_at)}; its services run on, and the next supervisor is awaited.`
        : node.supervised
        ? `Node ${node.name}: supervised by process ${node.supervisor_pid} since ${words.moment(node.started_at)}${node.version ? `, medimgr ${node.version}` : ""}${node.start_concurrency ? `, ${node.start_concurrency} at a time may start` : ""}`
        : `Node ${node.name}: no supervisor. Start one there with manage.py up or manage.py supervise.`;
      return line;
    });
    document.getElementById("nodes").replaceChildren(...lines);
  }

  function showShown(shown) {
    const total = store.items.size;
    document.getElementById("nothing-declared").hidden = total > 0;
    document.getElementById("nothing-shown").hidden = total === 0 || shown > 0;
    table.hidden = total === 0;
    document.getElementById("tools").hidden = total === 0;
    if (total && !shown) {
      medimgr.setText(document.getElementById("nothing-why"), list.search.trim()
        ? `Nothing that is shown here has “${list.search.trim()}” in its name, key, group or node.`
        : list.show === "attention" ? "Nothing needs attention." : `The filter hides all ${total}.`);
    }
  }

  function add(item) {
    const row = list.add(item);
    sight.observe(row.root);
    return row;
  }

  store.listen((kind, key) => {
    if (kind === "figures") changedFigures.add(key);
    else if (kind === "nodes") everything = true;
    else if (kind === "removed") {
      const row = list.rows.get(key);
      if (row) sight.unobserve(row.root);
      list.remove(key);
      series.forget(key);
      picked.delete(key);
      onScreen.delete(key);
      everything = true;
    } else changedRows.add(key);
    paint();
  });

  setInterval(() => {
    store.checkNodes();
    series.sample(store.items.values(), medimgr.client.link.state === "live");
    if (list.dirty && !list.isBusy()) showShown(list.filter(wrong));
    if (!document.hidden) for (const key of onScreen) refresh(key);
  }, 1000);

  // --- filter, search, sort ------------------------------------------------------------------------------
  function refilter() {
    for (const chip of document.querySelectorAll("[data-filter]")) {
      if (chip.dataset.filter === list.show) chip.setAttribute("aria-current", "true");
      else chip.removeAttribute("aria-current");
    }
    showShown(list.filter(wrong, { force: true }));
    list.remember();
    paintSelection();
  }

  document.querySelector(".chips").addEventListener("click", (event) => {
    const chip = event.target.closest("[data-filter]");
    if (!chip || event.metaKey || event.ctrlKey) return;
    event.preventDefault();
    list.show = chip.dataset.filter;
    refilter();
  });
  const searchBox = document.getElementById("search");
  searchBox.addEventListener("input", () => { list.search = searchBox.value; refilter(); });
  document.getElementById("search-form").addEventListener("submit", (event) => event.preventDefault());
  document.getElementById("show-all").addEventListener("click", (event) => {
    event.preventDefault();
    list.show = "all";
    list.search = searchBox.value = "";
    refilter();
    searchBox.focus();
  });
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, textarea, select, dialog");
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      searchBox.focus();
      searchBox.select();
    } else if (event.key === "Escape" && event.target === searchBox) {
      list.search = searchBox.value = "";
      refilter();
    }
  });
  table.tHead.addEventListener("click", (event) => {
    const button = event.target.closest("[data-sort]");
    if (button) list.press(button.dataset.sort);
  });

  // --- selection and actions -----------------------------------------------------------------------------
  function allowByRight(button, verb) {
    const right = actions.rightOf(verb);
    medimgr.allow(button, page.may[right] ? "" : `Your account lacks the permission monitoring.${right}_service. Ask an administrator for it.`);
  }

  function paintSelection() {
    const bar = document.getElementById("selection");
    bar.hidden = picked.size === 0;
    medimgr.setText(document.getElementById("selection-text"), `${picked.size} selected`);
    for (const button of bar.querySelectorAll("[data-batch]")) allowByRight(button, button.dataset.batch);
    for (const [key, { root }] of list.rows) {
      const on = picked.has(key);
      if (root.classList.contains("picked") === on) continue;
      root.classList.toggle("picked", on);
      root.querySelector("[data-pick]").checked = on;
    }
    const visible = list.visibleKeys();
    const among = visible.filter((key) => picked.has(key)).length;
    const box = document.getElementById("pick-all");
    box.checked = among > 0 && among === visible.length;
    box.indeterminate = among > 0 && among < visible.length;
  }

  function pick(keys, on) {
    for (const key of keys) {
      if (on) picked.add(key);
      else picked.delete(key);
    }
    paintSelection();
  }

  list.body.addEventListener("click", (event) => {
    const row = event.target.closest("tr.service");
    if (!row) return;
    const box = event.target.closest("[data-pick]");
    if (box) {
      const visible = list.visibleKeys();
      const [from, to] = [visible.indexOf(lastAnchor), visible.indexOf(row.dataset.service)];
      const range = event.shiftKey && from >= 0 ? visible.slice(Math.min(from, to), Math.max(from, to) + 1) : [row.dataset.service];
      pick(range, box.checked);
      lastAnchor = row.dataset.service;
      return;
    }
    const button = event.target.closest("[data-action]");
    if (button) actions.ask(store, [row.dataset.service], button.dataset.action);
  });
  document.getElementById("pick-all").addEventListener("click", (event) => pick(list.visibleKeys(), event.target.checked));
  document.getElementById("selection-clear").addEventListener("click", () => pick([...picked], false));
  document.getElementById("selection").addEventListener("click", (event) => {
    const button = event.target.closest("[data-batch]");
    if (!button) return;
    const refusal = medimgr.refusal(button);
    if (refusal) medimgr.notice(refusal, { level: "info", seconds: 6 });
    else actions.ask(store, [...picked], button.dataset.batch);
  });
  /** The keys of the rows under the heading of a group. */
  function keysUnder(heading) {
    const keys = [];
    for (let next = heading.nextElementSibling; next && next.classList.contains("service"); next = next.nextElementSibling) keys.push(next.dataset.service);
    return keys;
  }
  list.body.addEventListener("click", (event) => {
    const button = event.target.closest("[data-group-action]");
    if (!button) return;
    const refusal = medimgr.refusal(button);
    if (refusal) medimgr.notice(refusal, { level: "info", seconds: 6 });
    else actions.ask(store, keysUnder(button.closest("tr.group")), button.dataset.groupAction, { everything: true });
  });
  document.querySelector(".on-all").addEventListener("click", (event) => {
    const button = event.target.closest("[data-all]");
    if (!button) return;
    const refusal = medimgr.refusal(button);
    // medimgr's own processes are not among "all": stopping the page from the page helps nobody.
    if (refusal) medimgr.notice(refusal, { level: "info", seconds: 6 });
    else actions.ask(store, store.all().filter((item) => !item.builtin).map((item) => item.key), button.dataset.all, { everything: true });
  });

  // --- begin ---------------------------------------------------------------------------------------------
  for (const box of document.querySelectorAll("#pick-all, [data-pick], [data-sort]")) box.disabled = false;
  for (const button of document.querySelectorAll("[data-all]")) {
    allowByRight(button, button.dataset.all);
  }
  for (const button of document.querySelectorAll("[data-group-action]")) allowByRight(button, button.dataset.groupAction);
  for (const [key, row] of list.rows) {
    const item = store.items.get(key);
    if (item) row.show(item, wrong.get(key));
    sight.observe(row.root);
  }
  for (const key of store.items.keys()) if (!list.rows.has(key)) add(store.items.get(key)).show(store.items.get(key), wrong.get(key));
  if (list.sort) list.arrange();
  for (const batch of page.batches.under_way) store.batches.follow(batch);
  paintSummary();
  refilter();
})();
