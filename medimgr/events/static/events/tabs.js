/* The tabs of one browser that show medimgr to one account, and which of them have a stream of their own.

   Over HTTP/1.1 a browser opens six connections to a server. Three tabs, the hosts, may keep one for a stream; the
   rest, the guests, are told by a host. A guest becomes a host as soon as one of the three has gone.

   The tabs agree over a BroadcastChannel. Web Locks would be less work, but exist only on https and on localhost, and
   medimgr is used over plain http on a LAN. Nothing depends on the agreement but the number of streams: each tab goes
   on from the last event that it has had itself, so a fourth stream for an instant loses and doubles nothing.

   Each tab shows a card (what it is); an ask makes the others show theirs. Who does not answer is gone. */
"use strict";

window.medimgr = window.medimgr || {};

(() => {
  const SLOTS = 3;
  const ASK_MS = 80; // a new tab waits so long for the others' cards
  const ROLL_CALL_MS = 2000; // timers of hidden tabs may be slower; answers are not
  const APART_MS = 1000; // asks closer together are one roll call

  medimgr.Tabs = class {
    /** account: whose tabs; owner: is told elected(), follow(), yielded(), gone(id), shown(card), hears(message), asked for card(). */
    constructor(account, owner) {
      this.name = `medimgr.events.${account}`;
      this.owner = owner;
      // Not crypto.randomUUID(), which plain http does not have either.
      this.id = [...crypto.getRandomValues(new Uint32Array(4))].map((part) => part.toString(36)).join("");
      this.bornAt = Date.now();
      this.others = new Map();
      this.role = "none"; // asking, host, guest
      this.slot = this.claimedAt = null;
      this.homeless = true; // has no host, so comes before those that have one
      this.channel = null;
      this.calledAt = 0;
    }

    get isHost() { return this.role === "host"; }

    /** The cards of the other tabs that have a stream. */
    hosts() { return [...this.others.values()].filter((card) => card.role === "host"); }

    /** Ask for a slot; the owner is told elected() or follow() within a tenth of a second. */
    enter(homeless) {
      if (!this.channel) {
        this.channel = new BroadcastChannel(this.name);
        this.channel.onmessage = (event) => this.hear(event.data);
        this.timer = setInterval(() => this.callRoll(), ROLL_CALL_MS);
      }
      this.role = "asking";
      this.homeless = homeless;
      clearTimeout(this.decision);
      this.decision = setTimeout(() => this.decide(), ASK_MS);
      this.show(true);
    }

    /** Say goodbye to the others: this tab goes, or does not want to be live. */
    leave() {
      if (!this.channel) return;
      this.send({ kind: "leave" });
      clearInterval(this.timer);
      clearTimeout(this.decision);
      this.channel.close();
      this.channel = null;
      this.others.clear();
      this.role = "none";
      this.slot = this.claimedAt = null;
    }

    send(message) {
      if (this.channel) this.channel.postMessage({ ...message, from: this.id });
    }

    /** Show this tab's card; with ask, the others answer with theirs. */
    show(ask = false) {
      const { role, slot, claimedAt, bornAt, homeless } = this;
      if (ask) this.noteCall();
      this.send({ kind: "card", ask, role, slot, claimedAt, bornAt, homeless, ...this.owner.card() });
    }

    hear(message) {
      const { from, kind } = message;
      const known = this.others.get(from);
      if (known) known.heardAt = Date.now();
      if (kind === "leave") this.drop(from);
      else if (kind === "card") this.note(message, known);
      else if (!message.to || message.to === this.id) this.owner.hears(message);
    }

    note(card, before) {
      this.others.set(card.from, { ...card, heardAt: Date.now() });
      if (card.ask) { this.noteCall(); this.show(); }
      if (this.isHost && card.role === "host" && card.slot === this.slot) this.dispute(card);
      if (before && before.role === "host" && card.role !== "host") this.owner.gone(card.from);
      if (this.role === "asking" && this.hosts().length >= SLOTS) this.decide();
      this.owner.shown(card);
    }

    /** Two tabs have the same slot: the one that came later steps down. */
    dispute(card) {
      if (order(card.claimedAt, card.from, this.claimedAt, this.id) > 0) { this.show(); return; }
      this.slot = this.claimedAt = null;
      this.owner.yielded();
      this.enter(true);
    }

    decide() {
      clearTimeout(this.decision);
      const taken = new Set(this.hosts().map((card) => card.slot));
      const free = [...Array(SLOTS).keys()].filter((slot) => !taken.has(slot));
      const before = [...this.others.values()].filter((card) => card.role === "asking" && this.comesBefore(card));
      if (before.length < free.length) {
        this.role = "host";
        this.slot = free[before.length];
        this.claimedAt = Date.now();
        this.show();
        this.owner.elected();
      } else {
        this.role = "guest";
        this.show();
        this.owner.follow();
      }
    }

    comesBefore(card) {
      if (card.homeless !== this.homeless) return card.homeless;
      return order(card.bornAt, card.from, this.bornAt, this.id) < 0;
    }

    // --- who is still there ----------------------------------------------------------------------
    callRoll() {
      if (this.others.size && Date.now() - this.calledAt > ROLL_CALL_MS - 100) this.show(true);
      // Whoever was to take the slot may have died instead.
      if (this.role === "guest" && this.hosts().length < SLOTS) this.owner.vacant();
    }

    /** Somebody has asked: who has not answered the ask before is gone. */
    noteCall() {
      const now = Date.now();
      if (now - this.calledAt < APART_MS) return;
      for (const [id, card] of [...this.others]) if (card.heardAt < this.calledAt) this.drop(id);
      this.calledAt = now;
    }

    drop(id) {
      if (this.others.delete(id)) this.owner.gone(id);
    }
  };

  function order(oneTime, oneId, otherTime, otherId) {
    return oneTime - otherTime || (oneId < otherId ? -1 : 1);
  }
})();
