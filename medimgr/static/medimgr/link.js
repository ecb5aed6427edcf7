/* Opens the page's stream and keeps the state of the link in sight: a page that is out of date must look so. */
"use strict";

(() => {
  const page = medimgr.page;
  const words = medimgr.words;
  const badge = document.getElementById("link-state");
  const text = document.getElementById("link-text");
  const banner = document.getElementById("stale-banner");
  const bannerText = document.getElementById("stale-text");
  const countNode = document.getElementById("connection-count");
  const OUT_OF_DATE = new Set(["stale", "refused", "ended"]);

  const client = new medimgr.EventClient({
    topics: page.topics,
    lastEventId: page.snapshot ? page.snapshot.last_event_id : page.last_event_id,
    account: document.body.dataset.account || "",
    parameters: () => (medimgr.streamParameters ? medimgr.streamParameters() : {}),
  });
  medimgr.client = client;

  let link = client.link;
  let spoken = "";

  function wait() {
    const seconds = Math.max(0, Math.ceil((link.retryAt - Date.now()) / 1000));
    return seconds ? `in ${seconds} s` : "now";
  }

  function short() {
    switch (link.state) {
      case "live": return link.via === "poll" ? `Live, every ${link.everySeconds} s` : "Live";
      case "connecting": return "Connecting…";
      case "reconnecting": return `Reconnecting ${wait()}`;
      case "stale": return `Stale since ${words.clock(link.since)}`;
      case "refused": return "Not live";
      default: return link.loginNeeded ? "Logged out" : "Not live";
    }
  }

  /** What keeps a live page up to date. */
  function means() {
    if (link.via === "shared") return "This page is kept up to date, over the connection of another tab.";
    if (link.via !== "poll") return "This page is kept up to date.";
    return `This page asks every ${link.everySeconds} seconds what is new, since live messages do not get through. Most often a proxy between `
      + "here and the server holds them back: switch its buffering off for /events/ (nginx: proxy_buffering off).";
  }

  function long() {
    const since = `What you see is from ${words.clockSeconds(link.since)}.`;
    const next = link.retryAt === null ? "" : ` Trying again ${wait()}.`;
    if (link.detail) return `${link.detail.charAt(0).toUpperCase()}${link.detail.slice(1).replace(/\.?$/, ".")} ${since}${next}`;
    return `The server does not answer. ${since}${next}`;
  }

  function show() {
    badge.dataset.state = link.state;
    medimgr.setText(text, short());
    badge.title = link.state === "live" ? means() : long();
    const old = OUT_OF_DATE.has(link.state);
    document.documentElement.toggleAttribute("data-stale", old);
    banner.hidden = !old;
    banner.dataset.state = link.state;
    if (old) medimgr.setText(bannerText, long());
    document.getElementById("reconnect-now").hidden = Boolean(link.loginNeeded);
    const login = document.getElementById("login-again");
    login.hidden = !link.loginNeeded;
    if (link.loginNeeded) login.href = `${document.body.dataset.loginUrl}?next=${encodeURIComponent(location.pathname + location.search)}`;
  }

  client.on("link", (now) => {
    link = now;
    show();
    // Only what changes matters to somebody who listens; the seconds of the countdown do not.
    const say = { live: "The page is live again.", stale: "The page is out of date.", ended: "The page is not live any more." }[link.state] || "";
    if (say && say !== spoken && (spoken || link.state !== "live")) medimgr.announce(say);
    if (say) spoken = say;
  });
  setInterval(() => { if (link.state !== "live") show(); }, 1000);
  document.getElementById("reconnect-now").addEventListener("click", () => client.retryNow());
  for (const name of ["hello", "heartbeat"]) client.on(name, (data) => words.setServerTime(data.server_time));

  if (countNode) {
    const showCount = (total) => { if (Number.isInteger(total)) medimgr.setText(countNode, String(total)); };
    client.on("connection", (data) => showCount(data.total));
    client.on("hello", async () => {
      try {
        showCount((await medimgr.api.streamHealth()).connections); // not the stats: they grow with the streams
      } catch { /* the next connection event says it */ }
    });
  }

  // After the page's own scripts, which subscribe first.
  window.addEventListener("DOMContentLoaded", () => { show(); client.open(); });
})();
