/* A test event: through the log and the web worker back to this page, with the time that it took. */
"use strict";

(() => {
  const PATIENCE_MS = 10_000;
  const button = document.getElementById("send-test");
  const told = document.getElementById("connections-told");
  let sentAt = 0;
  let patience = 0;

  function rest() {
    clearTimeout(patience);
    sentAt = 0;
    if (button) button.disabled = false;
  }

  async function send() {
    button.disabled = true;
    sentAt = performance.now();
    patience = setTimeout(() => {
      medimgr.setText(told, "The test event has not arrived on this page within 10 seconds. Look at the log of the web worker.");
      rest();
    }, PATIENCE_MS);
    try {
      await medimgr.api.testEvent();
    } catch (error) {
      medimgr.setText(told, error.message);
      rest();
    }
  }

  medimgr.client.on("connection", (data) => {
    if (!data.test) return;
    if (sentAt) medimgr.setText(told, `The test event arrived on this page after ${Math.round(performance.now() - sentAt)} ms.`);
    else medimgr.setText(told, `${data.by} sent a test event, and it arrived on this page.`);
    rest();
  });
  if (button) button.addEventListener("click", send);
})();
