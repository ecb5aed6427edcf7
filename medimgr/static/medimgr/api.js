/* The page acts through the same JSON API as everybody else. Errors come back as medimgr.ApiError, in words. */
"use strict";

(() => {
  medimgr.ApiError = class extends Error {
    constructor(status, document_) {
      super(document_.detail || document_.title || `The server answered ${status}.`);
      this.status = status;
      this.code = document_.code || "";
      this.errors = document_.errors || {}; // by field
    }
  };

  function csrfToken() {
    const cookie = document.cookie.split("; ").find((part) => part.startsWith("csrftoken="));
    if (cookie) return decodeURIComponent(cookie.slice("csrftoken=".length));
    const field = document.querySelector("input[name=csrfmiddlewaretoken]");
    return field ? field.value : "";
  }

  async function request(method, path, body) {
    const options = { method, headers: { Accept: "application/json", "X-Medimgr-Page": location.pathname }, redirect: "manual", cache: "no-store" };
    if (method !== "GET") {
      options.headers["X-CSRFToken"] = csrfToken();
      options.headers["Content-Type"] = "application/json";
      options.body = JSON.stringify(body || {});
    }
    let response;
    try {
      response = await fetch(path, options);
    } catch {
      throw new medimgr.ApiError(0, { code: "unreachable", detail: "The server cannot be reached. Nothing was changed, as far as is known." });
    }
    if (response.type === "opaqueredirect") {
      throw new medimgr.ApiError(401, { code: "not-logged-in", detail: "You are not logged in any more. Log in again." });
    }
    let document_ = {};
    try {
      document_ = await response.json();
    } catch { /* no body, or not JSON: the status has to do */ }
    if (!response.ok) throw new medimgr.ApiError(response.status, document_);
    return document_;
  }

  const of = (key) => `/api/services/${encodeURIComponent(key)}`;

  medimgr.api = {
    get: (path) => request("GET", path),
    post: (path, body) => request("POST", path, body),
    remove: (path, body) => request("DELETE", path, body),
    services: () => request("GET", "/api/services?limit=10000"),
    service: (key) => request("GET", of(key)),
    history: (key) => request("GET", `${of(key)}/history?limit=50`),
    log: (key, which) => request("GET", `${of(key)}/log?${new URLSearchParams(which)}`),
    act: (key, verb, body) => request("POST", `${of(key)}/${verb}`, body),
    batch: (verb, keys, reason, rolling = false) => request("POST", "/api/services/batch", { action: verb, services: keys, reason, rolling }),
    cleanUp: (kept) => request("DELETE", `/api/operations/cleanup?${new URLSearchParams(kept)}`),
    chores: () => request("GET", "/api/operations/chores"),
    runChore: (name) => request("POST", `/api/operations/chores/${encodeURIComponent(name)}/run`),
    kick: (id) => request("POST", `/api/events/connections/${Number(id)}/kick`),
    kickAllOf: (account) => request("POST", "/api/events/kick", { user: account }),
    testEvent: () => request("POST", "/api/events/test"),
    streamHealth: () => request("GET", "/api/events/health"),
    streams: () => request("GET", "/api/events/stats"),
  };
})();
