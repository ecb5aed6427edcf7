/* One stream for several tabs: a host passes on what its stream says, guests take it as if it were their own.

   A guest says which topics it wants and the last event that it has had. The host's recent events fill the gap up to
   now; where they do not reach back, or lack a topic, the host opens its stream anew from where the guest is. Every
   tab passes over what it has had already, so nothing is lost, doubled or out of order for either of them. */
"use strict";

window.medimgr = window.medimgr || {};

(() => {
  const KEPT_EVENTS = 500;
  const ANSWER_MS = 1000;
  const REOPEN_MS = 50; // guests that come together share one new stream
  const NUDGE_AFTER_MS = 300;

  medimgr.SharedStream = class {
    /** account: the key of whose pages may share; client: the EventClient of this page. */
    constructor(account, client) {
      this.client = client;
      this.tabs = new medimgr.Tabs(account, this);
      this.guests = new Map(); // of this tab, as a host: id to {topics, position}
      this.host = null; // of this tab, as a guest
      this.joined = false;
      this.pagesTold = 1;
      this.hasShared = false;
      this.forgetStream();
    }

    get isHost() { return this.tabs.isHost; }

    /** Take part: this tab gets a stream of its own, or a host. Where it has one, ask that to try at once. */
    enter() {
      if (this.host && this.joined) {
        this.tabs.send({ kind: "nudge", to: this.host, now: true });
        this.choose();
      } else if (this.tabs.role !== "asking") this.tabs.enter(true);
    }

    leave() {
      this.unfollow();
      this.guests.clear();
      this.forgetStream();
      this.tabs.leave();
      clearTimeout(this.reopenTimer);
    }

    // --- what the tabs agree on --------------------------------------------------------------------
    card() {
      return { host: this.host, topics: this.asked.topics, live: this.client.link.state === "live", pages: 1 + this.guests.size };
    }

    elected() {
      this.unfollow();
      this.client.openStream();
    }

    follow() {
      if (!this.joined) this.choose();
    }

    vacant() {
      if (this.tabs.role === "guest") this.tabs.enter(!this.host);
    }

    yielded() {
      this.guests.clear();
      this.client.giveUpStream();
      this.forgetStream();
    }

    gone(id) {
      if (this.guests.delete(id)) this.tellPages();
      if (id === this.host) this.orphaned();
      else this.vacant();
    }

    shown(card) {
      const mine = card.host === this.tabs.id;
      if (!mine && this.guests.delete(card.from)) this.tellPages();
      if (mine && this.isHost && !this.guests.has(card.from)) this.tabs.send({ kind: "forgotten", to: card.from });
      if (card.role === "host" && !this.host && this.tabs.role === "guest") this.choose();
    }

    hears(message) {
      if (this.isHost) {
        if (message.kind === "join") this.take(message);
        if (message.kind === "nudge") this.client.nudged(Boolean(message.now));
      } else if (message.from === this.host) {
        if (message.kind === "joined") this.arrive(message);
        else if (message.kind === "forgotten") this.choose();
        else if (this.joined) this.passedOn(message);
      }
    }

    // --- as a guest --------------------------------------------------------------------------------
    choose() {
      clearTimeout(this.answerTimer);
      const covers = (card) => this.client.topics.every((topic) => card.topics.includes(topic));
      const rank = (card) => [card.live ? 0 : 1, covers(card) ? 0 : 1, card.pages, card.slot];
      const best = this.tabs.hosts().sort((one, other) => compare(rank(one), rank(other)))[0];
      this.host = best ? best.from : null;
      this.joined = false;
      if (best) this.tabs.send({ kind: "join", to: best.from, topics: this.client.topics, position: this.client.position });
      this.tabs.show(); // so that the host before knows
      this.answerTimer = setTimeout(() => { this.unfollow(); this.tabs.enter(true); }, ANSWER_MS);
    }

    unfollow() {
      clearTimeout(this.answerTimer);
      clearTimeout(this.nudgeTimer);
      this.host = null;
      this.joined = false;
    }

    orphaned() {
      this.unfollow();
      this.client.orphaned();
      this.tabs.enter(true);
    }

    arrive(message) {
      clearTimeout(this.answerTimer);
      this.joined = true;
      if (message.hello) this.client.take("hello", message.hello, 0);
      for (const tick of message.ticks) this.client.take("tick", tick, 0);
      for (const [name, data, id] of message.events) this.client.take(name, data, id);
      this.mirror(message.link);
    }

    passedOn(message) {
      this.client.heard();
      if (message.after > this.client.position) { this.choose(); return; } // something was missed: the host had forgotten us
      if (message.kind === "message") this.client.take(message.name, message.data, message.id);
      else if (message.kind === "link") this.mirror(message.link);
      else if (message.kind === "unserved") { this.leave(); this.client.openStream(); } // the server has to say why
      else if (message.kind === "kicked") { this.leave(); this.client.kicked(); }
      else if (message.kind === "look-again") { this.client.close(); this.client.lookAgain(); }
    }

    mirror(link) {
      this.client.mirror(link);
      clearTimeout(this.nudgeTimer);
      if (link.state === "live") return;
      const elsewhere = this.tabs.hosts().some((card) => card.live && card.from !== this.host && this.client.topics.every((topic) => card.topics.includes(topic)));
      if (elsewhere) { this.unfollow(); this.choose(); return; }
      // The timers of a hidden host may be a minute late; those of a page that somebody looks at are not.
      if (link.retryAt !== null) this.nudgeTimer = setTimeout(() => this.nudge(), Math.max(0, link.retryAt - Date.now()) + NUDGE_AFTER_MS);
    }

    /** Make the host look at its stream: it has been quiet for too long, or has forgotten to try again. */
    nudge() {
      if (this.host) this.tabs.send({ kind: "nudge", to: this.host });
    }

    // --- as a host ---------------------------------------------------------------------------------
    /** What the stream has to be asked for, so that it serves all pages that it feeds. */
    wanted() {
      const all = [{ topics: this.client.topics, position: this.client.lastEventId }, ...this.guests.values()];
      return { topics: [...new Set(all.flatMap((page) => page.topics))].sort(), position: Math.min(...all.map((page) => page.position)) };
    }

    /** The client opens its stream with these. The recent events are of use as long as there is no gap in them. */
    asks(topics, position) {
      const same = topics.every((topic) => this.asked.topics.includes(topic));
      if (!same || position < this.reachesBackTo || position > this.newest) { this.recent = []; this.reachesBackTo = position; }
      this.asked = { topics };
      this.relayed = position;
    }

    get newest() { return this.recent.length ? this.recent.at(-1)[2] : this.reachesBackTo; }

    forgetStream() {
      this.asked = { topics: [] };
      this.relayed = 0; // up to this event all has been passed on
      this.recent = [];
      this.reachesBackTo = Infinity;
      this.measured = new Map();
      this.hello = null;
      this.link = null;
    }

    take({ from, topics, position }) {
      this.guests.set(from, { topics, position });
      this.hasShared = true;
      const covered = topics.every((topic) => this.asked.topics.includes(topic)) && position >= this.reachesBackTo;
      this.tabs.send({
        kind: "joined", to: from, link: this.linkToTell(), hello: this.hello, ticks: [...this.measured.values()],
        events: covered ? this.recent.filter(([, , id]) => id > position) : [],
      });
      if (!covered) this.reopenSoon();
      this.tellPages();
    }

    reopenSoon() {
      clearTimeout(this.reopenTimer);
      // Where the client waits to try again, it will ask for all topics then.
      this.reopenTimer = setTimeout(() => { if (this.isHost && this.client.hasStream) this.client.openStream(); }, REOPEN_MS);
    }

    /** Keep and pass on one message of this page's stream. */
    relay(name, data, id) {
      const after = this.relayed;
      if (id) {
        this.relayed = id;
        if (id > this.newest) this.recent.push([name, data, id]);
        if (this.recent.length > KEPT_EVENTS) this.reachesBackTo = this.recent.shift()[2];
        for (const guest of this.guests.values()) guest.position = Math.max(guest.position, id);
      } else if (name === "tick") {
        const before = this.measured.get(data.node);
        this.measured.set(data.node, { ...data, services: { ...(before ? before.services : {}), ...data.services } });
      } else if (name === "reset") {
        this.recent = [];
        this.relayed = this.reachesBackTo = data.last_event_id;
        for (const guest of this.guests.values()) guest.position = data.last_event_id;
      } else if (name === "hello") {
        const { connection_id: secret, ...open } = data; // whoever has it can end the stream
        this.hello = data = open;
        this.pagesTold = 1;
        this.tellPages();
      } else if (name === "log") {
        return; // it is about this page alone
      } else if (name === "heartbeat" && this.hasShared) {
        this.pagesTold = 0; // told again, since the answer does not say whether it was stored
        this.tellPages();
      }
      if (this.guests.size) this.tabs.send({ kind: "message", name, data, id, after: name === "reset" ? 0 : after });
    }

    tellLink() {
      if (!this.isHost) return;
      const before = this.link && this.link.state === "live";
      this.link = this.linkToTell();
      if (this.guests.size) this.tabs.send({ kind: "link", link: this.link });
      if (before !== (this.link.state === "live")) this.tabs.show();
    }

    linkToTell() {
      const { state, since, retryAt, detail, via } = this.client.link;
      return { state, since, retryAt, detail, via, lostAt: this.client.lostAt };
    }

    /** The server does not allow what guests asked for: each has to hear that from the server itself. */
    refused() {
      const own = new Set(this.client.topics);
      const alien = [...this.guests].filter(([, guest]) => guest.topics.some((topic) => !own.has(topic)));
      for (const [id] of alien) {
        this.guests.delete(id);
        this.tabs.send({ kind: "unserved", to: id });
      }
      return alien.length > 0;
    }

    kicked() {
      if (this.isHost) this.tabs.send({ kind: "kicked" });
      this.leave();
    }

    lookAgain() {
      if (this.isHost) this.tabs.send({ kind: "look-again" });
      this.leave();
    }

    /** Have the monitor know how many pages the stream feeds; one request at a time, the last number wins. */
    async tellPages() {
      if (this.telling) return;
      this.telling = true;
      try {
        while (this.isHost && this.client.connectionId && this.pagesTold !== 1 + this.guests.size) {
          const id = this.client.connectionId;
          const pages = 1 + this.guests.size;
          await fetch(this.client.pagesUrl, { method: "POST", body: new URLSearchParams({ connection_id: id, pages: String(pages) }) });
          if (this.client.connectionId === id) this.pagesTold = pages; // else there is another stream by now
        }
      } catch { /* the next change tells it, or the next stream */ } finally {
        this.telling = false;
      }
    }
  };

  function compare(one, other) {
    const at = one.findIndex((value, index) => value !== other[index]);
    return at < 0 ? 0 : one[at] - other[at];
  }
})();
