/* What the page does where something on the way holds its stream back: it asks every three seconds what has happened.

   Most often that is a proxy that collects an answer until it is complete, which a stream never is. */
"use strict";

window.medimgr = window.medimgr || {};

(() => {
  const EVERY_MS = 3000;
  const LONGEST_MS = 30_000;
  const PATIENCE_MS = 10_000;
  const QUICK_ANSWER_MS = 2000; // a slower one says that the server is slow, not that streams are blocked
  const STREAM_AGAIN_MS = 60_000; // how often a page that polls tries a stream

  medimgr.Poll = class {
    constructor(client) {
      this.client = client;
      this.failures = 0;
      this.timer = this.againTimer = 0;
      this.active = false;
      this.asking = null;
    }

    static get seconds() { return EVERY_MS / 1000; }

    /** Ask once, and wait so long for the answer. Throws the Response where it is a refusal, or fetch's error. */
    async ask(patienceMs = PATIENCE_MS) {
      const controller = new AbortController();
      const patience = setTimeout(() => controller.abort(), patienceMs);
      this.asking = controller;
      try {
        const response = await fetch(`${this.client.url}poll/?${this.query()}`, { headers: { Accept: "application/json" }, redirect: "manual", cache: "no-store", signal: controller.signal });
        if (!response.ok) throw response;
        return await response.json();
      } finally {
        clearTimeout(patience);
        if (this.asking === controller) this.asking = null;
      }
    }

    /** Return whether the server lets this browser ask anything at all. */
    async isWelcome() {
      try {
        const answer = await fetch(`${this.client.url}poll/?topics=`, { redirect: "manual", cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) });
        return answer.ok;
      } catch {
        return false;
      }
    }

    /** Streams are silent: go on by polling if that works, else leave it to the client to try again later. */
    async begin() {
      let answer = null;
      try {
        answer = await this.ask(QUICK_ANSWER_MS);
      } catch { /* the server does not answer at all */ }
      if (this.client.link.state === "ended" || this.client.hasStream) return; // something else has happened meanwhile
      if (!answer) { this.client.retryLater(); return; }
      this.active = true;
      this.failures = 0;
      this.streamAgainLater();
      this.next(EVERY_MS);
      this.took(answer);
    }

    stop() {
      this.active = false;
      clearTimeout(this.timer);
      clearTimeout(this.againTimer);
      this.asking?.abort();
    }

    /** Give a stream another chance now and then, beside the polling. */
    streamAgainLater() {
      this.client.closeSource();
      clearTimeout(this.againTimer);
      this.againTimer = setTimeout(() => this.client.openStream(), STREAM_AGAIN_MS * (0.9 + Math.random() / 5));
    }

    /** Ask now instead of later. */
    soon() {
      if (this.active && !this.asking) this.next(0);
    }

    next(ms) {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.turn(), ms);
    }

    async turn() {
      const began = performance.now();
      let answer = null;
      let refusal = null;
      try {
        answer = await this.ask();
      } catch (error) {
        if (error instanceof Response) refusal = error;
      }
      if (!this.active) return;
      if (answer) {
        this.failures = 0;
        // Jitter keeps a hundred pages from asking in the same instant.
        this.next(Math.max(0, EVERY_MS * (0.9 + Math.random() / 5) - (performance.now() - began)));
        this.took(answer);
      } else {
        this.failures += 1;
        const ms = Math.min(LONGEST_MS, EVERY_MS * 2 ** (this.failures - 1)) * (0.75 + Math.random() / 2);
        this.next(ms);
        this.client.pollFailed(refusal, ms);
      }
    }

    query() {
      const { topics, position } = this.client.wanted();
      return new URLSearchParams({ topics: topics.join(","), page: location.pathname, last_event_id: String(position) });
    }

    /** Pass an answer on as if a stream had brought it. */
    took(answer) {
      const client = this.client;
      client.polled();
      if (answer.reset) client.pass("reset", { last_event_id: answer.last_event_id }, 0);
      for (const { topic, data, id } of answer.events) client.pass(topic, data, id);
      for (const tick of answer.ticks) client.pass("tick", tick, 0);
      client.pass("caught-up", {}, answer.last_event_id);
      client.lastEventId = answer.last_event_id;
      client.pass("heartbeat", { server_time: answer.server_time, database: answer.database }, 0);
    }
  };
})();
