// What the browser keeps of a learner's work: notes, marks and keys in localStorage, whole records in IndexedDB, which has room.
// The server asks once a session; what it gives is written down whenever it changes.
const PREFIX = "diffusion-step-by-step/";
const LARGE = "record/";
let forgotten = 0;

function database() {
  return new Promise((resolve, reject) => {
    const asked = window.indexedDB.open("diffusion-step-by-step", 1);
    asked.onupgradeneeded = () => asked.result.createObjectStore("kept");
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => reject(asked.error);
  });
}

async function store(mode, work) {
  const db = await database();
  return new Promise((resolve, reject) => {
    const transaction = db.transaction("kept", mode);
    const result = work(transaction.objectStore("kept"));
    transaction.oncomplete = () => resolve(result?.result);
    transaction.onerror = transaction.onabort = () => reject(transaction.error);
  }).finally(() => db.close());
}

function small() {
  const found = {};
  for (let i = 0; i < window.localStorage.length; i++) {
    const key = window.localStorage.key(i);
    if (key.startsWith(PREFIX)) found[key.slice(PREFIX.length)] = JSON.parse(window.localStorage.getItem(key));
  }
  return found;
}

async function large() {
  const keys = await store("readonly", (kept) => kept.getAllKeys());
  const values = await store("readonly", (kept) => kept.getAll());
  return Object.fromEntries(keys.map((key, i) => [key, values[i]]));
}

async function put(entries) {
  for (const [key, value] of Object.entries(entries)) {
    if (key.startsWith(LARGE)) await store("readwrite", (kept) => kept.put(value, key));
    else if (value === "") window.localStorage.removeItem(PREFIX + key);
    else window.localStorage.setItem(PREFIX + key, JSON.stringify(value));
  }
}

async function forget() {
  for (const key of Object.keys(small())) window.localStorage.removeItem(PREFIX + key);
  await store("readwrite", (kept) => kept.clear());
}

function idle() {
  return new Promise((resolve) => {
    const look = () =>
      document.querySelector('[data-testid="stApp"][data-test-script-state="notRunning"]') ? resolve() : setTimeout(look, 50);
    look();
  });
}

export default function ({ data, setTriggerValue }) {
  let gone = false;
  const work = async () => {
    if (data.forget > forgotten) {
      forgotten = data.forget;
      await forget();
    }
    await put(data.put);
    if (!data.ask) return;
    const found = { ...small(), ...(data.ask === "all" ? await large() : {}) };
    await idle(); // an answer runs the page again, and must not end a walk
    if (!gone) setTriggerValue("found", { asked: data.ask, entries: found });
  };
  work().catch(async (error) => {
    await idle();
    if (!gone && data.ask) setTriggerValue("found", { asked: data.ask, entries: {}, failed: String(error) });
  });
  return () => {
    gone = true;
  };
}
