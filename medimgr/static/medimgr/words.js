/* Figures and states in words: the live twin of monitoring/wording.py. Also the small tools that every page uses. */
"use strict";

(() => {
  const NOTHING = "–";
  const data = JSON.parse(document.getElementById("page-data").textContent);
  medimgr.page = data;

  let serverAhead = 0; // milliseconds; ages are told by the server's clock, which made the times

  medimgr.words = {
    NOTHING,

    /** Learn the server's clock from a message that carries its time. */
    setServerTime(iso) {
      const at = Date.parse(iso);
      if (!Number.isNaN(at)) serverAhead = at - Date.now();
    },

    now() {
      return Date.now() + serverAhead;
    },

    /** 4 s, 12 min, 3 h 5 min, 2 d 4 h. */
    age(seconds) {
      const whole = Math.max(0, Math.floor(seconds));
      if (whole < 60) return `${whole} s`;
      let minutes = Math.floor(whole / 60);
      if (minutes < 60) return `${minutes} min`;
      let hours = Math.floor(minutes / 60);
      minutes %= 60;
      if (hours < 24) return minutes ? `${hours} h ${minutes} min` : `${hours} h`;
      const days = Math.floor(hours / 24);
      hours %= 24;
      return hours ? `${days} d ${hours} h` : `${days} d`;
    },

    ageOf(iso) {
      return iso ? medimgr.words.age((medimgr.words.now() - Date.parse(iso)) / 1000) : NOTHING;
    },

    /** next in 3 h, at 02:30; with its day where that is not today. */
    nextRun(iso) {
      if (!iso) return "runs by its schedule";
      const at = new Date(iso);
      const seconds = (at.getTime() - medimgr.words.now()) / 1000;
      if (seconds <= 0) return "is due now";
      const today = new Date(medimgr.words.now()).toDateString() === at.toDateString();
      const day = today ? "" : `on ${at.toLocaleDateString("en-GB", { day: "2-digit", month: "short" })} `;
      return `next in ${medimgr.words.age(seconds)}, ${day}at ${medimgr.words.clock(iso)}`;
    },

    /** How many of a group run; those that wait for their next run are not missing. */
    rollup(running, total, resting) {
      const parts = total > resting ? [`${running}/${total - resting} running`] : [];
      if (resting) parts.push(`${resting} scheduled`);
      return parts.join(", ");
    },

    percent(value) {
      if (value === null || value === undefined) return NOTHING;
      return `${value < 9.95 ? value.toFixed(1) : value.toFixed(0)} %`;
    },

    memory(megabytes) {
      if (megabytes === null || megabytes === undefined) return NOTHING;
      return megabytes >= 999.5 ? `${(megabytes / 1024).toFixed(1)} GB` : `${megabytes.toFixed(0)} MB`;
    },

    bytes(count) {
      const units = ["B", "KB", "MB", "GB", "TB"];
      let unit = 0;
      while (count >= 1000 && unit < units.length - 1) { count /= 1024; unit += 1; }
      return `${unit && count < 10 ? count.toFixed(1) : Math.round(count)} ${units[unit]}`;
    },

    /** 12:03, in the reader's time zone. */
    clock(when) {
      return new Date(when).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
    },

    clockSeconds(when) {
      return new Date(when).toLocaleTimeString("en-GB");
    },

    /** 23 Nov 12:03:11. */
    moment(when) {
      const at = new Date(when);
      return `${at.toLocaleDateString("en-GB", { day: "2-digit", month: "short" })} ${at.toLocaleTimeString("en-GB")}`;
    },

    absolute(iso) {
      return iso ? new Date(iso).toLocaleString("en-GB", { dateStyle: "full", timeStyle: "long" }) : "";
    },

    capital(word) {
      return word.charAt(0).toUpperCase() + word.slice(1).toLowerCase();
    },

    reason(reason, detail) {
      return detail || (data.reason_words || {})[reason] || reason || "";
    },

    count(number, singular, plural) {
      return `${number} ${number === 1 ? singular : plural}`;
    },
  };

  /** Write text where it differs: an untouched node costs no layout. */
  medimgr.setText = (node, text) => {
    if (node && node.textContent !== text) node.textContent = text;
  };

  medimgr.setAttribute = (node, name, value) => {
    if (node && node.getAttribute(name) !== value) node.setAttribute(name, value);
  };

  /** Why nothing can be asked of what has these labels though it may be looked at, or "". */
  medimgr.beyond = (labels) => {
    const { reach } = medimgr.page || {};
    return !reach || labels.some((label) => reach.includes(label)) ? "" : "It is out of the reach of your account, which is limited to certain groups and tags.";
  };

  /** Make a button do or refuse. A refusal is said, not hidden: the reason is its title, and it stays reachable. */
  medimgr.allow = (button, reason) => {
    if (button.disabled) button.disabled = false;
    if (reason) {
      medimgr.setAttribute(button, "aria-disabled", "true");
      medimgr.setAttribute(button, "title", reason);
    } else if (button.hasAttribute("aria-disabled") || button.title) {
      button.removeAttribute("aria-disabled");
      button.removeAttribute("title");
    }
  };

  medimgr.refusal = (button) => (button.getAttribute("aria-disabled") === "true" ? button.title : "");

  /** Speak a summary to screen readers. */
  medimgr.announce = (text) => medimgr.setText(document.getElementById("announcer"), text);

  const TITLE = document.title.replace(/^\(\d+\) /, "");
  medimgr.setTroubles = (count) => {
    document.title = count ? `(${count}) ${TITLE}` : TITLE;
    const icon = document.getElementById("favicon");
    icon.dataset.calm = icon.dataset.calm || icon.getAttribute("href");
    medimgr.setAttribute(icon, "href", count ? icon.dataset.trouble : icon.dataset.calm);
  };

  /** Show a message for people; errors stay until they are closed. */
  medimgr.notice = (text, { level = "error", link = null, seconds = 0 } = {}) => {
    for (const shown of document.querySelectorAll(".notice")) if (shown.dataset.text === text) shown.remove();
    const box = document.createElement("div");
    box.dataset.text = text;
    box.className = "notice";
    box.dataset.level = level;
    box.setAttribute("role", level === "error" ? "alert" : "status");
    const words = document.createElement("span");
    words.textContent = text;
    if (link) {
      const anchor = document.createElement("a");
      anchor.href = link.href;
      anchor.textContent = link.text;
      words.append(" ", anchor);
    }
    const close = document.createElement("button");
    close.type = "button";
    close.className = "quiet";
    close.textContent = "Close";
    close.addEventListener("click", () => box.remove());
    box.append(words, close);
    document.getElementById("notices").append(box);
    if (seconds) setTimeout(() => box.remove(), seconds * 1000);
  };

  /** Run paint(keys) once for all changes of a frame; in a hidden tab once a second, where frames do not come. */
  medimgr.batch = (paint) => {
    const keys = new Set();
    let waiting = false;
    const run = () => {
      waiting = false;
      const changed = [...keys];
      keys.clear();
      paint(changed);
    };
    return (...changed) => {
      for (const key of changed) keys.add(key);
      if (waiting) return;
      waiting = true;
      if (document.hidden) setTimeout(run, 1000);
      else requestAnimationFrame(run);
    };
  };
})();
