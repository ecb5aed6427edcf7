/* The connections page: every open stream, as it opens, pings and closes. */
"use strict";

(() => {
  const { client } = medimgr;
  const REFRESH_MS = 3000; // pings and counters change without an event; the web workers write them every 3 s
  const SOON_MS = 150;
  const told = document.getElementById("connections-told");
  const search = document.getElementById("search");
  const table = new medimgr.ConnectionTable(document.getElementById("connections"), endOne);
  let timer = 0;
  let asking = false;

  function summarize(total) {
    medimgr.setText(document.getElementById("connections-sentence"), total === 1 ? "One live connection is open." : `${total} live connections are open.`);
    document.getElementById("no-connections").hidden = total > 0;
    showSearch();
  }

  function showSearch() {
    table.search = search.value;
    const shown = table.filter();
    const all = table.rows.size;
    medimgr.setText(document.getElementById("connections-shown"), search.value.trim() ? `${shown} of ${all} shown` : "");
    document.getElementById("none-fits").hidden = shown > 0 || all === 0;
  }

  async function refresh() {
    clearTimeout(timer);
    timer = setTimeout(refresh, REFRESH_MS);
    if (document.hidden || asking || client.link.state !== "live") return;
    asking = true;
    try {
      const stats = await medimgr.api.streams();
      table.update(stats.connections);
      const own = stats.connections.find((connection) => connection.id === table.mine);
      medimgr.showConnectionFigures(stats, own ? own.user : "", endAllOf);
      summarize(stats.total);
    } catch { /* the link says what is wrong */ } finally {
      asking = false;
    }
  }

  function soon() {
    clearTimeout(timer);
    timer = setTimeout(refresh, SOON_MS);
  }

  async function ask(button, request, done) {
    button.disabled = true;
    try {
      medimgr.setText(told, done((await request).ended));
      soon();
    } catch (error) {
      medimgr.setText(told, error.message);
    } finally {
      button.disabled = false;
    }
  }

  function endOne(button, connection) {
    const done = (ended) => (ended ? `The connection of ${connection.user} was ended. Their page says so, and asks before it comes back.` : "That connection had ended already.");
    return ask(button, medimgr.api.kick(connection.id), done);
  }

  function endAllOf(button, account) {
    const done = (ended) => `${medimgr.words.count(ended, "connection", "connections")} of ${account} ended. Their pages say so, and ask before they come back.`;
    return ask(button, medimgr.api.kickAllOf(account), done);
  }

  client.on("hello", (data) => { table.mine = data.connection; soon(); });
  client.on("connection", (data) => {
    if (data.test) return;
    const id = Number(data.key);
    if (data.connected === false) { // at once; the figures of the others follow
      table.remove(id);
      summarize(Number.isInteger(data.total) ? data.total : table.rows.size);
    }
    if (Number.isInteger(data.pages)) table.setPages(id, data.pages);
    soon();
  });
  client.on("reset", soon);
  search.addEventListener("input", showSearch);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) soon(); });
  setInterval(() => { if (!document.hidden) table.age(); }, 1000);
})();
