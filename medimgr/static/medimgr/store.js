/* What the page knows about services and nodes: begins as the snapshot, kept true by the stream's messages.

   Listeners get (kind, key): "row" (state or texts), "figures" (CPU and memory), "added", "removed", "nodes". */
"use strict";

(() => {
  const words = medimgr.words;
  const NODE_SILENT_MS = 10_000; // as Node.STALE_SECONDS
  const DECLARED_DELAY_MS = 150;
  const FETCHED_ONE_BY_ONE = 5;

  medimgr.ServiceStore = class extends medimgr.LiveStore {
    /** only: keys to care about; null for all. */
    constructor(snapshot, client, { only = null } = {}) {
      super(client);
      this.only = only && new Set(only);
      this.items = new Map();
      this.nodes = new Map();
      this.declared = new Set();
      this.begin(snapshot, ["service", "operation", "node"]);
      client.on("tick", (data) => this.receive("tick", data, Infinity));
    }

    changed(item) { this.tell("row", item.key); }
    fetchSnapshot() { return medimgr.api.services(); }

    all() { return [...this.items.values()]; }

    /** Take a snapshot over whole. */
    load(snapshot) {
      this.nodes = new Map(snapshot.nodes.map((node) => [node.name, { ...node, heardAt: Date.parse(node.heartbeat_at) || 0 }]));
      this.upTo = snapshot.last_event_id;
      const seen = new Set();
      snapshot.items.forEach((item, position) => {
        if (this.only && !this.only.has(item.key)) return;
        seen.add(item.key);
        this.put({ ...item, position });
      });
      for (const key of [...this.items.keys()]) if (!seen.has(key)) this.remove(key);
      this.tell("nodes", "");
    }

    put(item) {
      const old = this.items.get(item.key);
      // The detail of one service names its needs with their conditions, the list with their keys alone.
      const needs = (item.needs || []).map((need) => need.service || need);
      this.items.set(item.key, { ...(old || { outcome: null, seen: [0, 0], position: Infinity }), last_state: undefined, ...item, needs });
      this.tell(old ? "row" : "added", item.key);
    }

    remove(key) {
      if (this.items.delete(key)) this.tell("removed", key);
    }

    take(topic, data) {
      if (topic === "service") this.onService(data);
      else if (topic === "operation") this.onOperation(data);
      else if (topic === "node") this.onNode(data);
      else this.onTick(data);
    }

    onService(data) {
      const { key, ...changes } = data;
      if (this.only && !this.only.has(key)) return;
      if (changes.deleted) { this.declared.delete(key); this.remove(key); return; }
      if (changes.declared) { this.fetchSoon(key); return; }
      const item = this.items.get(key);
      if (!item) { this.fetchSoon(key); return; }
      Object.assign(item, changes);
      if (changes.state) item.last_state = undefined;
      if (item.pid === null) item.cpu_percent = item.memory_mb = null;
      this.tell("row", key);
    }

    onOperation(operation) {
      const [type, ...rest] = operation.target.split(":");
      const item = type === "service" ? this.items.get(rest.join(":")) : null;
      if (item) this.follow(item, operation);
    }

    onNode(data) {
      const { key, ...changes } = data;
      const old = this.nodes.get(key);
      this.nodes.set(key, { ...(old || {}), name: key, ...changes, heardAt: Date.parse(changes.heartbeat_at) || words.now() });
      this.tell("nodes", key);
      if (!old || old.supervised !== this.nodes.get(key).supervised) this.resync();
    }

    onTick(data) {
      const node = this.nodes.get(data.node);
      if (node) {
        node.heardAt = Date.parse(data.at) || words.now();
        node.heartbeat_at = data.at;
        // Somebody measures there again, so the states that the snapshot gave as unknown are known.
        if (!node.supervised) this.askSoon();
      }
      for (const [key, [cpu, memory]] of Object.entries(data.services)) {
        const item = this.items.get(key);
        if (!item || !item.pid) continue;
        item.cpu_percent = cpu;
        item.memory_mb = memory;
        this.tell("figures", key);
      }
    }

    /** Once a second: a node that says nothing may have lost its supervisor, which cannot say so itself. */
    checkNodes() {
      if (this.client.link.state !== "live") return;
      for (const node of this.nodes.values()) {
        const quiet = words.now() - node.heardAt > NODE_SILENT_MS;
        if (quiet && this.all().some((item) => item.node === node.name)) { this.askSoon(); return; }
      }
    }

    // --- fetching ----------------------------------------------------------------------------------
    fetchSoon(key) {
      this.declared.add(key);
      clearTimeout(this.declaredTimer);
      this.declaredTimer = setTimeout(() => this.fetchDeclared(), DECLARED_DELAY_MS);
    }

    async fetchDeclared() {
      const keys = [...this.declared];
      this.declared.clear();
      if (keys.length > FETCHED_ONE_BY_ONE) { this.resync(); return; } // an import: one answer for all
      for (const key of keys) {
        try {
          this.put(await medimgr.api.service(key));
        } catch (error) {
          if (error.status === 404) this.remove(key);
        }
      }
    }
  };
})();
