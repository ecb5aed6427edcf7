/* The tail of one service's log: follows while the reader is at the end, waits while the reader looks back. Rides on
   the page's own stream (the "log" message), so that one tab stays one connection. */
"use strict";

(() => {
  const MOST_LINES = 2000;
  const NEAR_END_PX = 24;
  const ERROR = /\b(ERROR|CRITICAL|FATAL|Traceback|panic)\b/;
  const WARNING = /\b(WARN|WARNING)\b/;
  const WRAP_KEY = "medimgr.log.wrap";

  medimgr.LogTail = class {
    constructor(root, key, client) {
      const byId = (id) => document.getElementById(id);
      this.key = key;
      this.box = byId("log-lines");
      this.empty = byId("log-empty");
      this.countNode = byId("log-count");
      this.filterBox = byId("log-filter");
      this.followButton = byId("log-follow");
      this.wrapButton = byId("log-wrap");
      this.offset = 0;
      this.inode = 0;
      this.known = false; // offset and inode are those of a real answer
      this.following = true;
      this.dropped = 0;
      this.waiting = [];
      this.paintSoon = medimgr.batch(() => this.paint());
      for (const button of root.querySelectorAll("button")) button.disabled = false;
      this.box.addEventListener("scroll", () => this.scrolled(), { passive: true });
      this.filterBox.addEventListener("input", () => this.refilter());
      this.followButton.addEventListener("click", () => this.setFollowing(!this.following));
      this.wrapButton.addEventListener("click", () => this.setWrap(this.wrapButton.getAttribute("aria-pressed") !== "true"));
      byId("log-clear").addEventListener("click", () => { this.waiting = []; this.dropped = 0; this.box.replaceChildren(); this.showCount(); });
      this.setWrap(remembered() === "yes");
      client.on("log", (data) => { if (data.service === key) this.take(data); });
      medimgr.streamParameters = () => ({ log: key, ...(this.known ? { log_offset: String(this.offset), log_inode: String(this.inode) } : {}) });
    }

    /** A piece of the log. The first one is its last part; what came before that is no gap. */
    take(data) {
      if (data.problem) { this.waiting.push(["marker", data.problem]); this.paintSoon(); return; }
      this.offset = data.offset;
      this.inode = data.inode;
      if (data.reset && this.known) this.waiting.push(["marker", "The log file was begun anew."]);
      if (data.skipped && this.known) this.waiting.push(["marker", `${medimgr.words.bytes(data.skipped)} skipped: download the log to read them.`]);
      this.known = true;
      for (const line of data.lines) this.waiting.push([ERROR.test(line) ? "error" : WARNING.test(line) ? "warning" : "", line]);
      if (this.waiting.length > MOST_LINES) this.waiting.splice(0, this.waiting.length - MOST_LINES);
      this.paintSoon();
    }

    paint() {
      if (!this.waiting.length) { this.showCount(); return; }
      const fragment = document.createDocumentFragment();
      for (const [style, text] of this.waiting) {
        const line = document.createElement("div");
        if (style) line.className = style;
        line.textContent = text;
        line.hidden = !this.fits(line);
        fragment.append(line);
      }
      this.waiting = [];
      this.box.append(fragment);
      // While somebody looks back nothing is taken away under their eyes, up to twice the buffer.
      const most = this.following ? MOST_LINES : 2 * MOST_LINES;
      const surplus = this.box.childElementCount - most;
      if (surplus > 0) {
        const height = this.box.scrollHeight;
        for (let line = 0; line < surplus; line += 1) this.box.firstChild.remove();
        this.dropped += surplus;
        if (!this.following) this.box.scrollTop -= height - this.box.scrollHeight;
      }
      if (this.following) this.toEnd();
      this.showCount();
    }

    fits(line) {
      const wanted = this.filterBox.value.trim().toLowerCase();
      return !wanted || line.classList.contains("marker") || line.textContent.toLowerCase().includes(wanted);
    }

    refilter() {
      for (const line of this.box.children) line.hidden = !this.fits(line);
      if (this.following) this.toEnd();
      this.showCount();
    }

    showCount() {
      const total = this.box.childElementCount;
      this.empty.hidden = total > 0;
      const shown = this.filterBox.value.trim() ? `${[...this.box.children].filter((line) => !line.hidden).length} of ` : "";
      const older = this.dropped ? `, ${this.dropped} older not kept here` : "";
      medimgr.setText(this.countNode, total ? `${shown}${medimgr.words.count(total, "line", "lines")}${older}` : "");
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
})();
