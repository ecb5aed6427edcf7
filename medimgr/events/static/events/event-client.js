/* The only code that opens an EventSource: one stream for the page, kept alive and told apart from a dead one.
   Beyond three tabs of a browser, pages share streams (shared-stream.js); where streams are blocked, they poll (poll.js).

   const client = new medimgr.EventClient({topics: ["service"], lastEventId: 17});
   client.on("service", (data, id) => ...); client.on("link", (link) => ...); client.open();

   The browser's own reconnecting is not used: it says neither when it tries again nor why it failed. On every
   failure the source is closed and a new one is opened after 1, 2, 4 ... 20 seconds, more or less, from the last event
   seen. */
"use strict";

window.medimgr = window.medimgr || {};

(() => {
  const TOPICS = ["service", "operation", "batch", "node", "connection", "workstation", "emulator"];
  const MESSAGES = ["hello", "tick", "log", "operation_log", "heartbeat", "reset", "bye", ...TOPICS];
  const LONGEST_WAIT_SECONDS = 20; // on average: chance makes it 10 to 30
  const WATCHDOG_FACTOR = 1.5;
  const HELLO_MS = 4000; // a stream that has not greeted by then may be held back; the second try waits twice as long
  const SILENT_STREAMS = 2; // after so many in a row the page asks whether polling works
  const HEARTBEAT_SECONDS = 30; // until the server says otherwise
  const STALE_AFTER_MS = 10_000;
  const STEADY_AFTER_MS = 10_000; // a stream that lasted so long starts the back-off anew

  medimgr.EventClient = class {
    /** topics: what to follow; lastEventId: of the snapshot that the page shows; parameters(): more of the URL;
        account: the key of the account whose pages may share a stream, empty for none. */
    constructor({ url = "/events/", topics, lastEventId = 0, parameters = () => ({}), account = "" }) {
      this.url = url;
      this.disconnectUrl = `${url}disconnect/`;
      this.pagesUrl = `${url}pages/`;
      this.topics = topics;
      this.lastEventId = lastEventId; // where a stream has to go on from
      this.position = lastEventId; // what is not after it is passed over; another number only while a reset is followed
      this.parameters = parameters;
      this.listeners = new Map();
      this.source = null;
      this.connectionId = null;
      this.failures = 0;
      this.heartbeatSeconds = HEARTBEAT_SECONDS;
      this.lastHeardAt = Date.now();
      this.lostAt = Date.now();
      this.retryTimer = this.watchdog = this.staleTimer = this.helloTimer = 0;
      this.silent = 0; // streams in a row without a greeting
      this.link = { state: "connecting", since: new Date(), retryAt: null, detail: "", via: "stream" };
      this.poll = new medimgr.Poll(this);
      this.share = account && globalThis.BroadcastChannel ? new medimgr.SharedStream(account, this) : null;
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

    /** Be live: with a stream, closing the one before, or through another tab that has one. */
    open() {
      this.close();
      this.setLink(this.isLost() ? "stale" : "connecting");
      this.armStale();
      if (this.share && !this.share.isHost) this.share.enter(); else this.openStream();
    }

    /** Open the stream of this page; what it shows stays as it is until the stream says something. */
    openStream() {
      this.closeSource();
      clearTimeout(this.retryTimer);
      const source = new EventSource(this.address());
      this.source = source;
      this.connectionId = null;
      for (const name of MESSAGES) {
        source.addEventListener(name, (event) => { if (source === this.source) this.receive(name, event); });
      }
      source.onerror = () => { if (source === this.source) this.failed(source.readyState === EventSource.CLOSED); };
      this.helloTimer = setTimeout(() => this.heldBack(), HELLO_MS * (1 + this.silent % SILENT_STREAMS));
    }

    get hasStream() { return this.source !== null; }

    address() {
      const wanted = this.wanted();
      if (this.share) this.share.asks(wanted.topics, wanted.position);
      const query = { topics: wanted.topics.join(","), page: location.pathname, last_event_id: String(wanted.position), ...this.parameters() };
      return `${this.url}?${new URLSearchParams(query)}`;
    }

    /** The topics, and the event to go on from, that serve this page and those that share its stream. */
    wanted() {
      return this.share ? this.share.wanted() : { topics: this.topics, position: this.lastEventId };
    }

    /** The page's own parameters have changed: ask anew, if it is this page's stream that carries them. */
    parametersChanged() {
      if (this.link.via === "stream") this.retryNow();
    }

    close() {
      clearTimeout(this.retryTimer);
      clearTimeout(this.staleTimer);
      this.poll.stop();
      this.closeSource();
    }

    closeSource() {
      clearTimeout(this.watchdog);
      clearTimeout(this.helloTimer);
      if (this.source) this.source.close();
      this.source = null;
    }

    receive(name, event) {
      let data;
      try {
        data = JSON.parse(event.data);
      } catch {
        console.error(`medimgr: unreadable ${name} message`);
        return;
      }
      if (name === "bye") { this.dismissed(data); return; }
      if (name === "hello") this.welcomed(data);
      if (name === "heartbeat") this.setDatabase(data);
      this.pass(name, data, TOPICS.includes(name) ? Number(event.lastEventId) || 0 : 0);
      this.heard();
    }

    /** Give one message to the pages that this stream feeds. */
    pass(name, data, id) {
      if (this.share) this.share.relay(name, data, id);
      this.take(name, data, id);
    }

    /** Take one message for this page, unless it has had it or did not ask for it. */
    take(name, data, id) {
      if (id) {
        if (id <= this.position) return;
        this.position = this.lastEventId = id;
      }
      if (name === "reset") this.position = data.last_event_id;
      if (name === "hello") this.heartbeatSeconds = data.heartbeat_seconds || HEARTBEAT_SECONDS;
      if (!TOPICS.includes(name) || this.topics.includes(name)) this.emit(name, data, id);
    }

    welcomed(data) {
      clearTimeout(this.helloTimer);
      this.poll.stop();
      this.silent = 0;
      this.connectionId = data.connection_id;
      this.openedAt = Date.now();
      this.lostAt = null;
      clearTimeout(this.staleTimer);
      this.setLink("live");
    }

    setDatabase(data) {
      const away = data.database === "away";
      if (away && this.link.state === "live") this.setLink("stale", { since: new Date(), detail: "the server has lost its database" });
      if (!away && this.link.state === "stale" && this.source && this.lostAt === null) this.setLink("live");
    }

    dismissed(data) {
      this.close();
      if (data.reason === "session-ended") this.lookAgain();
      else if (data.reason === "kicked") {
        if (this.share) this.share.kicked();
        this.kicked();
      } else {
        this.lose(Date.now());
        this.retryIn(Math.max(50, data.retry_ms || 1000));
      }
    }

    /** The session has ended, or its account may see other things now: the server knows, and a new page shows them. */
    async lookAgain() {
      if (this.share) this.share.lookAgain();
      if (await this.poll.isWelcome()) location.reload(); else this.end("Your session has ended.", true);
    }

    /** Stop until somebody wants to be live again. */
    kicked() {
      this.close();
      this.lostAt = this.lostAt || Date.now();
      this.setLink("refused", { detail: "Somebody ended this page's connection." });
    }

    /** Stop for good; with loginNeeded only a new login helps. Each page that shares the stream asks for itself. */
    end(detail, loginNeeded) {
      this.close();
      if (this.share) this.share.leave();
      this.lostAt = this.lostAt || Date.now();
      this.setLink("ended", { detail, loginNeeded });
    }

    // --- failures --------------------------------------------------------------------------------
    failed(refused) {
      const lost = this.lastHeardAt;
      if (this.poll.active) { this.poll.streamAgainLater(); return; }
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
        } else if (response.status === 403 && this.share && this.share.refused()) {
          this.openStream(); // without what the guests wanted
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
      // Jitter keeps a thousand pages from coming back in the same instant.
      this.retryIn(1000 * this.nextWait() * (0.5 + Math.random()));
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

    /** The stream has not greeted in time. */
    heldBack() {
      if (this.poll.active) { this.poll.streamAgainLater(); return; }
      this.closeSource();
      this.silent += 1;
      if (this.silent % SILENT_STREAMS) { this.openStream(); return; }
      this.lose(this.lastHeardAt);
      this.poll.begin();
    }

    polled() {
      this.lastHeardAt = Date.now();
      this.lostAt = null;
      clearTimeout(this.staleTimer);
      if (this.link.state !== "live" || this.link.via !== "poll") this.setLink("live", { via: "poll" });
    }

    /** The page has fetched the snapshot that a reset asked for. */
    followedReset() {
      this.lastEventId = this.position;
    }

    async pollFailed(refusal, ms) {
      if (refusal && (refusal.status === 401 || refusal.type === "opaqueredirect")) { this.end("You are not logged in any more.", true); return; }
      if (refusal && refusal.status === 403) { this.end(await reasonOf(refusal, "The server does not let you follow this page."), false); return; }
      this.lose(this.lastHeardAt);
      this.setLink(this.isLost() ? "stale" : "reconnecting", { retryAt: Date.now() + ms, via: "poll" });
      this.armStale();
    }

    // --- in place of a stream of its own ---------------------------------------------------------
    /** The tab whose stream this page shares has gone. */
    orphaned() {
      this.lose(Date.now());
      this.setLink("connecting");
      this.armStale();
    }

    /** Another tab shall have the stream. */
    giveUpStream() {
      this.sayGoodbye();
      this.close();
      this.orphaned();
    }

    /** Show the link of the tab whose stream this page shares. */
    mirror({ state, since, retryAt, detail, via, lostAt }) {
      this.lostAt = lostAt;
      this.heard();
      this.setLink(state, { since, retryAt, detail, via: via === "stream" ? "shared" : via });
      this.armStale();
    }

    /** A page that shares this one's stream wonders whether it is alive; now: somebody there wants it at once. */
    nudged(now) {
      this.checkWatchdog();
      if (now) this.poll.soon();
      if (this.link.retryAt !== null && !this.poll.active && (now || Date.now() >= this.link.retryAt)) this.open();
    }

    retryIfWaiting() {
      if (this.poll.active) this.poll.soon();
      else if (this.link.retryAt !== null && this.link.state !== "refused") this.retryNow();
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
      if (Date.now() - this.lastHeardAt < this.patienceMs() - 50 || this.poll.active) return;
      if (this.source && this.connectionId) this.failed(false);
      else if (this.share && !this.share.isHost) this.share.nudge();
    }

    armStale() {
      clearTimeout(this.staleTimer);
      if (this.lostAt === null || this.isLost()) return;
      this.staleTimer = setTimeout(() => {
        if (this.link.state === "reconnecting" || this.link.state === "connecting") this.setLink("stale", { retryAt: this.link.retryAt });
      }, this.lostAt + STALE_AFTER_MS - Date.now() + 20);
    }

    /** state: connecting, live, reconnecting, stale, refused, ended; via: stream (this page's), shared (another tab's), poll. */
    setLink(state, { since = null, retryAt = null, detail = "", loginNeeded = false, via = "stream" } = {}) {
      this.link = { state, since: since || new Date(this.lostAt || Date.now()), retryAt, detail, loginNeeded, via, everySeconds: medimgr.Poll.seconds };
      this.emit("link", this.link);
      if (this.share) this.share.tellLink();
    }

    /** The page goes: say so at once, since the server would notice only at its next write. */
    leave() {
      this.sayGoodbye();
      if (this.source) this.lose(Date.now());
      this.close();
      if (this.share) this.share.leave();
    }

    sayGoodbye() {
      const id = this.connectionId;
      this.connectionId = null;
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
