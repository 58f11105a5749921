// The modules of WebAssembly: one for each kind of device, so that a page with a GPU does not download what computes on the CPU.

import { refused, shown } from './errors.js';

/** Where the modules are, each in its JavaScript and its WebAssembly. */
const PARTS = {
  gpu: { script: () => import('./wasm/gpu.js'), code: () => new URL('./wasm/gpu_bg.wasm', import.meta.url) },
  cpu: { script: () => import('./wasm/cpu.js'), code: () => new URL('./wasm/cpu_bg.wasm', import.meta.url) },
};

/** Functions kept by their text, the last used first. */
const MOST_FUNCTIONS = 256;

/** A module that is loaded: what it exports, and the functions it keeps. */
class Module {
  raw;
  #functions = new Map();

  constructor(raw) {
    this.raw = raw;
  }

  /**
   * The number of the function of some texts and its names: kept, since a page evaluates the same again and again. Words that
   * have a meaning of their own, such as `e`, are names where something is given for them.
   */
  functionOf(op, texts, given = {}, wrt = [], value = false) {
    for (const text of texts) if (typeof text !== 'string') throw refused(op, 'an expression in text', shown(text));
    const found = this.#kept(texts, [], wrt, value);
    const taken = found.words.filter((word) => Object.hasOwn(given, word));
    return taken.length ? this.#kept(texts, [...found.names, ...taken], wrt, value) : found;
  }

  #kept(texts, names, wrt, value) {
    const key = texts.length === 1 && wrt.length === 0 && names.length === 0 ? texts[0] : JSON.stringify([texts, names, wrt, value]);
    let found = this.#functions.get(key);
    if (found) {
      this.#functions.delete(key);
    } else {
      const number = this.raw.function_new(texts, names, wrt, value);
      found = { number, names: this.raw.function_names(number), words: this.raw.function_words(texts) };
      found.words = found.words.filter((word) => !found.names.includes(word));
      if (this.#functions.size >= MOST_FUNCTIONS) {
        const [[oldest, { number }]] = this.#functions;
        this.#functions.delete(oldest);
        this.raw.function_drop(number);
      }
    }
    this.#functions.set(key, found);
    return found;
  }
}

/** Promises of the modules asked for so far, and those that are loaded. */
const loading = {};
export const loaded = [];
/** Where a page says that a module's WebAssembly is. */
const sources = {};

/** The module for a kind of device, which is loaded once. */
export function moduleOf(kind) {
  loading[kind] ??= (async () => {
    const [{ default: load, ...raw }, code] = await Promise.all([PARTS[kind].script(), codeOf(kind)]);
    await load({ module_or_path: code });
    loaded.push(new Module(raw));
    return loaded.at(-1);
  })().catch((error) => {
    delete loading[kind];
    throw error;
  });
  return loading[kind];
}

async function codeOf(kind) {
  const code = sources[kind] ?? PARTS[kind].code();
  if (code instanceof URL && code.protocol === 'file:') {
    const { readFile } = await import('node:fs/promises');
    return readFile(code);
  }
  return code instanceof URL || typeof code === 'string' ? fetch(code) : code;
}

/** What the browser offers as a GPU, if anything: it is asked before a module is downloaded. */
export const offered = () => globalThis.navigator?.gpu?.requestAdapter({ powerPreference: 'high-performance' });

/** The kind of device to use when nothing else is said. A GPU in software is slower than the CPU path. */
export async function bestKind() {
  const adapter = await offered();
  return adapter && !(adapter.info?.isFallbackAdapter ?? adapter.isFallbackAdapter) ? 'gpu' : 'cpu';
}

/**
 * Loads the module that `device()` uses in this page, which `device()` does by itself. `{ gpu, cpu }` says where the modules are
 * if not in the package, each by a URL, a Response or its bytes; each is loaded once its kind of device is asked for.
 */
export async function init(given = {}) {
  Object.assign(sources, given);
  await moduleOf(await bestKind());
}
