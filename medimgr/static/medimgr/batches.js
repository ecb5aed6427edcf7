/* Requests over many targets: how far each is in words (the twin of progress() in operations/batches.py), and the
   cards that say so, kept true by the "batch" messages. */
"use strict";

(() => {
  const CLOSES_AFTER_MS = 8000; // a card of what all went well
  const REMEMBERED = 200;
  const CARDS = 3;

  const refusedOf = (batch) => batch.done - batch.succeeded - batch.failed - batch.cancelled;

  medimgr.batchWords = (batch) => {
    if (!batch.total) return "nothing to do";
    const counts = [[batch.failed, "failed"], [batch.cancelled, "cancelled"], [refusedOf(batch), "refused"]];
    return [`${batch.done}/${batch.total}`, ...counts.filter(([number]) => number).map(([number, word]) => `${number} ${word}`)].join(", ");
  };

  /** busy, done, or failed where any of it was: as level() in operations/batch_cards.py. */
  medimgr.batchLevel = (batch) => (batch.failed || refusedOf(batch) ? "failed" : batch.finished_at ? "done" : "busy");

  /** Whether a tells more than b of the same batch: what the stream says may come before the answer to the request. */
  const newer = (a, b) => !b || a.done > b.done || (a.done === b.done && Boolean(a.finished_at) >= Boolean(b.finished_at));

  medimgr.BatchCards = class {
    /** root: where new cards go; may: {cancel, retry}; title(batch): what was asked for; onRetried(answer). */
    constructor(root, client, { may, title = null, onRetried = null }) {
      Object.assign(this, { root, may, title, onRetried });
      this.cards = new Map();
      this.told = new Map(); // the latest of each batch that was heard of, shown or not
      this.paint = medimgr.batch((ids) => { for (const id of ids) this.show(id); });
      for (const node of document.querySelectorAll("[data-batch-id]")) {
        this.adopt(node);
        this.fetch(node.dataset.batchId); // its numbers, which the markup has as words
      }
      client.on("batch", (batch) => this.hear(batch));
      client.on("reset", () => { for (const id of this.cards.keys()) this.fetch(id); });
    }

    adopt(node) {
      const id = node.dataset.batchId;
      this.cards.set(id, node);
      node.addEventListener("click", (event) => {
        const button = event.target.closest("[data-batch-act]");
        if (button) this.act(id, button.dataset.batchAct);
      });
    }

    async fetch(id) {
      try {
        this.hear(await medimgr.api.get(`/api/operations/batches/${encodeURIComponent(id)}`));
      } catch { /* deleted meanwhile, or the link says what is wrong */ }
    }

    hear(batch) {
      if (newer(batch, this.told.get(batch.id))) {
        this.told.delete(batch.id);
        this.told.set(batch.id, batch);
      }
      for (const id of this.told.keys()) { // oldest first
        if (this.told.size <= REMEMBERED) break;
        if (!this.cards.has(id)) this.told.delete(id);
      }
      if (this.cards.has(batch.id)) this.paint(batch.id);
    }

    /** Show a card for a batch that was just asked for. */
    follow(batch) {
      if (!this.may.view) return; // nobody would say how it goes on
      this.hear(batch);
      if (!this.cards.has(batch.id)) {
        const node = document.getElementById("batch-template").content.firstElementChild.cloneNode(true);
        node.dataset.batchId = batch.id;
        this.adopt(node);
        this.root.append(node);
        this.makeRoom();
      }
      this.show(batch.id);
    }

    show(id) {
      const node = this.cards.get(id);
      const batch = this.told.get(id);
      if (!node || !batch) return;
      const field = (name) => node.querySelector(`[data-field="${name}"]`);
      const said = medimgr.batchWords(batch);
      const ended = Boolean(batch.finished_at);
      medimgr.setAttribute(node, "data-level", medimgr.batchLevel(batch));
      if (this.title) medimgr.setText(field("title"), this.title(batch));
      const title = field("title").textContent;
      medimgr.setAttribute(node, "aria-label", title);
      medimgr.setText(field("words"), said);
      if (field("link")) field("link").href = batch.url; // the page of its operations has none
      const bar = node.querySelector("progress");
      bar.max = batch.total || 1;
      bar.value = batch.total ? batch.done : 1;
      medimgr.setAttribute(bar, "aria-label", `${title}: ${said}`);
      const floats = this.root.contains(node);
      for (const button of node.querySelectorAll("[data-batch-act]")) {
        const act = button.dataset.batchAct;
        if (act === "close") { button.hidden = !floats; continue; }
        button.hidden = act === "cancel" ? ended : !batch.failed;
        medimgr.allow(button, this.may[act] ? "" : `Your account lacks the permission operations.${act}_operation. Ask an administrator for it.`);
      }
      if (ended && !node.dataset.ended) {
        node.dataset.ended = "true";
        medimgr.announce(`${title}: ${said}.`);
        if (floats && medimgr.batchLevel(batch) === "done" && !batch.cancelled) setTimeout(() => this.close(id), CLOSES_AFTER_MS);
      }
    }

    /** Close the oldest that have ended where there are too many to leave the page in sight. */
    makeRoom() {
      const floating = [...this.cards].filter(([, node]) => this.root.contains(node));
      const ended = floating.filter(([, node]) => node.dataset.ended);
      for (const [id] of ended.slice(0, Math.max(0, floating.length - CARDS))) this.close(id);
    }

    close(id) {
      const node = this.cards.get(id);
      if (!node) return;
      const focused = node.contains(document.activeElement);
      node.remove();
      this.cards.delete(id);
      if (focused) document.getElementById("main").focus({ preventScroll: true });
    }

    async act(id, act) {
      if (act === "close") { this.close(id); return; }
      const button = this.cards.get(id).querySelector(`[data-batch-act="${act}"]`);
      const refusal = medimgr.refusal(button);
      if (refusal) { medimgr.notice(refusal, { level: "info", seconds: 6 }); return; }
      medimgr.allow(button, "Just asked for.");
      try {
        const answer = await medimgr.api.post(`/api/operations/batches/${encodeURIComponent(id)}/${act}`);
        if (act === "cancel") {
          this.hear(answer.batch);
          if (answer.asked) medimgr.notice(`${answer.asked} of them ${answer.asked === 1 ? "runs, and ends" : "run, and end"} at the next chance, or succeed if they are faster.`, { level: "info", seconds: 8 });
        } else {
          this.retried(id, answer);
        }
      } catch (error) {
        medimgr.notice(error.message);
      } finally {
        this.show(id);
      }
    }

    retried(id, answer) {
      if (!document.getElementById("batch-template")) { location.href = answer.batch.url; return; }
      if (this.onRetried) this.onRetried(answer);
      this.close(id);
      this.follow(answer.batch);
    }
  };

  // On the list of a batch's operations its card, on the page of one of them how far all are.
  const { page, client } = medimgr;
  if (page.batch) new medimgr.BatchCards(document.getElementById("notices"), client, page.batch);
  for (const node of document.querySelectorAll("[data-batch-progress]")) {
    client.on("batch", (batch) => { if (batch.id === node.dataset.batchProgress) medimgr.setText(node, medimgr.batchWords(batch)); });
  }
})();
