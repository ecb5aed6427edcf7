/* The tail of a log for a page without a stream of its own: one that polls, or shares the stream of another tab. */
"use strict";

(() => {
  const SHARED_MS = 1000;
  const POLL_MS = 3000;
  const FIRST_LINES = 1000;
  const MANY_LINES = 1000;

  medimgr.LogPoll = class {
    constructor(tail, client) {
      this.tail = tail;
      this.client = client;
      this.timer = 0;
      this.round = 0;
      client.on("link", () => this.changed());
      tail.root.addEventListener("log-changed", () => { if (this.timer) this.start(); });
    }

    get needed() {
      const { state, via } = this.client.link;
      return state === "live" && via !== "stream";
    }

    changed() {
      if (this.needed && !this.timer) this.start();
      if (!this.needed) this.stop();
    }

    start() {
      this.stop();
      this.next(0);
    }

    stop() {
      clearTimeout(this.timer);
      this.timer = 0;
      this.round += 1; // an answer that is under way comes too late
    }

    next(ms) {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.ask(this.round), ms);
    }

    async ask(round) {
      const { tail } = this;
      let pause = this.client.link.via === "poll" ? POLL_MS : SHARED_MS;
      const wanted = tail.known ? { offset: tail.offset, inode: tail.inode } : { lines: FIRST_LINES };
      try {
        const piece = await medimgr.api.log(tail.key, { stream: tail.stream, ...wanted });
        if (round !== this.round) return;
        this.problem = "";
        if (piece.lines.length > MANY_LINES) pause = 0; // there is more
        if (piece.lines.length || piece.reset || piece.skipped || !tail.known) tail.take(piece);
      } catch (error) {
        if (round !== this.round) return;
        if (error.status && error.message !== this.problem) tail.take({ problem: error.message });
        this.problem = error.message;
      }
      this.next(pause);
    }
  };
})();
