/* The page of chores: asks every few seconds how they are, has one done, deletes finished operations. */
"use strict";

(() => {
  const { words, page } = medimgr;
  const STANDINGS = { running: "Running", waiting: "Done", due: "Due", failed: "Failed", overdue: "Overdue", never: "Not done yet" };
  const table = document.getElementById("chores");
  const troubles = document.getElementById("chores-attention");
  const field = (root, name) => root.querySelector(`[data-field="${name}"]`);
  let timer = 0;

  function seconds(value) {
    if (value === null) return words.NOTHING;
    if (value < 1) return `${Math.round(value * 1000)} ms`;
    return value < 60 ? `${value < 10 ? value.toFixed(2) : value.toFixed(0)} s` : words.age(value);
  }

  function moment(node, iso, text) {
    if (iso) node.dateTime = iso;
    medimgr.setAttribute(node, "title", words.absolute(iso));
    medimgr.setText(node, text);
  }

  function show(chore) {
    const row = table.querySelector(`[data-chore="${CSS.escape(chore.name)}"]`);
    if (!row) return;
    medimgr.setAttribute(row, "data-standing", chore.standing);
    const many = chore.failures > 1 ? `, ${chore.failures} times in a row` : "";
    medimgr.setText(field(row, "standing"), STANDINGS[chore.standing] + (chore.standing === "failed" ? many : ""));
    medimgr.setText(field(row, "owner"), chore.owner ? `by ${chore.owner}` : "");
    moment(field(row, "last"), chore.finished_at, chore.finished_at ? `${words.ageOf(chore.finished_at)} ago` : words.NOTHING);
    medimgr.setText(field(row, "outcome"), chore.error || chore.result);
    medimgr.setText(field(row, "took"), seconds(chore.took_seconds));
    medimgr.setText(field(row, "every"), words.age(chore.every_seconds));
    moment(field(row, "next"), chore.next_at, next(chore));
    medimgr.allow(row.querySelector("[data-run]"), page.may.run ? "" : "Your account lacks the permission operations.change_chorerun.");
  }

  function next(chore) {
    if (!chore.next_at) return words.NOTHING;
    const left = (Date.parse(chore.next_at) - words.now()) / 1000;
    if (chore.owner) return left <= 0 ? "after this one" : "once more after this one";
    return left > 0 ? `in ${words.age(Math.ceil(left))}` : left > -2 ? "now" : `${words.age(-left)} ago, by rights`;
  }

  function tell(sentences) {
    const shown = [...troubles.children].map((node) => node.textContent);
    if (shown.join("\n") === sentences.join("\n")) return;
    troubles.replaceChildren(...sentences.map((sentence) => {
      const line = document.createElement("p");
      line.className = "note warn";
      line.textContent = sentence;
      return line;
    }));
  }

  async function refresh() {
    clearTimeout(timer);
    timer = setTimeout(refresh, page.refresh_seconds * 1000);
    if (document.hidden) return;
    try {
      const { items, attention } = await medimgr.api.chores();
      page.chores = items;
      tell(attention);
      items.forEach(show);
    } catch (error) {
      if (error.status === 401 || error.status === 403) { clearTimeout(timer); medimgr.notice(error.message); }
      // Otherwise the link says that the server cannot be reached.
    }
  }

  table.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-run]");
    if (!button) return;
    const why = medimgr.refusal(button);
    if (why) { medimgr.notice(why, { level: "info", seconds: 6 }); return; }
    try {
      const { chore } = await medimgr.api.runChore(button.closest("[data-chore]").dataset.chore);
      show(chore);
      medimgr.announce(`${chore.name} is to be done now.`);
      clearTimeout(timer);
      timer = setTimeout(refresh, 1500); // a worker looks once a second
    } catch (error) {
      medimgr.notice(error.message);
    }
  });

  const form = document.getElementById("clean-up");
  if (form) {
    const told = document.getElementById("clean-up-told");
    form.querySelector("button").disabled = false;
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const kept = Object.fromEntries(new FormData(form));
      medimgr.setText(told, "");
      try {
        const { operation } = await medimgr.api.cleanUp(kept);
        const link = document.createElement("a");
        link.href = operation.url;
        link.textContent = `operation ${operation.id}`;
        told.replaceChildren("They are deleted by ", link, ".");
      } catch (error) {
        medimgr.setText(told, error.message);
      }
    });
  }

  page.chores.forEach(show);
  setInterval(() => { if (!document.hidden) page.chores.forEach(show); }, 1000);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });
  timer = setTimeout(refresh, page.refresh_seconds * 1000);
})();
