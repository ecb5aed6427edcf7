/* The log of one operation: rides on the page's own stream (the "operation_log" message). Where the page has none,
   because it polls or shares that of another tab, the "operation" messages say when to ask for lines. */
"use strict";

(() => {
  const NEAR_END_PX = 24;
  const AGAIN_MS = 1500;
  const MOST_LINES = 5001; // as operations/log_lines.py: a log holds no more
  const WRAP_KEY = "medimgr.operation-log.wrap";
  const byId = (id) => document.getElementById(id);

  medimgr.OperationLog = class {
    constructor(root, client) {
      this.operation = Number(root.dataset.of);
      this.client = client;
      this.box = byId("operation-log-lines");
      this.countNode = byId("operation-log-count");
      this.empty = byId("operation-log-empty");
      this.followButton = byId("operation-log-follow");
      this.wrapButton = byId("operation-log-wrap");
      this.troublesButton = byId("operation-log-troubles");
      this.last = 0; // the number of the last line that is here
      this.complete = false;
      this.known = false; // something has been heard of the log
      this.troubles = 0;
      this.waiting = [];
      this.following = true;
      this.asking = false;
      this.askAgain = false;
      this.timer = 0;
      this.paintSoon = medimgr.batch(() => this.paint());
      this.wrapButton.disabled = false;
      this.box.addEventListener("scroll", () => this.scrolled(), { passive: true });
      this.followButton.addEventListener("click", () => this.setFollowing(!this.following));
      this.wrapButton.addEventListener("click", () => this.setWrap(this.wrapButton.getAttribute("aria-pressed") !== "true"));
      this.troublesButton.addEventListener("click", () => this.setTroubles(this.troublesButton.getAttribute("aria-pressed") !== "true"));
      this.setWrap(remembered() !== "no");
      client.on("operation_log", (data) => { if (data.operation === this.operation) this.take(data); });
      client.on("operation", (operation) => { if (operation.id === this.operation) this.heard(operation); });
      client.on("link", () => { if (this.hasToAsk) this.ask(); });
      client.on("reset", () => this.ask());
      medimgr.streamParameters = () => (this.complete ? {} : { operation_log: String(this.operation), operation_log_after: String(this.last) });
    }

    /** Whether no stream of this page brings the lines. */
    get hasToAsk() {
      const { state, via } = this.client.link;
      return !this.complete && state === "live" && via !== "stream";
    }

    /** Something has happened to the operation: perhaps it has said more. */
    heard(operation) {
      if (this.hasToAsk && (operation.log_lines > this.last || operation.finished_at)) this.ask();
    }

    async ask() {
      if (this.asking) { this.askAgain = true; return; }
      this.asking = true;
      clearTimeout(this.timer);
      try {
        this.take(await medimgr.api.get(`/api/operations/${this.operation}/log?after=${this.last}&limit=${MOST_LINES}`));
      } catch (error) {
        if (error.status === 404) this.problem(error.message);
        else this.timer = setTimeout(() => this.ask(), AGAIN_MS);
      }
      this.asking = false;
      if (this.askAgain) { this.askAgain = false; this.ask(); }
    }

    /** Some lines. Those of another tab's stream may be far ahead of what this page has. */
    take(data) {
      if (data.problem) { this.problem(data.problem); return; }
      const fresh = data.lines.filter((line) => line.number > this.last);
      const gap = fresh.length ? fresh[0].number > this.last + 1 : data.last > this.last;
      if (gap) { this.ask(); return; }
      this.known = true;
      this.waiting.push(...fresh);
      if (fresh.length) this.last = fresh[fresh.length - 1].number;
      this.complete = this.complete || (data.complete && data.last <= this.last);
      this.paintSoon();
    }

    problem(text) {
      this.complete = true;
      this.known = true;
      this.waiting.push({ level: "marker", text, at: "" });
      this.paintSoon();
    }

    paint() {
      const fragment = document.createDocumentFragment();
      for (const line of this.waiting) fragment.append(this.line(line));
      this.waiting = [];
      const place = this.box.scrollTop;
      this.box.append(fragment);
      if (this.following) this.toEnd(); else this.box.scrollTop = place;
      this.showState();
    }

    line({ at, level, text }) {
      const line = document.createElement("div");
      line.className = level;
      if (at) {
        const time = document.createElement("time");
        time.dateTime = at;
        time.title = medimgr.words.absolute(at);
        time.textContent = medimgr.words.clockSeconds(at);
        line.append(time, " ");
      }
      if (level === "warning" || level === "error") {
        this.troubles += 1;
        const word = document.createElement("span"); // for those who cannot see the colour
        word.className = "visually-hidden";
        word.textContent = `${medimgr.words.capital(level)}: `;
        line.append(word);
      }
      line.append(text);
      return line;
    }

    showState() {
      const total = this.last;
      const some = this.box.childElementCount > 0;
      this.empty.hidden = some;
      if (this.known && !some) medimgr.setText(this.empty, this.complete ? "It has said nothing." : "No lines yet.");
      medimgr.setText(this.countNode, total ? medimgr.words.count(total, "line", "lines") : "");
      this.followButton.hidden = this.complete || !some;
      this.troublesButton.hidden = !this.troubles || this.troubles === total;
    }

    scrolled() {
      const atEnd = this.box.scrollHeight - this.box.scrollTop - this.box.clientHeight < NEAR_END_PX;
      if (atEnd !== this.following) this.setFollowing(atEnd, { scroll: false });
    }

    setFollowing(on, { scroll = true } = {}) {
      this.following = on;
      this.followButton.setAttribute("aria-pressed", String(on));
      medimgr.setText(this.followButton, on ? "Following" : "Follow");
      if (on && scroll) this.toEnd();
    }

    setTroubles(on) {
      this.box.classList.toggle("troubles", on);
      this.troublesButton.setAttribute("aria-pressed", String(on));
      if (this.following) this.toEnd();
    }

    setWrap(on) {
      this.box.classList.toggle("wrapped", on);
      this.wrapButton.setAttribute("aria-pressed", String(on));
      try {
        localStorage.setItem(WRAP_KEY, on ? "yes" : "no");
      } catch { /* then it is not remembered */ }
      if (this.following) this.toEnd();
    }

    toEnd() {
      this.box.scrollTop = this.box.scrollHeight;
    }
  };

  function remembered() {
    try {
      return localStorage.getItem(WRAP_KEY);
    } catch {
      return null;
    }
  }

  medimgr.operationLog = new medimgr.OperationLog(byId("operation-log"), medimgr.client);
})();
