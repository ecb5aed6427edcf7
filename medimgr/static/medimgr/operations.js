/* The list of operations and the page of one, kept true by the "operation" messages. */
"use strict";

(() => {
  const { words, client, page } = medimgr;
  const ACTIVE = new Set(["PENDING", "RUNNING"]);
  const FAILED = new Set(["FAILED", "TIMEOUT"]);
  const field = (root, name) => root.querySelector(`[data-field="${name}"]`);
  const label = (operation) => page.labels[operation.kind] || operation.kind; // as operations/words.py

  function took(operation) {
    if (!operation.started_at) return words.NOTHING;
    const end = operation.finished_at ? Date.parse(operation.finished_at) : words.now();
    return `${Math.max(0, (end - Date.parse(operation.started_at)) / 1000).toFixed(1)} s`;
  }

  // --- the list ----------------------------------------------------------------------------------------------
  const body = document.getElementById("operation-rows");
  const wanted = (operation) => (page.show === "all" || (page.show === "active" ? ACTIVE.has(operation.status) : FAILED.has(operation.status)))
    && (!page.target || operation.target === page.target);

  function showRow(operation) {
    let row = body.querySelector(`[data-operation="${Number(operation.id)}"]`);
    if (!row) {
      if (!wanted(operation)) return; // one that stops fitting stays until the page is loaded anew
      row = document.getElementById("row-template").content.firstElementChild.cloneNode(true);
      row.dataset.operation = operation.id;
      body.prepend(row);
      document.getElementById("no-operations").hidden = true;
      medimgr.setText(field(row, "label"), label(operation));
    }
    medimgr.setAttribute(row, "data-status", operation.status);
    field(row, "label").href = operation.url;
    medimgr.setText(field(row, "target"), operation.target);
    medimgr.setText(field(row, "status"), words.capital(operation.status));
    medimgr.setText(field(row, "message"), operation.error ? operation.error.detail : operation.status === "SUCCESS" ? "" : operation.progress.message);
    medimgr.setText(field(row, "requested_by"), operation.requested_by);
    medimgr.setText(field(row, "reason"), operation.reason || words.NOTHING);
    const created = field(row, "created");
    created.dateTime = operation.created_at;
    created.title = words.absolute(operation.created_at);
    medimgr.setText(created, words.moment(operation.created_at));
    medimgr.setText(field(row, "took"), took(operation));
  }

  // --- one operation -------------------------------------------------------------------------------------------
  const root = document.getElementById("operation");
  let current = page.operation || null;

  function showOne() {
    const operation = current;
    medimgr.setAttribute(root, "data-status", operation.status);
    medimgr.setText(field(root, "status"), operation.cancel_requested && ACTIVE.has(operation.status) ? "Cancelling" : words.capital(operation.status));
    medimgr.setText(field(root, "message"), ACTIVE.has(operation.status) ? operation.progress.message : ""); // what it did last says little once it has ended
    document.getElementById("error").hidden = !operation.error;
    if (operation.error) {
      medimgr.setText(field(root, "error"), operation.error.detail);
      medimgr.setText(field(root, "code"), operation.error.code);
    }
    const bar = document.getElementById("progress");
    bar.hidden = !ACTIVE.has(operation.status) || !operation.progress.total;
    if (operation.progress.total) { bar.max = operation.progress.total; bar.value = operation.progress.done; }
    for (const [name, at] of [["started", operation.started_at], ["finished", operation.finished_at]]) {
      medimgr.setText(field(root, name), at ? words.moment(at) + (name === "finished" && operation.started_at ? ` after ${took(operation)}` : "") : words.NOTHING);
    }
    for (const button of root.querySelectorAll("[data-act]")) medimgr.allow(button, refusal(button.dataset.act));
  }

  function refusal(act) {
    if (!page.may[act]) return `Your account lacks the permission operations.${act}_operation.`;
    const active = ACTIVE.has(current.status);
    if (act === "cancel") return active ? (current.cancel_requested ? "Asked for already." : "") : "It has ended.";
    return active ? "It has not ended yet." : current.status === "SUCCESS" ? "It succeeded." : "";
  }

  if (root) {
    root.addEventListener("click", async (event) => {
      const button = event.target.closest("[data-act]");
      if (!button) return;
      const why = medimgr.refusal(button);
      if (why) { medimgr.notice(why, { level: "info", seconds: 6 }); return; }
      try {
        const { operation } = await medimgr.api.post(`/api/operations/${current.id}/${button.dataset.act}`);
        if (button.dataset.act === "retry") location.href = operation.url;
        else { current = operation; showOne(); }
      } catch (error) {
        medimgr.notice(error.message);
      }
    });
    showOne();
  }
  if (body) for (const time of body.querySelectorAll("time")) if (Date.parse(time.dateTime)) { time.title = words.absolute(time.dateTime); medimgr.setText(time, words.moment(time.dateTime)); }

  client.on("operation", (operation) => {
    if (body) showRow(operation);
    if (root && operation.id === current.id) { current = operation; showOne(); }
  });
  client.on("reset", async () => {
    try {
      if (root) { current = await medimgr.api.get(`/api/operations/${current.id}`); showOne(); }
      if (body) (await medimgr.api.get("/api/operations?limit=200")).items.reverse().forEach(showRow);
    } catch { /* purged meanwhile, or the link says what is wrong */ }
  });
})();
