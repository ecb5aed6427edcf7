/* The figures of each kind, asked for when somebody opens them: the list does not wait for them. */
"use strict";

(() => {
  const { words } = medimgr;
  const REFRESH_MS = 30_000;
  const root = document.getElementById("statistics");
  const told = document.getElementById("statistics-told");
  const table = root.querySelector("table");
  let timer = 0;

  const seconds = (value) => (value === null ? words.NOTHING : medimgr.operation.duration(value));
  const rate = (value) => (value === null ? words.NOTHING : `${(value * 100).toFixed(1)} %`);

  function line(kind) {
    const row = document.createElement("tr");
    const { duration_seconds: took } = kind;
    const cells = [["Kind", kind.label], ["Ended", kind.finished], ["Succeeded", kind.success], ["Failed", kind.failed + kind.timeout], ["Cancelled", kind.cancelled], ["Failure rate", rate(kind.failure_rate)], ["Median", seconds(took.median)], ["95 % within", seconds(took.p95)]];
    for (const [name, value] of cells) {
      const cell = document.createElement("td");
      cell.textContent = typeof value === "number" ? value.toLocaleString("en-GB") : value;
      cell.dataset.label = name;
      if (name === "Kind") cell.title = kind.kind;
      else cell.className = "num";
      row.append(cell);
    }
    return row;
  }

  async function show() {
    clearTimeout(timer);
    if (!root.open) return;
    timer = setTimeout(show, REFRESH_MS);
    if (document.hidden && !table.hidden) return;
    try {
      const stats = await medimgr.api.get("/api/operations/stats");
      table.tBodies[0].replaceChildren(...stats.kinds.map(line));
      table.hidden = !stats.kinds.length;
      const of = stats.sampled < stats.sample_limit ? `all ${stats.sampled.toLocaleString("en-GB")} operations that have ended and are kept` : `the ${stats.sampled.toLocaleString("en-GB")} operations that ended last`;
      medimgr.setText(told, stats.sampled ? `Of ${of}. ${stats.total.toLocaleString("en-GB")} are kept, ${stats.active.toLocaleString("en-GB")} of them are under way.` : "No operation has ended yet.");
    } catch (error) {
      medimgr.setText(told, error.message);
    }
  }

  root.addEventListener("toggle", () => {
    if (root.open && table.hidden) medimgr.setText(told, "Counting…");
    show();
  });
  medimgr.setText(told, "");
  show(); // it may be open already: the browser remembers it when one comes back
})();
