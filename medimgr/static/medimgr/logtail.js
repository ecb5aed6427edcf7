/* The tail of one service's log: follows while the reader is at the end, waits while the reader looks back. Rides on
   the page's own stream (the "log" message), so that one tab stays one connection. */
"use strict";

(() => {
  const MOST_LINES = 2000;
  const MOST_MARKS = 5000;
  const NEAR_END_PX = 24;
  const BYTES = new TextEncoder();
  const ERROR = /\b(ERROR|CRITICAL|FATAL|Traceback|panic)\b/;
  const WARNING = /\b(WARN|WARNING)\b/;
  const WRAP_KEY = "medimgr.log.wrap";

  medimgr.LogTail = class {
    constructor(root, key, client) {
      const byId = (id) => document.getElementById(id);
      this.key = key;
      this.root = root;
      this.box = byId("log-lines");
      this.empty = byId("log-empty");
      this.countNode = byId("log-count");
      this.textBox = byId("log-text");
      this.onlyButton = byId("log-only");
      this.streamBox = byId("log-stream"); // null where both outputs are in one log
      this.followButton = byId("log-follow");
      this.wrapButton = byId("log-wrap");
      this.offset = 0;
      this.inode = 0;
      this.known = false; // offset and inode are those of a real answer
      this.following = true;
      this.dropped = 0;
      this.waiting = [];
      this.live = null; // the lines of the end, put away while a place that was found is shown
      this.status = ""; // what a search has to say in place of the number of lines
      this.paintSoon = medimgr.batch(() => this.paint());
      for (const control of root.querySelectorAll("button, select")) control.disabled = false;
      this.box.addEventListener("scroll", () => this.scrolled(), { passive: true });
      this.textBox.addEventListener("input", () => { this.status = ""; this.refilter(); });
      this.onlyButton.addEventListener("click", () => {
        this.onlyButton.setAttribute("aria-pressed", String(!this.only));
        this.refilter();
      });
      if (this.streamBox) this.streamBox.addEventListener("change", () => this.begin(client));
      this.followButton.addEventListener("click", () => this.setFollowing(!this.following));
      this.wrapButton.addEventListener("click", () => this.setWrap(this.wrapButton.getAttribute("aria-pressed") !== "true"));
      byId("log-clear").addEventListener("click", () => { this.showEnd(); this.clear(); });
      this.setWrap(remembered() === "yes");
      client.on("log", (data) => { if (data.service === key && data.stream === this.stream) this.take(data); });
      medimgr.logPoll = new medimgr.LogPoll(this, client);
      medimgr.streamParameters = () => ({ log: key, log_stream: this.stream, ...(this.known ? { log_offset: String(this.offset), log_inode: String(this.inode) } : {}) });
    }

    /** Which output is shown: that of both, where they are in one log. */
    get stream() {
      return this.streamBox ? this.streamBox.value : "stdout";
    }

    /** Whether only lines with the text are shown. */
    get only() {
      return this.onlyButton.getAttribute("aria-pressed") === "true";
    }

    /** Show another output, from its last part on. The page's one stream is opened anew for it. */
    begin(client) {
      this.showEnd();
      this.clear();
      this.known = false;
      this.root.dispatchEvent(new CustomEvent("log-changed"));
      client.parametersChanged();
    }

    clear() {
      this.waiting = [];
      this.dropped = 0;
      this.box.replaceChildren();
      this.showCount();
    }

    /** A piece of the log. The first one is its last part; what came before that is no gap. */
    take(data) {
      if (data.problem) { this.waiting.push(["marker", data.problem]); this.paintSoon(); return; }
      const lines = this.unread(data);
      if (!lines) return;
      this.offset = data.offset;
      this.inode = data.inode;
      if (data.reset && this.known) this.waiting.push(["marker", "The log was emptied or replaced by hand."]);
      if (data.skipped && this.known) this.waiting.push(["marker", `${medimgr.words.bytes(data.skipped)} skipped: download the log to read them.`]);
      this.known = true;
      for (const line of lines) this.waiting.push([styleOf(line), line]);
      if (this.waiting.length > MOST_LINES) this.waiting.splice(0, this.waiting.length - MOST_LINES);
      this.paintSoon();
    }

    /** Its lines that are not here yet; null where it ends before what is here. A poll may have come ahead of a
        stream that was being opened meanwhile. */
    unread(data) {
      const follows = !this.known || data.reset || data.start === undefined || data.start >= this.offset;
      if (follows) return data.lines;
      if (data.offset <= this.offset) return null;
      let at = data.start;
      let read = 0;
      for (; read < data.lines.length && at < this.offset; read += 1) at += BYTES.encode(data.lines[read]).length + 1;
      return data.lines.slice(read);
    }

    paint() {
      if (this.live || !this.waiting.length) { this.showCount(); return; }
      const fragment = document.createDocumentFragment();
      for (const [style, text] of this.waiting) fragment.append(this.line(style, text));
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

    line(style, text) {
      const line = document.createElement("div");
      if (style) line.className = style;
      line.textContent = text;
      line.hidden = this.only && !this.fits(line);
      return line;
    }

    /** What is searched for, as the lines here are compared with it. */
    get wanted() {
      return this.textBox.value.toLowerCase();
    }

    fits(line) {
      return !this.wanted || line.classList.contains("marker") || line.textContent.toLowerCase().includes(this.wanted);
    }

    refilter() {
      for (const line of this.box.children) line.hidden = this.only && !this.fits(line);
      if (this.following) this.toEnd();
      this.showCount();
    }

    /** Show some older lines, one of which was searched for, instead of the end, which goes on growing unseen. */
    showPlace(lines, found, status) {
      if (!this.live) {
        this.live = document.createDocumentFragment();
        this.live.append(...this.box.childNodes);
      }
      this.box.replaceChildren(...lines.map((text) => this.line(styleOf(text), text)));
      this.root.toggleAttribute("data-looking-back", true);
      this.setFollowing(false, { scroll: false });
      const line = this.box.children[found];
      if (line) {
        line.hidden = false;
        line.classList.add("found");
        this.box.scrollTop = line.offsetTop - this.box.offsetTop - (this.box.clientHeight - line.offsetHeight) / 2;
      }
      this.say(status);
    }

    /** Show the end of the log again. */
    showEnd() {
      this.status = "";
      if (!this.live) return;
      this.box.replaceChildren(this.live);
      this.live = null;
      this.root.toggleAttribute("data-looking-back", false);
      this.refilter();
      this.paint();
    }

    /** Say what a search has found in place of the number of lines, until the text or the place changes. */
    say(status) {
      this.status = status;
      medimgr.announce(status);
      this.showCount();
    }

    showCount() {
      const total = this.box.childElementCount;
      this.empty.hidden = total > 0;
      this.mark();
      if (this.status) { medimgr.setText(this.countNode, this.status); return; }
      const shown = this.wanted ? `${[...this.box.children].filter((line) => this.fits(line)).length} of ` : "";
      const older = this.dropped ? `, ${this.dropped} older not kept here` : "";
      medimgr.setText(this.countNode, total ? `${shown}${medimgr.words.count(total, "line", "lines")}${older}` : "");
    }

    /** Colour the text that is searched for, where the browser can do that without touching the lines. */
    mark() {
      if (!globalThis.Highlight) return;
      const ranges = [];
      const wanted = this.wanted;
      for (const line of wanted ? this.box.children : []) {
        const node = line.firstChild;
        const text = node ? node.data.toLowerCase() : "";
        if (node && text.length !== node.data.length) continue; // a letter that is two in lower case
        for (let at = text.indexOf(wanted); at >= 0; at = text.indexOf(wanted, at + wanted.length)) {
          const range = new Range();
          range.setStart(node, at);
          range.setEnd(node, at + wanted.length);
          ranges.push(range);
        }
      }
      CSS.highlights.set("log-text", new Highlight(...ranges.slice(0, MOST_MARKS)));
    }

    scrolled() {
      if (this.live) return;
      const atEnd = this.box.scrollHeight - this.box.scrollTop - this.box.clientHeight < NEAR_END_PX;
      if (atEnd !== this.following) this.setFollowing(atEnd, { scroll: false });
    }

    setFollowing(on, { scroll = true } = {}) {
      if (on) this.showEnd();
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

  function styleOf(line) {
    return ERROR.test(line) ? "error" : WARNING.test(line) ? "warning" : "";
  }

  function remembered() {
    try {
      return localStorage.getItem(WRAP_KEY);
    } catch {
      return null;
    }
  }
})();
