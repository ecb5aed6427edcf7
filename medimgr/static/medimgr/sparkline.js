/* The last minute of each service's CPU and memory, as small SVG lines. A gap in the knowledge is a gap in the line. */
"use strict";

(() => {
  const POINTS = 60;
  const HEIGHT = 20;
  const KEY = "medimgr.series";

  medimgr.Series = class {
    constructor() {
      this.series = new Map(); // key → {cpu: [], memory: []}, oldest first, null where nothing was known
      this.sampledAt = Date.now();
      this.restore();
      window.addEventListener("pagehide", () => this.save());
      document.addEventListener("visibilitychange", () => { if (document.hidden) this.save(); });
    }

    of(key) {
      if (!this.series.has(key)) this.series.set(key, { cpu: [], memory: [] });
      return this.series.get(key);
    }

    /** Add a point per second since the last call: the present figures, or a gap where the page is out of date. */
    sample(items, live) {
      const seconds = Math.floor((Date.now() - this.sampledAt) / 1000);
      if (seconds < 1) return;
      this.sampledAt += seconds * 1000;
      const points = Math.min(seconds, POINTS);
      for (const item of items) {
        const { cpu, memory } = this.of(item.key);
        for (let point = 0; point < points; point += 1) {
          cpu.push(live && item.cpu_percent !== null ? item.cpu_percent : null);
          memory.push(live && item.memory_mb !== null ? item.memory_mb : null);
        }
        if (cpu.length > POINTS) { cpu.splice(0, cpu.length - POINTS); memory.splice(0, memory.length - POINTS); }
      }
    }

    forget(key) { this.series.delete(key); }

    save() {
      try {
        sessionStorage.setItem(KEY, JSON.stringify({ at: this.sampledAt, series: [...this.series] }));
      } catch { /* storage is full or forbidden: then a reload begins with empty lines */ }
    }

    restore() {
      try {
        const stored = JSON.parse(sessionStorage.getItem(KEY) || "null");
        const missed = stored && Math.floor((Date.now() - stored.at) / 1000);
        if (!stored || missed >= POINTS || missed < 0) return;
        const gap = new Array(missed).fill(null);
        for (const [key, { cpu, memory }] of stored.series) {
          this.series.set(key, { cpu: [...cpu, ...gap].slice(-POINTS), memory: [...memory, ...gap].slice(-POINTS) });
        }
      } catch { /* not ours, or of another version */ }
    }

    draw(root, key) {
      const { cpu, memory } = this.of(key);
      drawOne(root.querySelector('[data-spark="cpu"]'), cpu, Math.max(10, greatest(cpu)) * 1.05);
      drawOne(root.querySelector('[data-spark="memory"]'), memory, Math.max(1, greatest(memory)) * 1.25);
    }
  };

  const greatest = (values) => values.reduce((most, value) => (value > most ? value : most), 0);

  function drawOne(svg, values, top) {
    if (!svg) return;
    const offset = POINTS - values.length;
    let line = "";
    let area = "";
    let begin = null;
    values.forEach((value, index) => {
      if (value === null) {
        if (begin !== null) area += `L${offset + index - 1} ${HEIGHT}L${begin} ${HEIGHT}Z`;
        begin = null;
        return;
      }
      const x = offset + index;
      const y = (HEIGHT - (value / top) * HEIGHT).toFixed(1);
      line += `${begin === null ? "M" : "L"}${x} ${y}`;
      area += `${begin === null ? "M" : "L"}${x} ${y}`;
      if (begin === null) begin = x;
    });
    if (begin !== null) area += `L${offset + values.length - 1} ${HEIGHT}L${begin} ${HEIGHT}Z`;
    medimgr.setAttribute(svg.querySelector(".line"), "d", line);
    medimgr.setAttribute(svg.querySelector(".area"), "d", area);
  }
})();
