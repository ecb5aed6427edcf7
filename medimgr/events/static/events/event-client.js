/* The only code that opens an EventSource: one stream for the page, kept alive and told apart from a dead one.

   const client = new medimgr.EventClient({topics: ["service"], lastEventId: 17});
   client.on("service", (data, id) => ...); client.on("link", (link) => ...); client.open();

   The browser's own reconnecting is not used: it says neither when it tries again nor why it failed. On every
   failure the source is closed and a new one is opened after 1, 2, 4 ... 30 seconds, from the last event seen. */
"use strict";

window.medimgr = window.medimgr || {};

(() => {
  const TOPICS = ["service", "operation", "node", "connection", "workstation", "emulator"];
  const MESSAGES = ["hello", "tick", "log", "heartbeat", "reset", "bye", ...TOPICS];
  const LONGEST_WAIT_SECONDS = 30;
  const WATCHDOG_FACTOR = 1.5;
  const HEARTBEAT_SECONDS = 30; // until the server says otherwise
  const STALE_AFTER_MS = 10_000;
  const STEADY_AFTER_MS = 10_000; // a stream that lasted so long starts the back-off anew

  medimgr.EventClient = class {
    /** topics: what to follow; lastEventId: of the snapshot that the page shows; parameters(): more of the URL. */
    constructor({ url = "/events/", disconnectUrl = "/events/disconnect/", topics, lastEventId = 0, parameters = () => ({}) }) {
      this.url = url;
      this.disconnectUrl = disconnectUrl;
      this.topics = topics;
      this.lastEventId = lastEventId;
      this.parameters = parameters;
      this.listeners = new Map();
      this.source = null;
      this.connectionId = null;
      this.failures = 0;
      this.heartbeatSeconds = HEARTBEAT_SECONDS;
      this.lastHeardAt = Date.now();
      this.lostAt = Date.now();
      this.retryTimer = this.watchdog = this.staleTimer = 0;
      this.link = { state: "connecting", since: new Date(), retryAt: null, detail: "" };
      window.addEventListener("pagehide", () => this.leave());
      window.addEventListener("pageshow", (event) => { if (event.persisted) this.retryNow(); });
      window.addEventListener("online", () => this.retryIfWaiting());
      document.addEventListener("visibilitychange", () => {
        if (!document.hidden) { this.checkWatchdog(); this.retryIfWaiting(); }
      });
    }

    /** Call listener(data, eventId) for each message of that name, or listener(link) for "link". */
    on(name, listener) {
      if (!this.listeners.has(name)) this.listeners.set(name, []);
      this.listeners.get(name).push(listener);
      return this;
    }

    emit(name, ...values) {
      for (const listener of this.listeners.get(name) || []) {
        try {
          listener(...values);
        } catch (error) {
          // One listener's mistake must not end the stream for the others.
          console.error(`medimgr: a listener for ${name} failed`, error);
        }
      }
    }

    /** Open the stream; closes the one before. */
    open() {
      this.close();
      this.setLink(this.isLost() ? "stale" : "connecting");
      const source = new EventSource(this.address());
      this.source = source;
      this.connectionId = null;
      for (const name of MESSAGES) {
        source.addEventListener(name, (event) => { if (source === this.source) this.receive(name, event); });
      }
      source.onerror = () => { if (source === this.source) this.failed(source.readyState === EventSource.CLOSED); };
      this.heard();
      this.armStale();
    }

    address() {
      const query = new URLSearchParams({ topics: this.topics.join(","), page: location.pathname, last_event_id: String(this.lastEventId), ...this.parameters() });
      return `${this.url}?${query}`;
    }

    close() {
      clearTimeout(this.retryTimer);
      clearTimeout(this.watchdog);
      clearTimeout(this.staleTimer);
      if (this.source) this.source.close();
      this.source = null;
    }

    receive(name, event) {
      this.heard();
      let data;
      try {
        data = JSON.parse(event.data);
      } catch {
        console.error(`medimgr: unreadable ${name} message`);
        return;
      }
      if (TOPICS.includes(name)) {
        const id = Number(event.lastEventId) || 0;
        if (id) this.lastEventId = id;
        this.emit(name, data, id);
        return;
      }
      if (name === "hello") this.welcomed(data);
      if (name === "heartbeat") this.setDatabase(data);
      if (name === "bye") { this.dismissed(data); return; }
      this.emit(name, data, 0);
    }

    welcomed(data) {
      this.connectionId = data.connection_id;
      this.heartbeatSeconds = data.heartbeat_seconds || HEARTBEAT_SECONDS;
      this.openedAt = Date.now();
      this.lostAt = null;
      clearTimeout(this.staleTimer);
      this.heard();
      this.setLink("live");
    }

    setDatabase(data) {
      const away = data.database === "away";
      if (away && this.link.state === "live") this.setLink("stale", { since: new Date(), detail: "the server has lost its database" });
      if (!away && this.link.state === "stale" && this.source && this.lostAt === null) this.setLink("live");
    }

    dismissed(data) {
      this.close();
      if (data.reason === "session-ended") {
        this.end("Your session has ended.", true);
      } else if (data.reason === "kicked") {
        this.lostAt = this.lostAt || Date.now();
        this.setLink("refused", { detail: "Somebody ended this page's connection." });
      } else {
        this.lose(Date.now());
        this.retryIn(Math.max(50, data.retry_ms || 1000));
      }
    }

    /** Stop for good; with loginNeeded only a new login helps. */
    end(detail, loginNeeded) {
      this.close();
      this.lostAt = this.lostAt || Date.now();
      this.setLink("ended", { detail, loginNeeded });
    }

    // --- failures --------------------------------------------------------------------------------
    failed(refused) {
      const lost = this.lastHeardAt;
      this.close();
      this.lose(lost);
      // EventSource hides status and body of a refusal, so the same address is asked once more with fetch.
      if (refused) this.askWhy(); else this.retryLater();
    }

    lose(at) {
      if (this.openedAt && Date.now() - this.openedAt > STEADY_AFTER_MS) this.failures = 0;
      this.openedAt = 0;
      this.connectionId = null;
      if (this.lostAt === null) this.lostAt = at;
    }

    isLost() {
      return this.lostAt !== null && Date.now() - this.lostAt > STALE_AFTER_MS;
    }

    async askWhy() {
      const controller = new AbortController();
      const patience = setTimeout(() => controller.abort(), 10_000);
      try {
        const response = await fetch(this.address(), { headers: { Accept: "text/event-stream" }, redirect: "manual", cache: "no-store", signal: controller.signal });
        if (response.status === 401 || response.type === "opaqueredirect") {
          this.end("You are not logged in any more.", true);
        } else if (response.status === 403 || response.status === 404) {
          this.end(await reasonOf(response, "The server does not let you follow this page."), false);
        } else if (response.status === 429 || response.status === 503) {
          const detail = await reasonOf(response, "The server has no place for another live page.");
          const seconds = Number(response.headers.get("Retry-After")) || this.nextWait();
          this.retryIn(1000 * seconds * (1 + Math.random() / 4), { state: "refused", detail });
        } else {
          this.retryLater();
        }
      } catch {
        this.retryLater();
      } finally {
        clearTimeout(patience);
        controller.abort(); // where it was a stream after all, it must not stay open beside the next one
      }
    }

    nextWait() {
      this.failures += 1;
      return Math.min(LONGEST_WAIT_SECONDS, 2 ** (this.failures - 1));
    }

    retryLater() {
      // Jitter keeps a hundred pages from coming back in the same instant.
      this.retryIn(1000 * this.nextWait() * (0.75 + Math.random() / 2));
    }

    retryIn(ms, { state, detail = "" } = {}) {
      clearTimeout(this.retryTimer);
      this.retryTimer = setTimeout(() => this.open(), ms);
      this.setLink(state || (this.isLost() ? "stale" : "reconnecting"), { retryAt: Date.now() + ms, detail });
      this.armStale();
    }

    /** Reconnect at once, whatever the reason for waiting. */
    retryNow() {
      this.failures = 0;
      this.open();
    }

    retryIfWaiting() {
      if (this.link.retryAt !== null && this.link.state !== "refused") this.retryNow();
    }

    // --- clocks ----------------------------------------------------------------------------------
    heard() {
      this.lastHeardAt = Date.now();
      clearTimeout(this.watchdog);
      this.watchdog = setTimeout(() => this.checkWatchdog(), this.patienceMs());
    }

    patienceMs() {
      return 1000 * WATCHDOG_FACTOR * this.heartbeatSeconds;
    }

    checkWatchdog() {
      if (this.source && Date.now() - this.lastHeardAt >= this.patienceMs() - 50) this.failed(false);
    }

    armStale() {
      clearTimeout(this.staleTimer);
      if (this.lostAt === null || this.isLost()) return;
      this.staleTimer = setTimeout(() => {
        if (this.link.state === "reconnecting" || this.link.state === "connecting") this.setLink("stale", { retryAt: this.link.retryAt });
      }, this.lostAt + STALE_AFTER_MS - Date.now() + 20);
    }

    setLink(state, { since = null, retryAt = null, detail = "", loginNeeded = false } = {}) {
      this.link = { state, since: since || new Date(this.lostAt || Date.now()), retryAt, detail, loginNeeded };
      this.emit("link", this.link);
    }

    /** The page goes: say so at once, since the server would notice only at its next write. */
    leave() {
      const id = this.connectionId;
      this.connectionId = null;
      if (this.source) this.lose(Date.now());
      this.close();
      if (id && navigator.sendBeacon) navigator.sendBeacon(this.disconnectUrl, new URLSearchParams({ connection_id: id }));
    }
  };

  async function reasonOf(response, fallback) {
    try {
      return (await response.json()).detail || fallback;
    } catch {
      return fallback;
    }
  }
})();
