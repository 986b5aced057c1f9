// Waits until the video at an address can be played: asking for its state has it made. Why it cannot be made is
// given to `failed`.
const EVERY_MS = 2000;

export async function prepared(address, failed) {
  for (;;) {
    const answer = await fetch(`${address}/state`, { headers: { accept: "application/json" } }).catch(() => null);
    const state = answer?.ok ? await answer.json() : null;
    if (state?.ready) return true;
    if (state?.failed) {
      failed(state.text);
      return false;
    }
    await new Promise((done) => setTimeout(done, EVERY_MS));
  }
}
