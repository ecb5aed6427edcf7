/* The list of operations: its filters, its live table, and how many there are. */
"use strict";

(() => {
  const { client, page } = medimgr;
  const RECOUNT_MS = 3000;
  const nothing = document.getElementById("no-operations");
  const counted = document.getElementById("operations-count");
  const faulty = Boolean(document.getElementById("filter-fault"));
  const form = document.getElementById("filters");
  let picks = null;
  let recounting = 0;

  const table = new medimgr.OperationTable(document.getElementById("operations"), {
    operations: page.operations,
    fits: (operation) => medimgr.operation.fits(operation, page.selection),
    limit: page.limit,
    grows: page.first && !faulty,
    changed: () => {
      picks?.show();
      nothing.hidden = faulty || document.querySelector("#operation-rows tr") !== null;
    },
  });
  picks = new medimgr.OperationPicks(table);

  client.on("operation", (operation) => {
    table.receive(operation);
    if (page.first && !faulty && !recounting) recounting = setTimeout(recount, RECOUNT_MS);
  });
  client.on("reset", async () => {
    if (faulty) return;
    try {
      if (page.first) table.load((await medimgr.api.get(`/api/operations?${page.query}&limit=${page.limit}`)).items);
      else for (const id of table.known.keys()) table.receive(await medimgr.api.get(`/api/operations/${id}`));
      client.followedReset();
    } catch { /* purged meanwhile, or the link says what is wrong */ }
  });

  async function recount() {
    recounting = 0;
    if (document.hidden) { recounting = setTimeout(recount, RECOUNT_MS); return; }
    try {
      const { count, complete } = await medimgr.api.get(`/api/operations?${page.query}&limit=1`);
      const number = complete ? "" : count >= 10_000 ? "more than " : "at least ";
      medimgr.setText(counted, `${number}${count.toLocaleString("en-GB")} ${count === 1 ? "operation" : "operations"}`);
    } catch { /* the link says what is wrong */ }
  }

  // On a phone the row of statuses is wider than the page.
  document.querySelector(".chips [aria-current]")?.scrollIntoView({ inline: "center", block: "nearest" });

  // An address without empty filters reads better, and is what one hands on.
  form.addEventListener("submit", () => {
    for (const field of form.querySelectorAll("select, input")) if (!field.value) field.disabled = true;
  });
  window.addEventListener("pageshow", () => { for (const field of form.querySelectorAll("select, input")) field.disabled = false; });
  for (const select of form.querySelectorAll("select")) select.addEventListener("change", () => form.requestSubmit());
})();
