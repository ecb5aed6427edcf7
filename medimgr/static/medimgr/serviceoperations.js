/* The newest operations on one service, on its page: the same live rows as in the list of all. */
"use strict";

(() => {
  const { client, page } = medimgr;
  const root = document.getElementById("its-operations");
  if (!root) return; // this account may not look at operations
  const target = `service:${page.service}`;
  const none = document.getElementById("no-operations");

  const table = new medimgr.OperationTable(root.querySelector("table"), {
    operations: page.operations,
    fits: (operation) => operation.target === target,
    limit: page.operations_limit,
    changed: () => { none.hidden = root.querySelector("tr[data-operation]") !== null; },
  });

  client.on("operation", (operation) => table.receive(operation));
  client.on("reset", async () => {
    try {
      table.load((await medimgr.api.get(`/api/operations?${new URLSearchParams({ target, limit: page.operations_limit })}`)).items);
    } catch { /* the link says what is wrong */ }
  });
})();
