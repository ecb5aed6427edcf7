/* What every live store does: begins as the page's snapshot, is kept true by the stream's messages, and fetches the
   snapshot anew where messages were missed. Subclasses say how to load a snapshot, take a message and fetch. */
"use strict";

(() => {
  const ACTIVE = new Set(["PENDING", "RUNNING"]);
  const ASK_AGAIN_MS = 10_000;
  const OUTCOME_SHOWN_MS = 5000;

  medimgr.LiveStore = class {
    constructor(client) {
      this.client = client;
      this.listeners = [];
      this.buffered = null; // messages that come while a snapshot is on its way
      this.askedAt = 0;
      this.upTo = 0; // the newest message that the snapshot holds
    }

    /** Begin with a snapshot, and listen to these topics. */
    begin(snapshot, topics) {
      this.load(snapshot);
      for (const topic of topics) this.client.on(topic, (data, id) => this.receive(topic, data, id));
      this.client.on("reset", () => { this.upTo = 0; this.resync(); });
    }

    listen(listener) { this.listeners.push(listener); }
    tell(kind, key) { for (const listener of this.listeners) listener(kind, key); }

    receive(topic, data, id) {
      if (this.buffered) { this.buffered.push([topic, data, id]); return; }
      if (id <= this.upTo) return; // the snapshot is newer
      this.take(topic, data);
    }

    /** Take what is known about an operation on an item, unless something newer is known already. */
    follow(item, operation) {
      const rank = operation.status === "PENDING" ? 0 : operation.status === "RUNNING" ? 1 : 2;
      const [seenId, seenRank] = item.seen;
      if (operation.id < seenId || (operation.id === seenId && rank < seenRank)) return;
      item.seen = [operation.id, rank];
      if (ACTIVE.has(operation.status)) {
        item.operation = operation;
        item.outcome = null;
      } else {
        item.operation = null;
        item.outcome = operation.status === "CANCELLED" ? null : operation;
        if (operation.status === "SUCCESS") {
          setTimeout(() => {
            if (item.outcome === operation) { item.outcome = null; this.changed(item); }
          }, OUTCOME_SHOWN_MS);
        }
      }
      this.changed(item);
    }

    askSoon() {
      if (Date.now() - this.askedAt > ASK_AGAIN_MS) this.resync();
    }

    /** Fetch the snapshot; what the stream says meanwhile is applied after it. */
    async resync() {
      if (this.buffered) { this.again = true; return; }
      this.buffered = [];
      this.askedAt = Date.now();
      try {
        const snapshot = await this.fetchSnapshot();
        this.load(snapshot);
        this.client.followedReset();
      } catch {
        setTimeout(() => this.resync(), ASK_AGAIN_MS);
      }
      const waiting = this.buffered;
      this.buffered = null;
      for (const [topic, data, id] of waiting) this.receive(topic, data, id);
      if (this.again) { this.again = false; this.resync(); }
    }
  };
})();
