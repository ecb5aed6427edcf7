/* Searches one service's log on the server, archives included, from its end back, and shows the place of a match. */
"use strict";

(() => {
  const MATCHES_AT_ONCE = 500;
  const LINES_AROUND = 300;

  medimgr.LogSearch = class {
    constructor(root, key, log) {
      const byId = (id) => document.getElementById(id);
      this.key = key;
      this.log = log;
      this.box = byId("log-text");
      this.buttons = [byId("log-older"), byId("log-newer")];
      this.turn = 0;
      this.forget();
      byId("log-search").addEventListener("submit", (event) => { event.preventDefault(); this.go(1); });
      byId("log-newer").addEventListener("click", () => this.go(-1));
      this.box.addEventListener("input", () => this.forget());
      this.box.addEventListener("keydown", (event) => {
        if (event.key === "Enter" && event.shiftKey) { event.preventDefault(); this.go(-1); }
        if (event.key === "Escape") { this.box.value = ""; this.forget(); log.setFollowing(true); log.refilter(); }
      });
      root.addEventListener("log-changed", () => this.forget());
      document.addEventListener("keydown", (event) => {
        if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea, dialog")) return;
        event.preventDefault();
        this.box.focus();
        this.box.select();
      });
    }

    /** Another text or another log: what was found before is of no use. */
    forget() {
      this.turn += 1;
      this.matches = [];
      this.at = -1;
      this.count = 0;
      this.searched = "";
      this.older = null; // where to search on, null for nowhere
    }

    /** Show the next match: 1 for the older, -1 for the newer one. The first is the newest. */
    async go(step) {
      const text = this.box.value;
      if (!text) { this.box.focus(); return; }
      const turn = this.turn;
      try {
        if (this.searched !== text) {
          this.log.say("Searching …");
          await this.search(text, null);
          if (turn !== this.turn) return;
          this.searched = text;
          step = 1;
        }
        const at = this.at + step;
        if (at >= this.matches.length && this.older !== null) {
          this.log.say("Searching further back …");
          await this.search(text, this.older);
        }
        if (turn !== this.turn) return;
        if (!this.matches.length) { this.log.say(`Not found${this.where()}`); return; }
        this.at = Math.max(0, Math.min(at, this.matches.length - 1));
        const { lines, found } = await medimgr.api.get(`${this.address()}&around=${this.matches[this.at].offset}&lines=${LINES_AROUND}`);
        if (turn !== this.turn) return;
        if (found === null) { this.log.say("This match is no longer kept: search again."); this.forget(); return; }
        this.log.showPlace(lines, found, `Match ${this.count - this.at} of ${this.count}${this.where()}`);
      } catch (error) {
        if (turn === this.turn) this.log.say(error.message);
      }
    }

    async search(text, before) {
      const turn = this.turn;
      const more = before === null ? "" : `&before=${before}`;
      const found = await medimgr.api.get(`${this.address()}&search=${encodeURIComponent(text)}&limit=${MATCHES_AT_ONCE}${more}`);
      if (turn !== this.turn) return;
      // The first search has counted more than it brought along; a later one may come less far back than it.
      if (before === null || found.scanned_from <= this.countedTo) {
        this.count = this.matches.length + found.count;
        this.countedTo = found.scanned_from;
        this.complete = found.complete;
      }
      this.matches.push(...found.matches);
      if (found.matches.length < found.count) this.older = found.matches.at(-1).offset;
      else this.older = found.complete ? null : found.scanned_from;
    }

    where() {
      return this.complete ? "" : ", so far";
    }

    address() {
      return `/api/services/${encodeURIComponent(this.key)}/log?stream=${this.log.stream}`;
    }
  };
})();
