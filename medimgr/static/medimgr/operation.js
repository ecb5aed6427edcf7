/* The page of one operation, kept true by the "operation" messages. */
"use strict";

(() => {
  const { words, client, page } = medimgr;
  const tell = medimgr.operation;
  const root = document.getElementById("operation");
  const bar = document.getElementById("progress");
  const field = (name) => root.querySelector(`[data-field="${name}"]`);
  let current = page.operation;

  function show(come) {
    current = tell.newer(current, come);
    const active = tell.active(current);
    medimgr.setAttribute(root, "data-status", current.status);
    medimgr.setText(field("status"), tell.status(current));
    document.getElementById("error").hidden = !current.error;
    if (current.error) {
      const said = tell.message(current);
      medimgr.setText(field("error-words"), said);
      medimgr.setText(field("error"), said === current.error.detail ? "" : current.error.detail);
      medimgr.setText(field("code"), current.error.code);
    }
    bar.hidden = !active || !current.progress.total;
    if (!bar.hidden) { bar.max = current.progress.total; bar.value = Math.min(current.progress.done, current.progress.total); }
    showTime("started", current.started_at);
    showTime("finished", current.finished_at);
    for (const button of root.querySelectorAll("[data-act]")) medimgr.allow(button, tell.refusal(current, button.dataset.act));
    tick();
  }

  function showTime(name, iso) {
    const place = field(name);
    if (!iso) { medimgr.setText(place, words.NOTHING); return; }
    let time = place.querySelector("time");
    if (!time) { time = document.createElement("time"); place.replaceChildren(time); }
    medimgr.setAttribute(time, "datetime", iso);
    medimgr.setAttribute(time, "title", words.absolute(iso));
    medimgr.setText(time, words.moment(iso));
  }

  /** What changes by the clock alone; what it did last says little once it has ended. */
  function tick() {
    const active = tell.active(current);
    medimgr.setText(field("message"), active ? tell.message(current) : "");
    medimgr.setText(field("took"), current.started_at ? `${active ? "for" : "after"} ${tell.took(current)}` : "");
  }

  root.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-act]");
    if (!button) return;
    const why = medimgr.refusal(button);
    if (why) { medimgr.notice(why, { level: "info", seconds: 6 }); return; }
    try {
      const { operation } = await medimgr.api.post(`/api/operations/${current.id}/${button.dataset.act}`);
      if (button.dataset.act === "retry") location.href = operation.url;
      else show(operation);
    } catch (error) {
      medimgr.notice(error.message);
    }
  });

  client.on("operation", (operation) => { if (operation.id === current.id) show(operation); });
  client.on("reset", async () => {
    try {
      show(await medimgr.api.get(`/api/operations/${current.id}`));
      client.followedReset();
    } catch { /* purged meanwhile, or the link says what is wrong */ }
  });
  for (const time of root.querySelectorAll("time[datetime]")) {
    if (!Date.parse(time.dateTime)) continue;
    time.title = words.absolute(time.dateTime);
    medimgr.setText(time, words.moment(time.dateTime));
  }
  show(current);
  setInterval(() => { if (!document.hidden && tell.active(current)) tick(); }, 1000);
})();
