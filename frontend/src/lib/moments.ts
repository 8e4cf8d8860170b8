/** Moments to do what can wait, so that what a person is waiting for comes first. */

/** No frame is drawn of a page that nobody sees. */
const UNSEEN_MS = 300;
const BUSY_MS = 1000;

/** Resolves when what is in the page now has been drawn. */
export function drawn(): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, UNSEEN_MS);
    requestAnimationFrame(() => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => resolve();
      port2.postMessage(null);
    });
  });
}

/** Resolves when the page has nothing more urgent to do. */
export function idle(): Promise<void> {
  return new Promise((resolve) => {
    if ("requestIdleCallback" in window) requestIdleCallback(() => resolve(), { timeout: BUSY_MS });
    else setTimeout(resolve, UNSEEN_MS);
  });
}
