/* What the page knows about workstations and their emulators: begins as the snapshot of workstations/rows.py, kept
   true by the messages about them and about operations on them.

   Listeners get (kind, id): "workstation", "emulator", "workstation-gone", "emulator-gone". */
"use strict";

(() => {
  medimgr.FleetStore = class extends medimgr.LiveStore {
    /** only: the one workstation to care about, null for all; address: where the snapshot is fetched anew. */
    constructor(snapshot, client, { only = null, address }) {
      super(client);
      this.only = only;
      this.address = address;
      this.hosts = new Map();
      this.emulators = new Map();
      this.begin(snapshot, ["workstation", "emulator", "operation"]);
    }

    fetchSnapshot() { return medimgr.api.get(this.address); }

    changed(item) { this.tell(item.workstation === undefined ? "workstation" : "emulator", item.id); }

    /** Take a snapshot over whole. */
    load(snapshot) {
      this.upTo = snapshot.last_event_id;
      const seen = new Set();
      const seenEmulators = new Set();
      for (const { emulators, states: _, ...host } of snapshot.items) {
        seen.add(host.id);
        this.putHost(host);
        for (const values of emulators) {
          const emulator = snapshot.emulator_fields ? Object.fromEntries(snapshot.emulator_fields.map((name, place) => [name, values[place]])) : values;
          seenEmulators.add(emulator.id);
          this.putEmulator({ ...emulator, workstation: host.id });
        }
      }
      for (const id of [...this.emulators.keys()]) if (!seenEmulators.has(id)) this.dropEmulator(id);
      for (const id of [...this.hosts.keys()]) if (!seen.has(id)) this.dropHost(id);
      const under = new Set(snapshot.operations.map(({ target }) => target));
      for (const [type, items] of [["workstation", this.hosts], ["emulator", this.emulators]]) {
        for (const item of items.values()) if (item.operation && !under.has(`${type}:${item.id}`)) { item.operation = null; this.changed(item); }
      }
      for (const operation of snapshot.operations) this.onOperation(operation);
    }

    take(topic, { key, ...data }) {
      if (topic === "operation") { this.onOperation(data); return; }
      const id = Number(key);
      if (topic === "workstation") {
        if (this.only !== null && id !== this.only) return;
        if (data.deleted) this.dropHost(id);
        else this.putHost({ ...data, id });
      } else if (data.deleted) this.dropEmulator(id);
      else if (this.hosts.has(data.workstation)) this.putEmulator({ ...data, id });
    }

    onOperation(operation) {
      const [type, key] = operation.target.split(":");
      const item = type === "workstation" ? this.hosts.get(Number(key)) : type === "emulator" ? this.emulators.get(Number(key)) : null;
      if (item) this.follow(item, operation);
    }

    putHost(data) {
      const old = this.hosts.get(data.id);
      if (old) Object.assign(old, data);
      else this.hosts.set(data.id, { emulators: new Set(), states: {}, operation: null, outcome: null, seen: [0, 0], server: "its turn", ...data });
      this.tell("workstation", data.id);
    }

    putEmulator(data) {
      const old = this.emulators.get(data.id);
      const host = this.hosts.get(data.workstation);
      if (old) {
        if (old.state !== data.state) this.count(host, old.state, -1).count(host, data.state, 1);
        Object.assign(old, data);
      } else {
        this.emulators.set(data.id, { operation: null, outcome: null, seen: [0, 0], server: "its turn", ...data });
        host.emulators.add(data.id);
        this.count(host, data.state, 1);
      }
      this.tell("emulator", data.id);
    }

    count(host, state, change) {
      const left = (host.states[state] || 0) + change;
      if (left) host.states[state] = left;
      else delete host.states[state];
      return this;
    }

    dropEmulator(id) {
      const emulator = this.emulators.get(id);
      if (!emulator) return;
      const host = this.hosts.get(emulator.workstation);
      this.emulators.delete(id);
      if (host?.emulators.delete(id)) this.count(host, emulator.state, -1);
      this.tell("emulator-gone", id);
    }

    dropHost(id) {
      const host = this.hosts.get(id);
      if (!host) return;
      for (const emulator of [...host.emulators]) this.dropEmulator(emulator);
      this.hosts.delete(id);
      this.tell("workstation-gone", id);
    }

    /** The emulators of a workstation by their index. */
    emulatorsOf(host) {
      return [...host.emulators].map((id) => this.emulators.get(id)).sort((a, b) => a.index - b.index);
    }
  };
})();
