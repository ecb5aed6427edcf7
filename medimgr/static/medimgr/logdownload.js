/* The ranges of a log that can be downloaded: the archives are asked for when the choice is opened. */
"use strict";

(() => {
  const { words } = medimgr;

  medimgr.LogDownload = class {
    constructor(root, key, log) {
      this.key = key;
      this.log = log;
      this.details = document.getElementById("log-download");
      this.list = this.details.querySelector(".log-ranges");
      this.details.addEventListener("toggle", () => { if (this.details.open) this.show(); });
      this.details.addEventListener("keydown", (event) => { if (event.key === "Escape") this.close({ focus: true }); });
      this.list.addEventListener("click", (event) => { if (event.target.closest("a")) this.close({ focus: true }); });
      document.addEventListener("click", (event) => { if (!this.details.contains(event.target)) this.close(); });
      this.details.addEventListener("focusout", (event) => { if (event.relatedTarget && !this.details.contains(event.relatedTarget)) this.close(); });
      root.addEventListener("log-changed", () => this.close());
    }

    close({ focus = false } = {}) {
      if (!this.details.open) return;
      this.details.open = false;
      if (focus) this.details.querySelector("summary").focus();
    }

    async show() {
      const stream = this.log.stream;
      for (const link of this.list.querySelectorAll("a")) {
        const address = new URL(link.href);
        address.searchParams.set("stream", stream);
        link.href = address;
      }
      const place = document.getElementById("log-archives");
      try {
        const kept = await medimgr.api.get(`/api/services/${encodeURIComponent(this.key)}/log/archives?stream=${stream}`);
        medimgr.setText(document.getElementById("log-kept"), `(${words.bytes(kept.to - kept.from)})`);
        const links = kept.archives.filter((archive) => archive.from !== null).map((archive) => this.link(archive, stream));
        place.hidden = !links.length;
        place.replaceChildren(...links);
      } catch (error) {
        place.hidden = false;
        place.textContent = error.message;
      }
    }

    link(archive, stream) {
      const link = document.createElement("a");
      link.href = `${this.list.dataset.of}?archive=${archive.number}&stream=${stream}`;
      link.download = "";
      link.textContent = `Archive ${archive.number} `;
      const about = document.createElement("span");
      about.className = "soft";
      about.textContent = `(${words.bytes(archive.to - archive.from)}, until ${words.moment(archive.ended_at)})`;
      about.title = `${words.absolute(archive.ended_at)}; takes ${words.bytes(archive.stored_bytes)}${archive.compressed ? ", compressed" : ""}`;
      link.append(about);
      return link;
    }
  };
})();
