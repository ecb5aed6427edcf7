/* The figures above the connections: how many, how well, whose, and why they end. */
"use strict";

(() => {
  const { words, page } = medimgr;
  const LONGEST = 5; // lines of a breakdown; the rest is one line together
  const FAILING_PERCENT = 5;
  const BEHIND_SECONDS = 5;
  const ENDINGS = {
    beacon: "said goodbye", closed: "closed", "write-failed": "broke off", lagging: "did not read", kicked: "ended by somebody", "session-ended": "logged out",
    "too-old": "renewed", shutdown: "by a restart", "worker-lost": "lost with their worker", "source-failed": "lost what they followed",
  };
  const LEVELS = { ok: "good", idle: "good" };

  const number = (value) => value.toLocaleString("en-GB");

  function milliseconds(value) {
    return value < 9.95 ? value.toFixed(1) : value.toFixed(0);
  }

  function delay({ p50, p95, p99, count }) {
    return count ? `${[p50, p95, p99].map(milliseconds).join(" / ")} ms` : words.NOTHING;
  }

  function saved(stats) {
    return stats.saved_percent > 0 ? `${stats.saved_percent} % (${words.bytes(stats.bytes_saved_last_hour)})` : words.NOTHING;
  }

  function facts(stats) {
    const { pool, reader, errors } = stats;
    return {
      places: `${number(pool.used)} of ${number(pool.limit)}`,
      pages: number(stats.pages),
      peak: number(stats.peak),
      delay: delay(stats.latency_ms.recent),
      failed: `${errors.recent.error_percent} %`,
      sent: `${number(stats.events_sent_last_hour)} events, ${words.bytes(stats.bytes_sent_last_hour)}`,
      saved: saved(stats),
      queued: stats.queued_bytes ? words.bytes(stats.queued_bytes) : words.NOTHING,
      missed: `${number(stats.replayed_events)} to ${words.count(stats.replays, "page", "pages")}`,
      behind: `${reader.lag_seconds.toFixed(1)} s`,
    };
  }

  const alarming = (stats) => ({
    places: stats.pool.free === 0, failed: stats.errors.recent.error_percent > FAILING_PERCENT, behind: stats.reader.lag_seconds > BEHIND_SECONDS,
  });

  function line(what, count) {
    const item = document.createElement("li");
    for (const [name, text] of [["what", what], ["count", number(count)]]) {
      const part = document.createElement("span");
      part.className = name;
      part.textContent = text;
      if (name === "what") part.title = what;
      item.append(part, " ");
    }
    return item;
  }

  /** Fill a list with the greatest few; button(name, count) may return what else a line offers. */
  function breakdown(name, counts, button = null) {
    const list = document.querySelector(`[data-breakdown="${name}"]`);
    const entries = Object.entries(counts).filter(([, count]) => count > 0).sort((one, other) => other[1] - one[1]);
    const text = JSON.stringify([entries, button ? button.key : ""]);
    if (list.dataset.shown === text) return; // a button that has the focus keeps it
    const focused = list.contains(document.activeElement) ? document.activeElement.dataset.account : null;
    list.dataset.shown = text;
    const shown = entries.length > LONGEST ? entries.slice(0, LONGEST - 1) : entries;
    const items = shown.map(([what, count]) => {
      const item = line(what, count);
      const offered = button && button.make(what, count);
      if (offered) item.append(offered);
      return item;
    });
    const rest = entries.slice(shown.length);
    if (rest.length) items.push(line(`${rest.length} others`, rest.reduce((sum, [, count]) => sum + count, 0)));
    if (!items.length) items.push(line(name === "reason" ? "none lately" : "nobody", 0));
    list.replaceChildren(...items);
    const again = focused && [...list.querySelectorAll("button")].find((made) => made.dataset.account === focused);
    if (again) again.focus({ preventScroll: true });
  }

  function health({ status, reason }) {
    const told = document.getElementById("connections-health");
    const wrong = !(status in LEVELS);
    medimgr.setText(told, wrong ? reason : "");
    told.hidden = !wrong;
    medimgr.setAttribute(document.getElementById("connections-verdict"), "data-level", LEVELS[status] || "attention");
  }

  /** Show all of it. endAll(button, account) ends somebody's connections; own is the account of this page. */
  medimgr.showConnectionFigures = (stats, own, endAll) => {
    const loud = alarming(stats);
    for (const [name, text] of Object.entries(facts(stats))) {
      const node = document.querySelector(`[data-fact="${name}"]`);
      medimgr.setText(node, text);
      medimgr.setAttribute(node, "data-level", loud[name] ? "bad" : "");
    }
    health(stats.health);
    const make = (account, count) => {
      if (account === own) return null;
      const button = document.createElement("button");
      button.type = "button";
      button.className = "small";
      button.textContent = "End all";
      button.dataset.account = account;
      button.setAttribute("aria-label", `End ${words.count(count, "connection", "connections")} of ${account}`);
      button.addEventListener("click", () => endAll(button, account));
      return button;
    };
    breakdown("user", stats.by_user, page.may.kick ? { key: own, make } : null);
    breakdown("worker", stats.by_worker);
    breakdown("address", stats.pool.by_address);
    const reasons = Object.entries(stats.disconnects_by_reason).map(([reason, count]) => [ENDINGS[reason] || reason, count]);
    breakdown("reason", Object.fromEntries(reasons));
  };
})();
