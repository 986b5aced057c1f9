// Sends one file by the upload protocol tus 1.0.0 (https://tus.io/protocols/resumable-upload), in chunks that are
// each checked by their SHA-256. It goes on by itself after a lost connection and a restarted server.
const VERSION = { "Tus-Resumable": "1.0.0" };
const CHUNK_BYTES = 8 * 1024 * 1024;
const LONGEST_WAIT_S = 30;

export class Refused extends Error {
  constructor(status, message) { super(message); this.status = status; }
}

class Lost extends Error {}

function base64(bytes) {
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}

export function metadata(told) {
  const pairs = Object.entries(told).filter(([, value]) => value);
  return pairs.map(([name, value]) => `${name} ${base64(new TextEncoder().encode(value))}`).join(",");
}

async function checksum(chunk) {
  if (!globalThis.crypto?.subtle) return {}; // without TLS browsers have none; the server's own hash remains
  const digest = await crypto.subtle.digest("SHA-256", await chunk.arrayBuffer());
  return { "Upload-Checksum": `sha256 ${base64(new Uint8Array(digest))}` };
}

// `onProgress(bytes)`, `onState("sending" | "retrying")`, `onUrl(url)`; `told` is said of the file.
export class Sending {
  constructor(file, { told, url, onProgress, onState, onUrl }) {
    Object.assign(this, { file, told, url, onProgress, onState, onUrl });
    this.stopped = false;
    this.request = null;
    this.wake = () => {};
  }

  // Resolves to true once all bytes are there, to false when it was paused; rejects with Refused.
  async run() {
    this.stopped = false;
    let failures = 0;
    while (!this.stopped) {
      try {
        if (await this.attempt(() => { failures = 0; })) return true;
      } catch (error) {
        if (this.stopped) return false;
        if (!(error instanceof Lost)) throw error;
        failures += 1;
        this.onState("retrying");
        await this.rest(Math.min(2 ** (failures - 1), LONGEST_WAIT_S));
      }
    }
    return false;
  }

  pause() {
    this.stopped = true;
    this.request?.abort();
    this.wake();
  }

  async cancel() {
    this.pause();
    for (let tries = 0; this.url && tries < 5; tries += 1) { // until the server has let go of the last bytes
      const again = await this.ask("DELETE", this.url).then(() => false, (error) => error instanceof Lost);
      if (!again) return;
      await new Promise((resolve) => { setTimeout(resolve, 1000); });
    }
  }

  async attempt(went) {
    let offset = await this.begin();
    this.onState("sending");
    this.onProgress(offset);
    while (offset < this.file.size) {
      if (this.stopped) return false;
      const chunk = this.file.slice(offset, offset + CHUNK_BYTES);
      const headers = { "Upload-Offset": String(offset), "Content-Type": "application/offset+octet-stream", ...(await checksum(chunk)) };
      const answer = await this.ask("PATCH", this.url, headers, chunk, (sent) => this.onProgress(offset + sent));
      offset = Number(answer.getResponseHeader("Upload-Offset"));
      this.onProgress(offset);
      went();
    }
    return true;
  }

  // How many bytes are there; begins anew where the server knows nothing of the upload any more.
  async begin() {
    if (this.url) {
      try {
        return Number((await this.ask("HEAD", this.url)).getResponseHeader("Upload-Offset"));
      } catch (error) {
        if (!(error instanceof Refused) || ![404, 410].includes(error.status)) throw error;
      }
    }
    const headers = { "Upload-Length": String(this.file.size), "Upload-Metadata": metadata(this.told) };
    this.url = (await this.ask("POST", "/uploads", headers)).getResponseHeader("Location");
    this.onUrl(this.url);
    return 0;
  }

  ask(method, url, headers = {}, body = null, onSent = () => {}) {
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      this.request = request;
      request.open(method, url);
      for (const [name, value] of Object.entries({ ...VERSION, Accept: "application/json", ...headers })) request.setRequestHeader(name, value);
      request.upload.onprogress = (event) => onSent(event.loaded);
      request.onload = () => {
        if (request.status >= 200 && request.status < 300) resolve(request);
        else if (passes(request.status)) reject(new Lost(String(request.status)));
        else reject(new Refused(request.status, sentence(request)));
      };
      request.onerror = request.onabort = () => reject(new Lost("connection"));
      request.send(body);
    });
  }

  rest(seconds) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, seconds * 1000);
      this.wake = () => { clearTimeout(timer); resolve(); };
      addEventListener("online", this.wake, { once: true });
    });
  }
}

// What asking again mends: another place, somebody else at work, changed on the way, a server that is not there.
function passes(status) {
  return [408, 409, 423, 429, 460].includes(status) || (status >= 500 && status !== 507);
}

function sentence(request) {
  try { return JSON.parse(request.responseText).error ?? ""; } catch { return ""; }
}
