/* The connections page: every open stream, as it opens, pings and closes. */
"use strict";

(() => {
  const { words, client, page } = medimgr;
  const body = document.getElementById("connection-rows");
  const COLUMNS = ["user", "address", "page", "duration", "ping", "events", "bytes", "queued", "worker"];
  const LABELS = { address: "Address", page: "Page", duration: "Open for", ping: "Last ping", events: "Events", bytes: "Sent", queued: "Waits", worker: "Worker" };
  const NUMBERS = new Set(["duration", "ping", "events", "bytes", "queued"]);
  const MONO = new Set(["address", "page", "worker"]);
  const REFRESH_MS = 5000; // pings and counters change without an event
  const rows = new Map();
  let mine = null;
  let timer = 0;

  for (const row of body.rows) rows.set(Number(row.dataset.connection), { row, since: null });

  function make(id) {
    const row = document.createElement("tr");
    row.dataset.connection = id;
    for (const column of COLUMNS) {
      const cell = document.createElement("td");
      cell.dataset.field = column;
      if (LABELS[column]) cell.dataset.label = LABELS[column];
      if (NUMBERS.has(column)) cell.className = "num";
      if (MONO.has(column)) cell.className = "mono";
      row.append(cell);
    }
    body.append(row);
    return { row, since: null };
  }

  function show(connection) {
    const entry = rows.get(connection.id) || make(connection.id);
    rows.set(connection.id, entry);
    entry.since = Date.parse(connection.connected_at);
    const texts = {
      user: connection.user, address: connection.address, page: connection.page || words.NOTHING,
      duration: words.age((words.now() - entry.since) / 1000), ping: words.clockSeconds(connection.last_ping_at),
      events: String(connection.events_sent), bytes: words.bytes(connection.bytes_sent), queued: connection.queued ? words.bytes(connection.queued) : words.NOTHING, worker: connection.worker,
    };
    for (const column of COLUMNS) {
      const cell = entry.row.querySelector(`[data-field="${column}"]`);
      if (column === "user" && cell.querySelector(".badge")) continue; // a user's name does not change
      medimgr.setText(cell, texts[column]);
    }
    mark(entry.row, connection.id === mine);
    offerToEnd(entry.row, connection);
  }

  /** A button that ends somebody else's connection, for who may. */
  function offerToEnd(row, connection) {
    if (!page.may.kick) return;
    let cell = row.querySelector('[data-field="end"]');
    if (!cell) {
      cell = document.createElement("td");
      cell.dataset.field = "end";
      row.append(cell);
    }
    const button = cell.querySelector("button");
    if (connection.id === mine) { // the page that one looks at is closed by closing it
      if (button) button.remove();
    } else if (!button) {
      const made = document.createElement("button");
      made.type = "button";
      made.className = "button small";
      made.textContent = "End";
      made.setAttribute("aria-label", `End the connection of ${connection.user} to ${connection.page || "no page"}`);
      made.addEventListener("click", () => end(made, connection));
      cell.append(made);
    }
  }

  async function end(button, connection) {
    button.disabled = true;
    const told = document.getElementById("connections-told");
    try {
      const { ended } = await medimgr.api.kick(connection.id);
      medimgr.setText(told, ended ? `The connection of ${connection.user} was ended. Their page says so, and asks before it comes back.` : "That connection had ended already.");
      soon();
    } catch (error) {
      button.disabled = false;
      medimgr.setText(told, error.message);
    }
  }

  function mark(row, own) {
    row.classList.toggle("mine", own);
    const cell = row.querySelector('[data-field="user"]');
    const badge = cell.querySelector(".badge");
    if (badge && !own) badge.remove();
    if (own && !badge) {
      const label = document.createElement("span");
      label.className = "badge";
      label.textContent = "this page";
      cell.append(" ", label);
    }
  }

  function summarize(total, figures) {
    medimgr.setText(document.getElementById("connections-sentence"), total === 1 ? "One live connection is open." : `${total} live connections are open.`);
    document.getElementById("no-connections").hidden = total > 0;
    if (figures) medimgr.setText(document.getElementById("connections-figures"), figures);
  }

  async function refresh() {
    clearTimeout(timer);
    timer = setTimeout(refresh, REFRESH_MS);
    if (document.hidden || client.link.state !== "live") return;
    try {
      const stats = await medimgr.api.streams();
      const open = new Set(stats.connections.map((connection) => connection.id));
      for (const [id, { row }] of rows) if (!open.has(id)) { row.remove(); rows.delete(id); }
      stats.connections.forEach(show);
      const limit = stats.limit ? ` There is room for ${stats.limit}, ${stats.limit_per_address} from one address.` : "";
      summarize(stats.total, `At most ${stats.peak} at a time lately.${limit}${spared(stats)}${endings(stats.disconnects_by_reason)}`);
    } catch { /* the link says what is wrong */ }
  }

  const ENDINGS = {
    beacon: "said goodbye", closed: "closed", "write-failed": "broke off", lagging: "did not read", kicked: "ended by somebody", "session-ended": "logged out",
    "too-old": "renewed", shutdown: "by a restart", "worker-lost": "lost with their worker", "source-failed": "lost what they followed",
  };

  function endings(reasons) {
    const parts = Object.entries(reasons).sort((one, other) => other[1] - one[1]).map(([reason, count]) => `${count} ${ENDINGS[reason] || reason}`);
    return parts.length ? ` Ended lately: ${parts.join(", ")}.` : "";
  }

  function spared(stats) {
    return stats.saved_percent > 0 ? ` Compression saved ${stats.saved_percent} % (${words.bytes(stats.bytes_saved_last_hour)}) within the hour.` : "";
  }

  function soon() {
    clearTimeout(timer);
    timer = setTimeout(refresh, 150);
  }

  client.on("hello", (data) => { mine = data.connection; soon(); });
  // --- a test event: through the log and the web worker back to this page ------------------------------
  const probe = document.getElementById("send-test");
  let sentAt = 0;
  let patience = 0;

  async function sendTest() {
    const told = document.getElementById("connections-told");
    probe.disabled = true;
    sentAt = performance.now();
    patience = setTimeout(() => {
      medimgr.setText(told, "The test event has not arrived on this page within 10 seconds. Look at the log of the web worker.");
      rest();
    }, 10_000);
    try {
      await medimgr.api.testEvent();
    } catch (error) {
      medimgr.setText(told, error.message);
      rest();
    }
  }

  function rest() {
    clearTimeout(patience);
    sentAt = 0;
    if (probe) probe.disabled = false;
  }

  function testArrived(data) {
    const told = document.getElementById("connections-told");
    if (sentAt) medimgr.setText(told, `The test event arrived on this page after ${Math.round(performance.now() - sentAt)} ms.`);
    else medimgr.setText(told, `${data.by} sent a test event, and it arrived on this page.`);
    rest();
  }

  if (probe) probe.addEventListener("click", sendTest);

  client.on("connection", (data) => {
    if (data.test) { testArrived(data); return; }
    const id = Number(data.key);
    if (data.connected === false) { // at once; the figures of the others follow
      const entry = rows.get(id);
      if (entry) entry.row.remove();
      rows.delete(id);
      summarize(Number.isInteger(data.total) ? data.total : rows.size);
    }
    soon();
  });
  client.on("reset", soon);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) soon(); });
  setInterval(() => {
    for (const { row, since } of rows.values()) {
      if (since) medimgr.setText(row.querySelector('[data-field="duration"]'), words.age((words.now() - since) / 1000));
    }
  }, 1000);
})();
