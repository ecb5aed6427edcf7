/* The list of workstations with their emulators: filters, selection and actions, kept true by the stream. */
"use strict";

(() => {
  const { words, fleet, fleetActions, actions, page, client } = medimgr;
  const byId = (id) => document.getElementById(id);
  const store = new medimgr.FleetStore(page.snapshot, client, { address: "/workstations/snapshot/" });
  const list = new medimgr.FleetList(byId("hosts"), store);
  const picks = new medimgr.FleetPicks(list, store);
  const all = () => [...store.hosts.values()];
  let wrong = fleet.troubles(all());

  store.batches = new medimgr.BatchCards(byId("notices"), client, {
    may: page.batches.may,
    title: (batch) => {
      const [type, verb] = batch.kind.split(".");
      return `${(actions.VERB_WORDS[verb] || { name: batch.kind }).name} ${words.count(batch.total, type, `${type}s`)}`;
    },
    onRetried: (answer) => { for (const operation of answer.operations) store.onOperation(operation); },
  });

  const sight = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      const id = Number(target.dataset.workstation);
      const block = list.blocks.get(id);
      if (!block) continue;
      block.inSight = isIntersecting;
      if (!isIntersecting) continue;
      block.equip(store, picks.emulators);
      if (store.hosts.has(id)) block.show(store, store.hosts.get(id), wrong.get(id));
    }
  }, { rootMargin: "600px" });

  // --- painting ----------------------------------------------------------------------------------------
  const changedHosts = new Set();
  const changedEmulators = new Set();
  let everything = false;

  const paint = medimgr.batch(() => {
    const before = wrong;
    wrong = fleet.troubles(all());
    for (const id of new Set([...before.keys(), ...wrong.keys()])) if (before.get(id) !== wrong.get(id)) changedHosts.add(id);
    for (const id of changedEmulators) if (store.emulators.has(id)) changedHosts.add(store.emulators.get(id).workstation);
    for (const id of changedHosts) {
      const host = store.hosts.get(id);
      if (!host) continue;
      (list.blocks.get(id) || add(host)).show(store, host, wrong.get(id));
    }
    for (const id of changedEmulators) {
      const item = store.emulators.get(id);
      if (item) list.blocks.get(item.workstation)?.showEmulator(store, item, picks.emulators);
    }
    // What can be done with an emulator depends on its workstation.
    for (const id of changedHosts) for (const emulator of store.hosts.get(id)?.emulators || []) if (!changedEmulators.has(emulator)) list.blocks.get(id).showEmulator(store, store.emulators.get(emulator), picks.emulators);
    if (everything || changedHosts.size) { paintSummary(); showShown(list.filter(wrong)); picks.show(); }
    changedHosts.clear();
    changedEmulators.clear();
    everything = false;
  });

  function add(host) {
    const block = list.add(host);
    for (const box of block.root.querySelectorAll("[data-pick-host]")) box.disabled = false;
    sight.observe(block.root);
    return block;
  }

  function paintSummary() {
    const items = all();
    const { level, text } = fleet.sentence(items);
    byId("verdict").dataset.level = level;
    if (byId("health-sentence").textContent !== text) {
      medimgr.setText(byId("health-sentence"), text);
      announceSoon(text);
    }
    medimgr.setTroubles(wrong.size);
    const counts = { all: items.length };
    for (const item of items) for (const name of fleet.buckets(item, wrong)) counts[name] = (counts[name] || 0) + 1;
    paintChips("filter", "count", counts, ["error", "unknown"]);
    const states = { "": store.emulators.size };
    for (const item of items) for (const [state, number] of Object.entries(item.states)) states[state] = (states[state] || 0) + number;
    paintChips("stateFilter", "stateCount", states, ["starting", "zombie", "unknown"]);
    document.querySelector('[data-filter="attention"]').toggleAttribute("data-some", wrong.size > 0);
    paintTags(items);
  }

  function paintChips(filter, count, counts, oftenEmpty) {
    const attribute = (name) => `data-${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    for (const chip of document.querySelectorAll(`[${attribute(filter)}]`)) {
      const number = counts[chip.dataset[filter]] || 0;
      medimgr.setText(chip.querySelector(`[${attribute(count)}]`), String(number));
      if (oftenEmpty.includes(chip.dataset[filter])) chip.hidden = !number && !chip.hasAttribute("aria-current");
    }
  }

  let tagsShown = "";
  function paintTags(items) {
    const tags = [...new Set([...items.flatMap((item) => item.tags), ...(list.tag ? [list.tag] : [])])].sort();
    if (tagsShown === tags.join(" ")) return;
    tagsShown = tags.join(" ");
    const select = byId("tag");
    select.replaceChildren(new Option("Every tag", ""), ...tags.map((tag) => new Option(tag, tag)));
    select.value = list.tag;
    select.closest("label").hidden = !tags.length;
  }

  let announceTimer = 0;
  function announceSoon(text) { // only where things end up is spoken
    clearTimeout(announceTimer);
    announceTimer = setTimeout(() => medimgr.announce(text), 1500);
  }

  function showShown(shown) {
    const total = store.hosts.size;
    byId("nothing-declared").hidden = total > 0;
    byId("nothing-shown").hidden = total === 0 || shown > 0;
    byId("tools").hidden = total === 0;
    if (total && !shown) {
      medimgr.setText(byId("nothing-why"), list.search.trim()
        ? `Nothing that is shown here has “${list.search.trim()}” in its name, host, tags or emulators.`
        : list.show === "attention" && !list.state && !list.tag ? "Nothing needs attention." : `The filters hide all ${total}.`);
    }
  }

  store.listen((kind, id) => {
    if (kind === "workstation") changedHosts.add(id);
    else if (kind === "emulator") changedEmulators.add(id);
    else if (kind === "emulator-gone") {
      picks.forgetEmulator(id);
      for (const [hostId, block] of list.blocks) if (block.tiles.has(id)) { block.dropEmulator(id); changedHosts.add(hostId); }
    } else {
      const block = list.blocks.get(id);
      if (block) sight.unobserve(block.root);
      picks.forgetHost(id);
      list.remove(id);
      everything = true;
    }
    paint();
  });

  setInterval(() => {
    if (list.dirty && !list.isBusy()) showShown(list.filter(wrong));
    if (document.hidden) return;
    for (const [id, block] of list.blocks) if (block.inSight && store.hosts.has(id)) block.tick(store, store.hosts.get(id));
  }, 1000);

  // --- filters and search --------------------------------------------------------------------------------
  function refilter() {
    for (const [name, value] of [["filter", list.show], ["stateFilter", list.state]]) {
      for (const chip of document.querySelectorAll(name === "filter" ? "[data-filter]" : "[data-state-filter]")) {
        if (chip.dataset[name] === value) chip.setAttribute("aria-current", "true");
        else chip.removeAttribute("aria-current");
      }
    }
    byId("tag").value = list.tag;
    showShown(list.filter(wrong, { force: true }));
    list.remember();
    picks.show();
  }

  byId("tools").addEventListener("click", (event) => {
    const chip = event.target.closest("[data-filter], [data-state-filter]");
    if (!chip || event.metaKey || event.ctrlKey) return;
    event.preventDefault();
    if (chip.dataset.filter !== undefined) list.show = chip.dataset.filter;
    else list.state = chip.dataset.stateFilter;
    refilter();
  });
  byId("tag").addEventListener("change", () => { list.tag = byId("tag").value; refilter(); });
  const searchBox = byId("search");
  searchBox.addEventListener("input", () => { list.search = searchBox.value; refilter(); });
  byId("search-form").addEventListener("submit", (event) => event.preventDefault());
  byId("show-all").addEventListener("click", (event) => {
    event.preventDefault();
    list.show = "all";
    list.state = list.tag = list.search = searchBox.value = "";
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

  // --- actions -------------------------------------------------------------------------------------------
  list.root.addEventListener("click", (event) => {
    const tag = event.target.closest("a.tag");
    if (tag && !event.metaKey && !event.ctrlKey) {
      event.preventDefault();
      list.tag = tag.textContent;
      refilter();
      return;
    }
    const host = event.target.closest(".host");
    const tile = event.target.closest("[data-emulator]");
    if (event.target.matches("[data-pick-host]")) { picks.pickHosts([Number(host.dataset.workstation)], event.target.checked); return; }
    if (event.target.matches("[data-pick]")) { picks.pickEmulator(Number(tile.dataset.emulator), event.target.checked, event.shiftKey); return; }
    const button = event.target.closest("[data-action], [data-host-action]");
    if (!button) return;
    const refusal = medimgr.refusal(button);
    if (refusal) medimgr.notice(refusal, { level: "info", seconds: 6 });
    else if (button.dataset.action) fleetActions.onEmulators(store, [Number(tile.dataset.emulator)], button.dataset.action);
    else fleetActions.onHosts(store, [Number(host.dataset.workstation)], button.dataset.hostAction);
  });

  // --- begin ---------------------------------------------------------------------------------------------
  for (const box of document.querySelectorAll("[data-pick-host], #tag")) box.disabled = false;
  for (const [id, block] of list.blocks) {
    const host = store.hosts.get(id);
    if (host) block.show(store, host, wrong.get(id));
    sight.observe(block.root);
  }
  for (const batch of page.batches.under_way) if (/^(workstation|emulator)\./.test(batch.kind)) store.batches.follow(batch);
  paintSummary();
  refilter();
})();
